"""nwaku's REST interface (v0.35 and later, and logos-delivery), from source and untested.

Everything here is read from its code, and nobody has compared it with a running node. Commands
answer ``OK`` in text, errors with a sentence in text. A path nobody serves is 400, but 404 below a
namespace that nwaku knows, with a sentence that speaks of initializing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tests.waku.nodes.exchange import Answer, Request, in_json, text
from tests.waku.nodes.memory import SECOND, Kept, Page, Query, UnknownCursorError
from workflow.waku.message import NWAKU_LIMIT, WakuMessage

if TYPE_CHECKING:
    from tests.waku.nodes.node import WakuNode

LIMIT: Final = NWAKU_LIMIT
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"
"""What chronos writes when nobody has said what a body is."""
VERSION: Final = "v0.37.0-7d1c6a"
MOST_A_PAGE: Final = 100
MOST_CONTENT_TOPICS: Final = 10
VARIANCE: Final = 20 * SECOND
"""Nanoseconds that a timestamp may be off for the archive to take the message."""

_SHARD: Final = re.compile(r"/waku/2/rs/[0-9]{1,5}/[0-9]{1,5}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NAMESPACES: Final = {"admin", "debug", "relay", "filter", "lightpush", "store"}


class RefusedError(Exception):
    """A question that nwaku does not take, and what it says about it."""


def is_of_now(message: WakuMessage, now: float) -> bool:
    """Whether the archive takes it (seconds, UTC epoch)."""
    return abs((message.timestamp or 0) - int(now * SECOND)) <= VARIANCE


def answer(node: WakuNode, request: Request) -> Answer:
    try:
        return _answer(node, request)
    except RefusedError as refused:
        return text(400, str(refused))


def failed() -> Answer:
    return text(500, "")


def limited(request: Request) -> Answer:
    return text(429, "Request rate limit reached")


def _answer(node: WakuNode, request: Request) -> Answer:
    match request.segments:
        case ("relay", "v1", "subscriptions"):
            endpoints = {"POST": _subscribe, "DELETE": _unsubscribe, "OPTIONS": _ok}
        case ("relay", "v1", "messages", _):
            endpoints = {"GET": _poll, "POST": _publish, "OPTIONS": _ok}
        case ("store", "v3", "messages"):
            endpoints = {"GET": _store}
        case ("health",):
            endpoints = {"GET": _health}
        case ("info",) | ("debug", "v1", "info"):
            endpoints = {"GET": _info}
        case ("version",) | ("debug", "v1", "version"):
            endpoints = {"GET": _version}
        case _:
            endpoints = {}
    return endpoints.get(request.method, _nowhere)(node, request)


def _ok(node: WakuNode, request: Request) -> Answer:
    return text(200, "OK")


def _nowhere(node: WakuNode, request: Request) -> Answer:
    if (root := request.segments[0]) in _NAMESPACES:
        return text(404, f"/{root} endpoints are not available while initializing.", HTML)
    return text(400, "Bad request initiated. Invalid path or method used.", HTML)


# ------------------------------------------------------------------------------------------- relay


def _subscribe(node: WakuNode, request: Request) -> Answer:
    for topic in _shards(request):
        node.subscribe(topic)
    return text(200, "OK")


def _unsubscribe(node: WakuNode, request: Request) -> Answer:
    for topic in _shards(request):
        node.unsubscribe(topic)
    return text(200, "OK")


def _poll(node: WakuNode, request: Request) -> Answer:
    polled = node.poll(_topic(request))
    if polled is None:
        return text(404, "")
    return _json([{**_told(message), "proof": ""} for message in polled])


def _publish(node: WakuNode, request: Request) -> Answer:
    topic = _topic(request)
    if not node.relays(topic):
        raise RefusedError(f"Failed to publish: Node not subscribed to topic: {topic}")
    message = _message(_decoded(request))
    if message.timestamp is None:
        message = replace(message, timestamp=int(node.clock.now() * SECOND))
    if len(message.encode()) > LIMIT:
        raise RefusedError(f"Failed to publish: Message size exceeded maximum of {LIMIT} bytes")
    node.publish(topic, message)
    return text(200, "OK")


def _topic(request: Request) -> str:
    return unquote(request.segments[-1])


def _shards(request: Request) -> list[str]:
    topics = _decoded(request)
    if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
        raise _cannot_decode()
    if bad := [topic for topic in topics if not _SHARD.fullmatch(topic)]:
        raise RefusedError(f"Invalid pubsub topic(s): @{json.dumps(bad)}")
    return topics


def _decoded(request: Request) -> Any:
    if not request.body:
        raise RefusedError("")
    if request.content_type.partition(";")[0].strip() not in {"application/json", "text/plain"}:
        raise RefusedError("Wrong Content-Type, expected application/json or text/plain")
    try:
        return json.loads(request.body)
    except ValueError:
        raise _cannot_decode() from None


def _message(told: Any) -> WakuMessage:
    """``timestamp`` stays None when it is missing or 0."""
    if not isinstance(told, dict):
        raise _cannot_decode()
    kinds = {"payload": str, "contentTopic": str, "version": int, "timestamp": int}
    kinds |= {"meta": str, "ephemeral": bool}
    if any(type(told[name]) is not kind for name, kind in kinds.items() if name in told):
        raise _cannot_decode()
    if not told.get("payload", "").strip() or not told.get("contentTopic", "").strip():
        raise _cannot_decode()
    try:
        return WakuMessage(
            base64.b64decode(told["payload"], validate=True),
            told["contentTopic"],
            told.get("version", 0),
            told.get("timestamp") or None,
            base64.b64decode(told.get("meta", ""), validate=True) or None,
            told.get("ephemeral", False),
        )
    except binascii.Error:
        raise RefusedError("failed to decode base64 string") from None
    except ValueError:
        raise _cannot_decode() from None


def _told(message: WakuMessage) -> dict[str, object]:
    told: dict[str, object] = {
        "payload": base64.b64encode(message.payload).decode(),
        "contentTopic": message.content_topic,
        "version": message.version or 0,
        "timestamp": message.timestamp or 0,
    }
    if message.meta:
        told["meta"] = base64.b64encode(message.meta).decode()
    return {**told, "ephemeral": bool(message.ephemeral)}


# ------------------------------------------------------------------------------------------- store


def _store(node: WakuNode, request: Request) -> Answer:
    """The node's own store unless a peer is named, then a peer's."""
    asked = request.query
    includes_data = _flag(asked, "includeData")
    query = _query(asked)
    address = asked.get("peerAddr", "")
    store = node if node.has_store and not address else node.store_at(address)
    if store is None and not address:
        return text(412, "No suitable service peer & no discovery method")
    if store is None or not store.has_store or store.dialect is not node.dialect:
        return text(500, "Error occurred in queryFut.read() [PEER_DIAL_FAILURE]")
    if store.faults.is_store_down:
        return text(500, "No history response received (timeout)")
    failed = "error in handleSelfStoreRequest: BAD_RESPONSE: archive error: "
    if query.after is not None and len(query.content_topics) > MOST_CONTENT_TOPICS:
        return text(500, f"{failed}INVALID_QUERY: too many content topics")
    try:
        page = store.page(query)
    except UnknownCursorError:
        return text(500, f"{failed}DIRVER_ERROR: cursor not found")
    return _json(_told_page(page, includes_data=includes_data))


def _told_page(page: Page, *, includes_data: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "requestId": "",
        "statusCode": 200,
        "statusDesc": "OK",
        "messages": [_told_kept(kept, includes_data=includes_data) for kept in page.found],
    }
    if page.cursor is not None:
        told["paginationCursor"] = f"0x{page.cursor.hash.hex()}"
    return told


def _told_kept(kept: Kept, *, includes_data: bool) -> dict[str, object]:
    told: dict[str, object] = {"messageHash": f"0x{kept.hash.hex()}"}
    if includes_data:
        told |= {"message": _told(kept.message), "pubsubTopic": kept.pubsub_topic}
    return told


def _query(asked: dict[str, str]) -> Query:
    """A time of 0 or less counts as none; so does a page size of 0."""
    topics = asked.get("contentTopics", "")
    size = _number(asked, "pageSize", "page size")
    return Query(
        asked.get("pubsubTopic") or None,
        tuple(topics.split(",")) if topics else (),
        _time(asked, "startTime"),
        _time(asked, "endTime"),
        tuple(_hash(one) for one in asked.get("hashes", "").split(",") if one),
        _hash(asked["cursor"]) if asked.get("cursor") else None,
        limit=min(size, MOST_A_PAGE) if size else 20,
        is_ascending=asked.get("ascending", "") in {"", "true"},
    )


def _hash(said: str) -> bytes:
    try:
        hash = bytes.fromhex(said.removeprefix("0x"))
    except ValueError:
        raise RefusedError("Exception converting hex string to bytes: not a hex digit") from None
    if len(hash) != 32:
        raise RefusedError(f"waku message hash parsing error: invalid hash length: {len(hash)}")
    return hash


def _time(asked: dict[str, str], name: str) -> int | None:
    said = _number(asked, name, "time") or 0
    return said if said > 0 else None


def _number(asked: dict[str, str], name: str, what: str) -> int | None:
    said = asked.get(name, "")
    if not said:
        return None
    if not _INTEGER.fullmatch(said):
        raise RefusedError(f"{what} parsing error: invalid integer: {said}")
    return int(said)


def _flag(asked: dict[str, str], name: str) -> bool:
    said = asked.get(name, "")
    if said not in {"", "true", "false"}:
        raise RefusedError(f"include data parsing error: cannot interpret as a bool: {said}")
    return said == "true"


# ------------------------------------------------------------------------------------------ health


def _health(node: WakuNode, request: Request) -> Answer:
    """200 whatever it says."""
    is_ready = node.is_reachable and not node.faults.is_unready
    relay = {"Relay": "READY"} if is_ready else {"Relay": "NOT_READY", "desc": "No peers"}
    store = {"Store": "READY" if node.has_store else "NOT_MOUNTED"}
    ready = "READY" if is_ready else "NOT_READY"
    return _json({"nodeHealth": ready, "protocolsHealth": [relay, store]})


def _info(node: WakuNode, request: Request) -> Answer:
    enr = "enr:-" + node.address.rpartition("/")[2]
    return _json({"listenAddresses": [node.address], "enrUri": enr})


def _version(node: WakuNode, request: Request) -> Answer:
    return text(200, VERSION)


def _json(value: object) -> Answer:
    return Answer(200, in_json(value), JSON)


def _cannot_decode() -> RefusedError:
    return RefusedError("Invalid content body, could not decode: Unable to deserialize data")
