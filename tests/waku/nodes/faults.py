"""What can be wrong with a node; a test switches it on and off at any moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum, auto
from hashlib import sha256
from typing import Any, Final, Literal

from tests.waku.nodes.exchange import Answer, in_json
from tests.waku.nodes.memory import Kept, Memory, Page, Query

STRANGE_TOPIC: Final = "/waku/1/0x0badc0de/rfc26"
"""The content topic of messages that nobody asked for."""


class Lie(Enum):
    """What a rogue node answers with instead of the truth: polls and pages, or only pages."""

    WRONG_TYPES = auto()
    """The keys are right, and what stands behind them are other things of JSON."""
    WRONG_SHAPE = auto()
    """Lists are objects, objects are lists."""
    NO_JSON = auto()
    """The body is a page of HTML, announced as JSON."""
    HUGE = auto()
    """The body has ``Faults.huge`` bytes."""
    OTHER_TOPIC = auto()
    """Pages hold messages of a content topic nobody asked for, their hashes right."""
    OTHER_HASH = auto()
    """Pages give hashes that are not those of the messages beside them."""
    SAME_CURSOR = auto()
    """Pages are always the first one, and say that it goes on."""
    REFUSED_INSIDE = auto()
    """Pages are empty and say 503 inside, under the status 200."""


@dataclass
class Faults:
    """All is well at first; counts go down by one each time they strike."""

    is_down: bool = False
    """No connection is taken, those there are end, and the node hears nothing."""
    is_apart: bool = False
    """The node has no peers: it hears nothing, and nobody hears it."""
    is_unready: bool = False
    """nwaku says NOT_READY."""
    is_store_down: bool = False
    """Store queries run into the node's own limit of time (they fail at once)."""
    delay: float = 0.0
    """Seconds of the node's clock between what a request does and its answer."""
    drop_every: int = 0
    """Every so-manieth live message is not queued; the store has it."""
    repeats: int = 0
    """How many more times each live message is queued."""
    swallows: bool = False
    """Publishes are answered as always, and the message is gone."""
    unanswered: int = 0
    """So many publishes more are relayed, and the connection ends without an answer."""
    failing: int = 0
    """So many requests more are answered with 500, and do nothing."""
    limited: int = 0
    """So many store queries more are refused, because there were too many."""
    short: int = 0
    """So many polls and pages more end before the length that was announced."""
    cut: int = 0
    """So many polls and pages more end in the middle of their JSON, with the length they have."""
    lie: Lie | None = None
    huge: int = 64 * 1024 * 1024
    """Bytes."""

    def strikes(self, count: Literal["unanswered", "failing", "limited", "short", "cut"]) -> bool:
        left: int = getattr(self, count)
        setattr(self, count, max(left - 1, 0))
        return left > 0

    def page(self, memory: Memory, query: Query) -> Page:
        """What the store answers."""
        match self.lie:
            case Lie.SAME_CURSOR:
                found = memory.page(replace(query, after=None)).found
                return Page(found, found[-1] if found else None)
            case Lie.OTHER_TOPIC:
                return _each(memory.page(query), _elsewhere)
            case Lie.OTHER_HASH:
                return _each(memory.page(query), _misnamed)
            case _:
                return memory.page(query)

    def distorted(self, given: Answer) -> Answer:
        """What becomes of a poll or a page on its way out."""
        if given.status == 200:
            given = replace(given, body=self._distorted(given.body))
        half = given.body[: len(given.body) // 2]
        if self.strikes("short"):
            return replace(given, body=half, missing=len(given.body) - len(half))
        if self.strikes("cut"):
            return replace(given, body=half)
        return given

    def _distorted(self, body: bytes) -> bytes:
        match self.lie:
            case Lie.WRONG_TYPES:
                return in_json(_with_wrong_types(json.loads(body)))
            case Lie.WRONG_SHAPE:
                return in_json(_with_wrong_shape(json.loads(body)))
            case Lie.NO_JSON:
                return b"<html><body>It works!</body></html>"
            case Lie.HUGE:
                return b"[" + b" " * (self.huge - 2) + b"]"
            case Lie.REFUSED_INSIDE:
                return in_json(_refused_inside(json.loads(body)))
            case _:
                return body


def _each(page: Page, changed: Any) -> Page:
    return Page([changed(kept) for kept in page.found], page.cursor)


def _elsewhere(kept: Kept) -> Kept:
    message = replace(kept.message, content_topic=STRANGE_TOPIC)
    return replace(kept, message=message, hash=message.hash(kept.pubsub_topic))


def _misnamed(kept: Kept) -> Kept:
    return replace(kept, hash=sha256(kept.hash).digest())


def _with_wrong_types(told: Any) -> Any:
    """Objects and lists stay; a null is none of the things that it may stand for."""
    if isinstance(told, dict):
        return {key: _with_wrong_types(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_with_wrong_types(value) for value in told]
    if told is None:
        return "null"
    return {"of": told} if isinstance(told, str) else [told]


def _with_wrong_shape(told: Any) -> Any:
    if isinstance(told, dict):
        return [_with_wrong_shape(value) for value in told.values()]
    if isinstance(told, list):
        return {str(number): _with_wrong_shape(value) for number, value in enumerate(told)}
    return told if told is not None else {}


def _refused_inside(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    told = {key: value for key, value in told.items() if "ursor" not in key}
    refused = {"statusCode": 503, "status_code": 503, "statusDesc": "NO", "status_desc": "NO"}
    inside = {key: value for key, value in refused.items() if key in told}
    return {**told, **(inside or {"error_message": "503 - NO"}), "messages": []}
