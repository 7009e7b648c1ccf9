"""What a store node remembers, in the order in which it pages (13/WAKU2-STORE)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from typing import Final

from workflow.ports.clock import Clock
from workflow.waku.message import WakuMessage

SECOND: Final = 1_000_000_000
"""Nanoseconds in a second."""

Place = tuple[int, bytes]
"""Where a message stands: its timestamp, or 0 when it has none, and its hash."""


class UnknownCursorError(Exception):
    """A page was to begin behind a message that the store does not hold."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message and when it came (nanoseconds, UTC epoch)."""

    pubsub_topic: str
    message: WakuMessage
    hash: bytes
    came: int

    @property
    def time(self) -> int:
        """What time ranges and retention go by."""
        return self.message.timestamp or self.came

    @property
    def place(self) -> Place:
        return self.message.timestamp or 0, self.hash

    @property
    def digest(self) -> bytes:
        """By which the older store protocol knows a message."""
        return sha256(self.message.content_topic.encode() + self.message.payload).digest()


@dataclass(frozen=True, slots=True)
class Query:
    """``start`` is inclusive, ``end`` exclusive (nanoseconds); ``after`` is the cursor's hash.

    ``limit`` is how many a page holds. An empty tuple and None leave all through.
    """

    pubsub_topic: str | None = None
    content_topics: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    hashes: tuple[bytes, ...] = ()
    after: bytes | None = None
    limit: int = 20
    is_ascending: bool = True

    def takes(self, kept: Kept) -> bool:
        return (
            (self.pubsub_topic in {None, kept.pubsub_topic})
            and (not self.content_topics or kept.message.content_topic in self.content_topics)
            and (self.start is None or kept.time >= self.start)
            and (self.end is None or kept.time < self.end)
            and (not self.hashes or kept.hash in self.hashes)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Ascending, in whatever direction it was asked for; ``cursor`` is None on the last one."""

    found: list[Kept]
    cursor: Kept | None


class Memory:
    """Remembers for ``retention`` seconds of the clock."""

    def __init__(self, clock: Clock, retention: float) -> None:
        self.retention = retention
        self._clock = clock
        self._kept: dict[bytes, Kept] = {}
        self._places: list[Place] = []

    def __len__(self) -> int:
        self._forget()
        return len(self._kept)

    def __contains__(self, hash: bytes) -> bool:
        self._forget()
        return hash in self._kept

    def keep(self, pubsub_topic: str, message: WakuMessage) -> None:
        """Whatever the message is; a second time changes nothing."""
        kept = Kept(pubsub_topic, message, message.hash(pubsub_topic), self._now())
        if kept.hash not in self._kept:
            self._kept[kept.hash] = kept
            insort(self._places, kept.place)

    def clear(self) -> None:
        self._kept.clear()
        self._places.clear()

    def messages(self) -> list[Kept]:
        """All that is remembered, in order."""
        self._forget()
        return [self._kept[hash] for _, hash in self._places]

    def page(self, query: Query) -> Page:
        """Raises ``UnknownCursorError``."""
        self._forget()
        matching = (kept for _, hash in self._ahead(query) if query.takes(kept := self._kept[hash]))
        found = list(islice(matching, query.limit + 1))
        cursor = found[query.limit - 1] if len(found) > query.limit else None
        found = found[: query.limit]
        return Page(found if query.is_ascending else found[::-1], cursor)

    def find(self, digest: bytes, timestamp: int) -> Kept | None:
        """By what a cursor of the older protocol says."""
        start = bisect_left(self._places, (timestamp, b""))
        for time, hash in islice(self._places, start, None):
            if time != timestamp:
                break
            if self._kept[hash].digest == digest:
                return self._kept[hash]
        return None

    def _ahead(self, query: Query) -> Iterable[Place]:
        """The places that a query may find something at, in its direction."""
        places = self._places
        # What has no timestamp stands first, and counts as sent when it came.
        unsaid = bisect_left(places, (1, b""))
        low = unsaid if query.start is None else bisect_left(places, (query.start, b""))
        high = len(places) if query.end is None else bisect_left(places, (query.end, b""))
        first = 0
        if query.after is not None:
            if query.after not in self._kept:
                raise UnknownCursorError
            place = self._kept[query.after].place
            if query.is_ascending:
                first = bisect_right(places, place)
            else:
                high, unsaid = (
                    min(high, bisect_left(places, place)),
                    min(unsaid, bisect_left(places, place)),
                )
        early, late = range(first, unsaid), range(max(low, unsaid, first), high)
        if query.is_ascending:
            return (places[index] for index in chain(early, late))
        return (places[index] for index in chain(reversed(late), reversed(early)))

    def _forget(self) -> None:
        horizon = self._now() - int(self.retention * SECOND)
        passed, spared = 0, []
        for place in self._places:
            timestamp, hash = place
            if self._kept[hash].time < horizon:
                del self._kept[hash]
            elif timestamp > 0:
                break
            else:  # without a timestamp it stands first, whenever it came
                spared.append(place)
            passed += 1
        self._places[:passed] = spared

    def _now(self) -> int:
        return int(self._clock.now() * SECOND)
