"""What a setting can be: how it is written in a file, in a variable and as a flag, and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

PREFIX: Final = "COMMUNITY_ARCHIVES_"
IS_SET: Final = "(set)"
"""Stands in the place of a secret."""
LONGEST_WORD: Final = 15
"""Characters of a part of a tracker's path, at most; what is longer may be somebody's passkey."""


class Reach(StrEnum):
    """The carrier's networks, by name: help is shown without loading a carrier."""

    LOCAL = "local"
    PRIVATE = "private"
    PUBLIC = "public"


class Level(StrEnum):
    """From which level on the log is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Origin(NamedTuple):
    """Where a value comes from: a default, file, environment or flag, and which."""

    source: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of value is written.

    ``words`` says what is wanted. ``worded`` takes the words of a variable or of repeated flags to
    what a file would hold; ``checked`` takes that to the value and raises ``ValueError`` with a
    sentence, or ``ConfigurationError``. A plural kind is several words.
    """

    words: str
    checked: Callable[[Any], Any]
    worded: Callable[[Sequence[str]], Any] = lambda words: words[0]
    is_plural: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What people are told of a setting; without ``flag`` no command has one for it."""

    kind: Kind
    text: str
    metavar: str = ""
    flag: str = ""


def setting(
    default: Any, kind: Kind, text: str, *, metavar: str = "", flag: str = ""
) -> Any:  # What ``field`` returns has the type of the default.
    """A field that can be set."""
    about = {"about": About(kind, text, metavar, flag)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=about)
    return field(default=default, metadata=about)


def abouts(settings: type[Any]) -> dict[str, About]:
    """What there is to be told of each setting of a class, in order."""
    return {one.name: one.metadata["about"] for one in fields(settings) if one.metadata}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def choice(kind: type[StrEnum]) -> Kind:
    """One of the names of ``kind``."""
    names = ", ".join(kind)

    def checked(value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"it is one of: {names}") from None

    return Kind(f"one of: {names}", checked)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it is a number")  # noqa: TRY004 - as for all kinds.
    if not 0 <= value < math.inf:
        raise ValueError("it is a number from 0 on")
    return float(value)


def _number_of(words: Sequence[str]) -> object:
    try:
        return float(words[0])
    except ValueError:
        return words[0]


def _address(value: object) -> str:
    """``[HOST:]PORT``; a port alone may be a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    listening(_text(value))
    return _text(value)


def listening(text: str) -> tuple[str, int]:
    """Interface ('' for none) and port of ``[HOST:]PORT``. Raises ``ValueError``."""
    from ipaddress import ip_address  # noqa: PLC0415 - it costs more than all of this module.

    interface, _, port = text.rpartition(":")
    interface = interface.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65_535:  # noqa: PLR2004 - 16 bits.
        raise ValueError("it is a port (0 to 65535), or an address and a port")
    if interface:
        try:
            ip_address(interface)
        except ValueError:
            raise ValueError(f"'{interface}' is no IP address of this machine") from None
    return interface, int(port)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError("it is a list of texts")
    return tuple(value)


def _trackers(value: object) -> tuple[str, ...]:
    from workflow.adapters.carrier.bittorrent.settings import host_of  # noqa: PLC0415

    for one in _texts(value):
        host_of(one)
    return _texts(value)


def without_secrets(tracker: str) -> str:
    """A tracker's URL for everybody's eyes.

    Trackers know their users by name and password, by a query, or by a passkey in the path: of all
    these only that they are set is told.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - it is needed for few commands.

    parts = urlsplit(tracker)
    user, at, host = parts.netloc.rpartition("@")
    words = (IS_SET if len(one) > LONGEST_WORD else one for one in parts.path.split("/"))
    return parts._replace(
        netloc=f"{IS_SET}@{host}" if user or at else host,
        path="/".join(words),
        query=IS_SET if parts.query else "",
    ).geturl()


def _peers(value: object) -> tuple[str, ...]:
    from workflow.adapters.carrier.bittorrent.settings import address_of  # noqa: PLC0415

    for one in _texts(value):
        address_of(one)
    return _texts(value)


def _waku_nodes(value: object) -> tuple[str, ...]:
    from workflow.adapters.messaging.waku.settings import WakuSettings  # noqa: PLC0415

    nodes = _texts(value)
    return WakuSettings(nodes).nodes if nodes else ()


def _pubsub_topics(value: object) -> tuple[str, ...]:
    from workflow.adapters.messaging.waku.settings import WakuSettings  # noqa: PLC0415

    topics = _texts(value)
    return WakuSettings(("http://localhost",), topics).pubsub_topics if topics else ()


def _passed_through(value: object) -> Mapping[str, bool | int | str]:
    if not isinstance(value, dict):
        raise ValueError("it is a table of names and values")  # noqa: TRY004 - as for all kinds.
    for name, one in value.items():
        if not name or not isinstance(one, bool | int | str):
            raise ValueError(f"'{name}' is a truth, a whole number or a text")
    return value


def _pair(text: str) -> tuple[str, bool | int | str]:
    """``name=value``; what looks like a truth or a number is one."""
    name, _, value = text.partition("=")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, int(value)
    except ValueError:
        return name, value


def _folder(value: object) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_absolute():
        raise ValueError("it is a whole path, from / or ~ on")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("it is a text on one line")
    return value


def _command(value: object) -> tuple[str, ...]:
    """Its words as for a shell, which is not asked: no variable is replaced in it."""
    import shlex  # noqa: PLC0415

    text = _text(value)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"it is a command line: {str(error).lower()}") from None
    if text and not words:
        raise ValueError("it is a command line, or empty: this one is blank")
    return words


NUMBER: Final = Kind("a number", _number, _number_of)
ADDRESS: Final = Kind("a port, or address:port", _address)
TRACKERS: Final = Kind("a list of URLs", _trackers, list, is_plural=True)
PEERS: Final = Kind("a list of host:port", _peers, list, is_plural=True)
WAKU_NODES: Final = Kind("a list of URLs", _waku_nodes, list, is_plural=True)
PUBSUB_TOPICS: Final = Kind("a list of topics", _pubsub_topics, list, is_plural=True)
PASSED_THROUGH: Final = Kind(
    "a table", _passed_through, lambda words: dict(map(_pair, words)), is_plural=True
)
FOLDER: Final = Kind("a path", _folder, lambda words: str(Path(words[0]).expanduser().absolute()))
COMMAND: Final = Kind("a command line", _command)
