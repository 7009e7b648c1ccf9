"""JSON of Waku nodes <-> messages of the network, in every dialect; pure.

What is sent has one form that all nodes read. What is read comes in several: keys in camelCase
(nwaku) or snake_case (go-waku), base64 in either alphabet with or without padding, timestamps as
numbers or as decimal strings, null or nothing for what is empty. Fields that nobody knows mean
nothing. A message that cannot be read is left out, an answer that cannot be read is an
``UnreadableError``.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote

from workflow.waku.message import WakuMessage

MAX_CONTENT_TOPICS: Final = 10
"""Topics in one question, at most: as in status-go, and nodes refuse much more."""

MAX_PAGE_SIZE: Final = 100
"""Messages on one page, at most."""

_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_NO_TEXT = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]+")
_MAX_TEXT: Final = 160
_READ_OF_TEXT: Final = 1_000  # bytes, of which that becomes


class UnreadableError(ValueError):
    """An answer is none, or says that it is none; the text tells why."""


class StoreApi(Enum):
    """How a store is asked: its path."""

    V3 = "/store/v3/messages"
    V1 = "/store/v1/messages"  # legacy: the only one that go-waku serves itself


@dataclass(frozen=True, slots=True)
class Question:
    """What a store is asked: messages of a pubsub topic and some content topics, oldest first.

    From ``start`` until before ``end`` (nanoseconds, UTC epoch).
    """

    pubsub_topic: str
    content_topics: tuple[str, ...]
    start: int
    end: int

    def is_about(self, message: WakuMessage) -> bool:
        """Whether a message belongs to the answer."""
        return (
            message.content_topic in self.content_topics
            and self.start <= (message.timestamp or 0) < self.end
        )


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page of an answer begins: the parameters that say so, and to whom."""

    api: StoreApi
    parameters: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """A part of an answer. Without a ``cursor`` it was the last."""

    messages: list[WakuMessage]
    cursor: Cursor | None


def parse(body: bytes) -> object:
    """The JSON in an answer; nothing at all is null."""
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except RecursionError:
        raise UnreadableError("it is nested absurdly deep") from None
    except ValueError:
        raise UnreadableError("it is no JSON, or cut off") from None


def text(body: bytes) -> str:
    """What an answer says to people: a stranger's words, on one line and shortened."""
    said = " ".join(_NO_TEXT.sub(" ", body[:_READ_OF_TEXT].decode(errors="replace")).split())
    return said if len(said) <= _MAX_TEXT else f"{said[: _MAX_TEXT - 1]}…"


def quoted(value: str) -> str:
    """A value as it stands in a path or behind a ``=``: everything is escaped, ``/`` as well."""
    return quote(value, safe="")


def relay_body(message: WakuMessage) -> bytes:
    """A message as it is handed to a node, all of its fields in it."""
    fields = {
        "payload": b64encode(message.payload).decode(),
        "contentTopic": message.content_topic,
        "version": message.version or 0,
        "timestamp": message.timestamp or 0,
        "meta": b64encode(message.meta or b"").decode(),
        "ephemeral": bool(message.ephemeral),
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def polled(body: bytes) -> list[object]:
    """The messages that a poll brought, as they came; null is none."""
    answer = parse(body)
    if answer is None:
        return []
    if not isinstance(answer, list):
        raise UnreadableError("it is no list")
    return answer


def messages(items: Iterable[object], content_topics: Container[str]) -> list[WakuMessage]:
    """Those messages that are on one of these content topics, and can be read."""
    read = (
        read_message(item)
        for item in items
        if isinstance(item, dict) and _content_topic(item) in content_topics
    )
    return [message for message in read if message is not None]


def read_message(item: object) -> WakuMessage | None:
    """One message of a relay or a store; None for anything else."""
    if not isinstance(item, dict):
        return None
    payload, meta = _bytes(item.get("payload")), _bytes(item.get("meta"))
    version, timestamp = _integer(item.get("version")), _integer(item.get("timestamp"))
    if payload is None or (meta is None and item.get("meta") is not None):
        return None
    # What is there and is no number is not the same as nothing: the hash would be another.
    if timestamp is None and item.get("timestamp") is not None:
        return None
    ephemeral = item.get("ephemeral")
    try:
        return WakuMessage(
            payload=payload,
            content_topic=_content_topic(item),
            version=version,
            timestamp=timestamp,
            meta=meta,
            ephemeral=ephemeral if isinstance(ephemeral, bool) else None,
        )
    except ValueError:
        return None


def store_query(
    api: StoreApi, question: Question, cursor: Cursor | None, page_size: int = MAX_PAGE_SIZE
) -> str:
    """The path and query that ask a store for a page."""
    parameters = [
        ("pubsubTopic", question.pubsub_topic),
        ("contentTopics", ",".join(question.content_topics)),
        ("startTime", str(question.start)),
        ("endTime", str(question.end)),
        ("pageSize", str(page_size)),
        ("ascending", "true"),
    ]
    if api is StoreApi.V3:
        parameters.append(("includeData", "true"))
    parameters += cursor.parameters if cursor else ()
    return f"{api.value}?{'&'.join(f'{name}={quoted(value)}' for name, value in parameters)}"


def store_page(api: StoreApi, question: Question, body: bytes) -> Page:
    """The page in a store's answer, without what was not asked for.

    Raises ``UnreadableError`` when it cannot be read, or says inside that it is none.
    """
    answer = parse(body)
    if not isinstance(answer, dict):
        raise UnreadableError("it is no object")
    _check_status(answer)
    items = answer.get("messages")
    if items is None:
        items = []
    if not isinstance(items, list):
        raise UnreadableError("its messages are no list")
    if api is StoreApi.V3:
        items = [
            item.get("message")
            for item in items
            if isinstance(item, dict)
            and _either(item, "pubsubTopic", "pubsub_topic") in (None, question.pubsub_topic)
        ]
        cursor = _cursor_v3(_either(answer, "paginationCursor", "pagination_cursor"))
    else:
        cursor = _cursor_v1(answer.get("cursor"))
    found = [
        message
        for message in messages(items, question.content_topics)
        if question.is_about(message)
    ]
    return Page(found, cursor)


def _check_status(answer: dict[str, object]) -> None:
    """A 200 may carry another status inside."""
    status = _integer(_either(answer, "statusCode", "status_code"))
    if status is not None and not 200 <= status < 300:  # noqa: PLR2004 - as in HTTP.
        said = _said(_either(answer, "statusDesc", "status_desc"))
        raise UnreadableError(f"it says {status} inside{said}")
    if answer.get("error_message"):
        raise UnreadableError(f"it is an error{_said(answer['error_message'])}")


def _cursor_v3(said: object) -> Cursor | None:
    """Hexadecimal (nwaku) goes back as it came, base64 (go-waku) in the alphabet for addresses."""
    if said in (None, "", "0x"):
        return None
    if not isinstance(said, str):
        raise UnreadableError("its cursor is no text")
    cursor = said if said.startswith("0x") else _for_addresses(said)
    return Cursor(StoreApi.V3, (("cursor", cursor),))


def _cursor_v1(said: object) -> Cursor | None:
    """An index of four fields, flattened; the pubsub topic is in the question already."""
    if said in (None, "", {}):
        return None
    if not isinstance(said, dict):
        raise UnreadableError("its cursor is no object")
    digest = said.get("digest")
    times = [_integer(said.get(name)) for name in ("senderTime", "storeTime")]
    if not isinstance(digest, str) or None in times:
        raise UnreadableError("its cursor has not its form")
    if not digest:
        return None
    sender_time, store_time = map(str, times)
    return Cursor(
        StoreApi.V1,
        (
            ("senderTime", sender_time),
            ("storeTime", store_time),
            ("digest", _for_addresses(digest)),
        ),
    )


def _for_addresses(base64: str) -> str:
    return base64.replace("+", "-").replace("/", "_")


def _said(words: object) -> str:
    return f": {text(words.encode(errors='replace'))}" if isinstance(words, str) else ""


def _either(item: dict[str, object], camel: str, snake: str) -> object:
    value = item.get(camel)
    return item.get(snake) if value is None else value


def _content_topic(item: dict[str, object]) -> str:
    topic = _either(item, "contentTopic", "content_topic")
    return topic if isinstance(topic, str) else ""


def _bytes(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    base64 = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(base64 + "=" * (-len(base64) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _integer(value: object) -> int | None:
    """A number or its decimal digits; never by way of a float, which would lose nanoseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    return None
