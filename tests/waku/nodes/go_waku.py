"""go-waku's REST interface, as a real node (0ed94ce0) answered; what was not seen says so.

Errors of its handlers are text without a content type of their own, so Go guesses one; a failed
publish is 500 without a word.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from tests.waku.nodes.exchange import Answer, Request, in_json, text
from tests.waku.nodes.memory import Kept, Page, Query, UnknownCursorError
from workflow.waku.message import GO_WAKU_LIMIT, MAX_META_LENGTH, WakuMessage

if TYPE_CHECKING:
    from tests.waku.nodes.node import WakuNode

LIMIT: Final = GO_WAKU_LIMIT
JSON: Final = "application/json; charset=UTF-8"
TEXT: Final = "text/plain; charset=utf-8"
VERSION: Final = "v0.9.0-0ed94ce0"
MOST_A_PAGE: Final = 100

_KINDS: Final = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_ORDINARY: Final = re.compile(r"[A-Za-z0-9+/]*")
_URL_SAFE: Final = re.compile(r"[A-Za-z0-9_-]*")


class RefusedError(Exception):
    """A question that Go's parsers do not take; the text is theirs."""


def answer(node: WakuNode, request: Request) -> Answer:
    given = _answer(node, request)
    given.headers["access-control-allow-origin"] = "*"
    return given


def _answer(node: WakuNode, request: Request) -> Answer:
    match request.segments:
        case ("relay", "v1", "subscriptions"):
            endpoints = {"POST": _subscribe, "DELETE": _unsubscribe}
        case ("relay", "v1", "messages", _):
            endpoints = {"GET": _poll, "POST": _publish}
        case ("store", "v1", "messages"):
            endpoints = {"GET": _older_store}
        case ("store", "v3", "messages"):
            endpoints = {"GET": _store}
        case ("health",):
            endpoints = {"GET": _health}
        case ("debug", "v1", "info"):
            endpoints = {"GET": _info}
        case ("debug", "v1", "version"):
            endpoints = {"GET": _version}
        case _:
            return text(404, "404 page not found\n", TEXT)
    if (endpoint := endpoints.get(request.method)) is None:
        return Answer(405, headers={"allow": ", ".join(endpoints)})
    return endpoint(node, request)


# ------------------------------------------------------------------------------------------- relay


def _subscribe(node: WakuNode, request: Request) -> Answer:
    if (topics := _topics(request)) is None:
        return Answer(400)
    for topic in topics:
        node.subscribe(topic)
    return _json(value=True)


def _unsubscribe(node: WakuNode, request: Request) -> Answer:
    if (topics := _topics(request)) is None:
        return Answer(400)
    for topic in topics:
        node.unsubscribe(topic)
    return _json(value=True)


def _poll(node: WakuNode, request: Request) -> Answer:
    polled = node.poll(_topic(request))
    if polled is None:
        return text(404, "no subscription found for pubsubTopic", TEXT)
    return _json([_told(message) for message in polled] or None)


def _publish(node: WakuNode, request: Request) -> Answer:
    topic = _topic(request)
    try:
        message = _message(request.body)
    except RefusedError as refused:
        return text(400, str(refused), TEXT)
    is_too_long = len(message.encode()) > LIMIT
    if is_too_long or not node.relays(topic) or node.faults.is_apart:
        return Answer(500, content_type=JSON)
    node.publish(topic, message)
    return _json(value=True)


def _topic(request: Request) -> str:
    return unquote_plus(request.segments[-1])


def _topics(request: Request) -> list[str] | None:
    try:
        topics = json.loads(request.body)
    except ValueError:
        return None
    is_list = isinstance(topics, list) and all(isinstance(topic, str) for topic in topics)
    return topics if is_list else None


def _told(message: WakuMessage) -> dict[str, object]:
    """What is unset is left out, but ``ephemeral`` is null."""
    return {**_told_by_store(message), **_meta(message), "ephemeral": message.ephemeral}


def _told_by_store(message: WakuMessage) -> dict[str, object]:
    """The store does not keep ``meta``: the hash of what had one cannot be computed again."""
    told: dict[str, object] = {
        "payload": _encoded(message.payload),
        "contentTopic": message.content_topic,
    }
    if message.version is not None:
        told["version"] = message.version
    if message.timestamp is not None:
        told["timestamp"] = message.timestamp
    return told


def _meta(message: WakuMessage) -> dict[str, object]:
    return {"meta": _encoded(message.meta)} if message.meta else {}


# ------------------------------------------------------------------------------------------- store


def _older_store(node: WakuNode, request: Request) -> Answer:
    """2.0.0-beta4: the node's own store, or that of the peer that is named.

    From source, untested: both ends of the time range are inclusive, a cursor is url-safe, and
    what is wrong with a peer or a cursor is 500.
    """
    asked = request.query
    try:
        query, digest = _query(asked), _unsafe(asked.get("digest", ""))
        sent = _number(asked, "senderTime") or 0
    except RefusedError as refused:
        return _older_error(400, str(refused))
    store: WakuNode | None = node
    if address := asked.get("peerAddr"):
        store = node.store_at(address)
    if store is None or not store.has_store or store.faults.is_store_down:
        return _older_error(500, "failed to dial: context deadline exceeded")
    after = None
    if digest:
        if (kept := store.memory.find(digest, sent)) is None:
            return _older_error(500, "invalid cursor")
        after = kept.hash
    page = store.memory.page(_asked(query, after, 1))
    told: dict[str, object] = {
        "messages": [_told_by_store(kept.message) for kept in page.found] or None
    }
    if page.cursor is not None:
        told["cursor"] = {
            "pubsubTopic": page.cursor.pubsub_topic,
            "senderTime": str(page.cursor.message.timestamp or 0),
            "storeTime": str(page.cursor.time),
            "digest": _encoded(page.cursor.digest),
        }
    return _json(told)


def _store(node: WakuNode, request: Request) -> Answer:
    """Version 3: go-waku has no server of it, so a peer that has one is asked."""
    asked = request.query
    try:
        includes_data = _flag(asked, "includeData")
        hashes = tuple(_unsafe(one) for one in asked.get("hashes", "").split(",") if one)
        is_filtered = bool(asked.get("pubsubTopic") or asked.get("contentTopics"))
        if hashes and is_filtered:
            raise RefusedError("cant use content filters while specifying message hashes")
        if not hashes and not (asked.get("pubsubTopic") and asked.get("contentTopics")):
            raise RefusedError("pubsubTopic and contentTopics are required")
        query, cursor = _query(asked, hashes), _unsafe(asked.get("cursor", ""))
    except RefusedError as refused:
        return _json({"status_code": 400, "status_desc": str(refused)}, 400)
    address = asked.get("peerAddr", "")
    if hashes and not address:
        return _older_error(500, "a peer ID or multiaddress is required")  # from source, untested
    store = node.store_at(address)
    if store is None:
        return _older_error(500, "no suitable remote peers")
    if not store.has_store or store.dialect is node.dialect:
        return _older_error(500, "protocols not supported: [/vac/waku/store-query/3.0.0]")
    if store.faults.is_store_down:
        return _older_error(500, "context deadline exceeded")  # from source, untested
    try:
        page = store.memory.page(_asked(query, cursor or None, 0))
    except UnknownCursorError:
        return _older_error(500, "300 - BAD_RESPONSE: cursor not found")  # from source, untested
    return _json(_told_page(page, includes_data=includes_data))


def _told_page(page: Page, *, includes_data: bool) -> dict[str, object]:
    """From source, untested: no ``messages`` at all when there are none."""
    told: dict[str, object] = {"request_id": "00" * 32, "status_code": 200, "status_desc": "OK"}
    if page.found:
        told["messages"] = [_told_kept(kept, includes_data=includes_data) for kept in page.found]
    if page.cursor is not None:
        told["pagination_cursor"] = _encoded(page.cursor.hash)
    return told


def _told_kept(kept: Kept, *, includes_data: bool) -> dict[str, object]:
    told: dict[str, object] = {"message_hash": _encoded(kept.hash)}
    if includes_data:
        message = {**_told_by_store(kept.message), **_meta(kept.message)}
        if kept.message.timestamp is not None:
            message["timestamp"] = str(kept.message.timestamp)
        told |= {"message": message, "pubsub_topic": kept.pubsub_topic}
    return told


def _query(asked: dict[str, str], hashes: tuple[bytes, ...] = ()) -> Query:
    topics = asked.get("contentTopics", "")
    size = _number(asked, "pageSize")
    return Query(
        asked.get("pubsubTopic") or None,
        tuple(topics.split(",")) if topics else (),
        _number(asked, "startTime"),
        _number(asked, "endTime"),
        hashes,
        limit=min(size, MOST_A_PAGE) if size else 20,
        is_ascending=_flag(asked, "ascending", unsaid=True),
    )


def _asked(query: Query, after: bytes | None, beyond: int) -> Query:
    end = None if query.end is None else query.end + beyond
    return Query(
        query.pubsub_topic,
        query.content_topics,
        query.start,
        end,
        query.hashes,
        after,
        query.limit,
        query.is_ascending,
    )


# ------------------------------------------------------------------------------------------ health


def _health(node: WakuNode, request: Request) -> Answer:
    return _json("Non RLN healthcheck is not implemented", 501)


def _info(node: WakuNode, request: Request) -> Answer:
    enr = "enr:-" + node.address.rpartition("/")[2]
    return _json({"enrUri": enr, "listenAddresses": [node.address]})


def _version(node: WakuNode, request: Request) -> Answer:
    return _json(VERSION)


# ------------------------------------------------------------------------------ Go's own reading


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, in_json(value), JSON)


def _older_error(status: int, sentence: str) -> Answer:
    return _json({"messages": None, "error_message": sentence}, status)


def _message(body: bytes) -> WakuMessage:
    """Raises ``RefusedError`` with the words of encoding/json and of the message's own check."""
    try:
        told = json.loads(body)
    except ValueError:
        raise RefusedError("invalid character looking for beginning of value") from None
    if not isinstance(told, dict):
        raise RefusedError(f"json: cannot unmarshal {_kind(told)} into Go value of type ...")
    payload = _payload(_field(told, "payload", str, "string"))
    topic = _field(told, "contentTopic", str, "string")
    version = _field(told, "version", int, "uint32")
    timestamp = _field(told, "timestamp", int, "int64")
    meta = _base64(_field(told, "meta", str, "string") or "", _ORDINARY)
    ephemeral = _field(told, "ephemeral", bool, "bool")
    if not payload:
        raise RefusedError("missing Payload field")
    if not topic:
        raise RefusedError("missing ContentTopic field")
    if len(meta) > MAX_META_LENGTH:
        raise RefusedError("invalid length for Meta field")
    try:
        return WakuMessage(payload, topic, version, timestamp, meta or None, ephemeral)
    except ValueError as error:
        raise RefusedError(f"json: cannot unmarshal number: {error}") from None


def _field(told: dict[str, Any], name: str, kind: type, go: str) -> Any:
    value = told.get(name)
    if value is None or type(value) is kind:
        return value
    place = f"Go struct field RestWakuMessage.{name} of type {go}"
    raise RefusedError(f"json: cannot unmarshal {_kind(value)} into {place}")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "object")


def _payload(said: str | None) -> bytes:
    """In either alphabet, padded or not."""
    ordinary = (said or "").rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    return _base64(ordinary + "=" * (-len(ordinary) % 4), _ORDINARY)


def _unsafe(said: str) -> bytes:
    """Hashes and cursors come in url-safe only, padded; they go out in the ordinary alphabet."""
    return _base64(said, _URL_SAFE)


def _base64(said: str, alphabet: re.Pattern[str]) -> bytes:
    letters = said.rstrip("=")
    matched = alphabet.match(letters)
    wrong = matched.end() if matched else 0
    if wrong < len(letters) or len(said) % 4:
        raise RefusedError(f"illegal base64 data at input byte {wrong}")
    try:
        return base64.b64decode(said, altchars=b"-_" if alphabet is _URL_SAFE else None)
    except binascii.Error:
        raise RefusedError(f"illegal base64 data at input byte {wrong}") from None


def _encoded(data: bytes | None) -> str:
    return base64.b64encode(data or b"").decode()


def _number(asked: dict[str, str], name: str) -> int | None:
    said = asked.get(name, "")
    if not said:
        return None
    if not _INTEGER.fullmatch(said):
        raise RefusedError(f'strconv.ParseInt: parsing "{said}": invalid syntax')
    if not -(1 << 63) <= int(said) < 1 << 63:
        raise RefusedError(f'strconv.ParseInt: parsing "{said}": value out of range')
    return int(said)


def _flag(asked: dict[str, str], name: str, *, unsaid: bool = False) -> bool:
    said = asked.get(name, "")
    if not said:
        return unsaid
    if said not in {"true", "false"}:
        raise RefusedError(f'strconv.ParseBool: parsing "{said}": invalid syntax')
    return said == "true"
