"""Store queries to go-waku: it serves the older protocol, and asks others in version 3.

Each answers in its own way, errors too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.waku.nodes.exchange import Answer, Request, in_json
from tests.waku.nodes.go_parsing import RefusedError, flag, number, ordinary, url_safe
from tests.waku.nodes.memory import Kept, Page, Query, UnknownCursorError
from workflow.waku.message import WakuMessage

if TYPE_CHECKING:
    from tests.waku.nodes.node import WakuNode

JSON: Final = "application/json; charset=UTF-8"
MOST_A_PAGE: Final = 100


class FailedError(Exception):
    """A query that was understood, and could not be answered."""


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, in_json(value), JSON)


def told(message: WakuMessage, *, has_meta: bool) -> dict[str, object]:
    """What is unset is left out."""
    said: dict[str, object] = {
        "payload": ordinary(message.payload),
        "contentTopic": message.content_topic,
    }
    if message.version is not None:
        said["version"] = message.version
    if message.timestamp is not None:
        said["timestamp"] = message.timestamp
    if has_meta and message.meta:
        said["meta"] = ordinary(message.meta)
    return said


# ------------------------------------------------------------------------------------- 2.0.0-beta4


def older_store(node: WakuNode, request: Request) -> Answer:
    """The node's own store, or that of the peer that is named.

    It does not keep ``meta``, so the hash of what had one cannot be computed again. From source,
    untested: both ends of the time range are inclusive, the digest of a cursor comes in url-safe
    and goes out in the ordinary alphabet, what is wrong with a peer or a cursor is 500.
    """
    try:
        return json_answer(_older_page(node, request.query))
    except RefusedError as refused:
        return json_answer({"messages": None, "error_message": str(refused)}, 400)
    except FailedError as failed:
        return json_answer({"messages": None, "error_message": str(failed)}, 500)


def _older_page(node: WakuNode, asked: dict[str, str]) -> dict[str, object]:
    query = _query(asked)
    if query.end is not None:
        query = replace(query, end=query.end + 1)
    digest, sent = url_safe(asked.get("digest", "")), number(asked, "senderTime") or 0
    address = asked.get("peerAddr", "")
    store = node.store_at(address) if address else node
    if store is None or not store.has_store:
        raise FailedError("failed to resolve the query")
    if store.faults.is_store_down:
        raise FailedError("context deadline exceeded")
    if digest:
        if (kept := store.memory.find(digest, sent)) is None:
            raise FailedError("invalid cursor")
        query = replace(query, after=kept.hash)
    page = store.page(query)
    messages = [told(kept.message, has_meta=False) for kept in page.found]
    if (cursor := page.cursor) is None:
        return {"messages": messages or None}
    said = {
        "pubsubTopic": cursor.pubsub_topic,
        "senderTime": str(cursor.message.timestamp or 0),
        "storeTime": str(cursor.time),
        "digest": ordinary(cursor.digest),
    }
    return {"messages": messages or None, "cursor": said}


# -------------------------------------------------------------------------------------------- 3.0.0


def store(node: WakuNode, request: Request) -> Answer:
    """From a peer that has such a store: the one named, else the one the node is set up with."""
    try:
        return json_answer(_page(node, request.query))
    except RefusedError as refused:
        return json_answer({"status_code": 400, "status_desc": str(refused)}, 400)
    except FailedError as failed:
        return json_answer({"messages": None, "error_message": str(failed)}, 500)


def _page(node: WakuNode, asked: dict[str, str]) -> dict[str, object]:
    includes_data = flag(asked, "includeData")
    hashes = tuple(url_safe(one) for one in asked.get("hashes", "").split(",") if one)
    filters = [name for name in ("pubsubTopic", "contentTopics") if asked.get(name)]
    if hashes and filters:
        raise RefusedError("cant use content filters while specifying message hashes")
    if not hashes and len(filters) < 2:
        raise RefusedError("pubsubTopic and contentTopics are required")
    cursor = url_safe(asked.get("cursor", "")) or None
    query = replace(_query(asked), hashes=hashes, after=cursor)
    peer = _peer(node, asked.get("peerAddr", ""), is_by_hash=bool(hashes))
    try:
        return _told_page(peer.page(query), includes_data=includes_data)
    except UnknownCursorError:
        raise FailedError("300 - BAD_RESPONSE: cursor not found") from None


def _peer(node: WakuNode, address: str, *, is_by_hash: bool) -> WakuNode:
    """Who is asked. Only the words about missing peers and protocols were seen on a real node."""
    if is_by_hash and not address:
        raise FailedError("a peer ID or multiaddress is required when checking for message hashes")
    peer = node.store_at(address)
    if peer is None:
        raise FailedError("no suitable remote peers")
    if not peer.has_store or peer.dialect is node.dialect:
        raise FailedError("protocols not supported: [/vac/waku/store-query/3.0.0]")
    if peer.faults.is_store_down:
        raise FailedError("context deadline exceeded")
    return peer


def _told_page(page: Page, *, includes_data: bool) -> dict[str, object]:
    """From source, untested: no ``messages`` at all when there are none."""
    said: dict[str, object] = {"request_id": "00" * 32, "status_code": 200, "status_desc": "OK"}
    if page.found:
        said["messages"] = [_told_kept(kept, includes_data=includes_data) for kept in page.found]
    if page.cursor is not None:
        said["pagination_cursor"] = ordinary(page.cursor.hash)
    return said


def _told_kept(kept: Kept, *, includes_data: bool) -> dict[str, object]:
    """Timestamps are strings here, and only here."""
    said: dict[str, object] = {"message_hash": ordinary(kept.hash)}
    if includes_data:
        message = told(kept.message, has_meta=True)
        if kept.message.timestamp is not None:
            message["timestamp"] = str(kept.message.timestamp)
        said |= {"message": message, "pubsub_topic": kept.pubsub_topic}
    return said


def _query(asked: dict[str, str]) -> Query:
    topics = asked.get("contentTopics", "")
    size = number(asked, "pageSize")
    return Query(
        asked.get("pubsubTopic") or None,
        tuple(topics.split(",")) if topics else (),
        number(asked, "startTime"),
        number(asked, "endTime"),
        limit=min(size, MOST_A_PAGE) if size else 20,
        is_ascending=flag(asked, "ascending", unsaid=True),
    )
