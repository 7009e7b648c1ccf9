"""Which nodes are asked, on which topics, and what may be sent through them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from workflow.errors import ConfigurationError
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC, NON_PROTECTED_PUBSUB_TOPIC
from workflow.waku.message import GO_WAKU_LIMIT

_STATIC_SHARD = re.compile(r"/waku/2/rs/([0-9]{1,5})/([0-9]{1,5})")
_MAX_NUMBER: Final = 0xFFFF  # of a cluster or a shard
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*:)?(/*).*@", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class WakuSettings:
    """How to reach the network. Raises ``ConfigurationError`` for what cannot be meant.

    ``nodes`` are the addresses of REST interfaces, ``http`` or ``https``, in the order in which
    they are asked; user and password may stand in them and are shown nowhere. All
    ``pubsub_topics`` (``/waku/2/rs/<cluster>/<shard>``) are listened to; messages are sent on the
    first.

    A node is polled every ``poll_every`` seconds, and whoever follows chats asks for what was left
    out every ``ask_every`` seconds. ``limit`` is how many bytes an encoded message may have that is
    sent. Whether a store has it is looked at so many seconds after it was sent, in turn
    (``confirm_after``), until one has; without any, nobody looks.
    """

    nodes: tuple[str, ...] = field(repr=False)
    pubsub_topics: tuple[str, ...] = (DEFAULT_PUBSUB_TOPIC, NON_PROTECTED_PUBSUB_TOPIC)
    poll_every: float = 1.0
    ask_every: float = 60.0
    limit: int = GO_WAKU_LIMIT
    confirm_after: tuple[float, ...] = (1.0, 3.0, 6.0, 10.0)

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ConfigurationError("there is no Waku node to ask", remedy="Name one, or more.")
        _check_distinct(self.addresses, "the Waku node")
        if not self.pubsub_topics:
            raise ConfigurationError("there is no pubsub topic to listen to", remedy="Name one.")
        for topic in self.pubsub_topics:
            _check_topic(topic)
        _check_distinct(self.pubsub_topics, "the pubsub topic")
        for seconds in (self.poll_every, self.ask_every):
            if not (math.isfinite(seconds) and seconds > 0):
                raise ConfigurationError(f"{seconds} is no number of seconds between two questions")
        if self.limit <= 0:
            raise ConfigurationError(f"messages of {self.limit} bytes cannot be sent")
        looks = self.confirm_after
        if not all(0 <= look < math.inf for look in looks) or list(looks) != sorted(looks):
            raise ConfigurationError(f"{looks} are no moments after sending, one after the other")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The nodes without user and password, as they may be shown."""
        return tuple(node_address(node)[0] for node in self.nodes)


def shown(address: str) -> str:
    """An address, right or wrong, without user and password."""
    return _CREDENTIALS.sub(r"\1\2", address)


def node_address(node: str) -> tuple[str, tuple[str, str] | None]:
    """A node's address without a ``/`` at its end, and the user and password, if there are any.

    Raises ``ConfigurationError`` when it is no address of a node.
    """
    parts = _split(node)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    address = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
    if parts.username is None and parts.password is None:
        return address, None
    return address, (unquote(parts.username or ""), unquote(parts.password or ""))


def _split(node: str) -> SplitResult:
    reason = ""
    try:
        parts = urlsplit(node)
        parts.port  # noqa: B018 - it is looked at only when it is asked for.
    except ValueError:
        raise _no_address(node, "it cannot be read") from None
    if parts.scheme not in ("http", "https"):
        reason = "it begins with neither http:// nor https://"
    elif not parts.hostname:
        reason = "it names no host"
    elif "@" in parts.path:
        reason = "there is a / in its user or password, which is written %2F"
    elif parts.query or parts.fragment or node.endswith(("?", "#")):
        reason = "there is something behind the path"
    elif not node.isascii() or not node.isprintable() or " " in node:
        reason = "there are characters in it that must be escaped"
    if reason:
        raise _no_address(node, reason)
    return parts


def _no_address(node: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"this is no address of a Waku node, {reason}",
        place=shown(node),
        remedy="Write it like http://127.0.0.1:8645.",
    )


def _check_topic(topic: str) -> None:
    found = _STATIC_SHARD.fullmatch(topic)
    if found is None or any(
        str(int(number)) != number or int(number) > _MAX_NUMBER for number in found.groups()
    ):
        raise ConfigurationError(
            "this is no pubsub topic",
            place=topic,
            remedy=f"Write it like {DEFAULT_PUBSUB_TOPIC}: cluster, then shard.",
        )


def _check_distinct(names: Sequence[str], what: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigurationError(f"{what} is named twice", place=name)
