"""Long messages, which come in parts.

status-go cuts what is longer than three quarters of the network's limit, and adds one parity part
for eight, from which as many lost ones are recovered. The parts of one message have one sender and
name the hash of the whole, so nobody can slip a part into a message of somebody else.

Anybody can send parts, though, and none of the rest. So what is held is bounded in bytes, and ends
with time: the oldest goes first. All of it is in memory, and gone with the process.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from workflow.archive.hashing import keccak256
from workflow.archive.pb.segment_message_pb2 import SegmentMessage
from workflow.archive.wire import WireError, fields
from workflow.waku.reed_solomon import recover
from workflow.waku.refusal import Refusal

MAX_SEGMENTS: Final = 256
"""Segments of one message, data and parity: what parity can be computed for."""

MAX_PARITY_SEGMENTS: Final = MAX_SEGMENTS // 8
"""Parity segments of one message. status-go makes one for eight; each costs a pass over all."""

_MAX_FIELDS = 64
_HASH_LENGTH = 32
_OVERHEAD = 1024  # bytes that a segment takes besides its own, roughly
_MAX_DONE = 4096
_ZEROS = 3  # that a message may end with, where nothing says how long it is


@dataclass(slots=True)
class _Parts:
    """What has come of one message. Numbers that no segment has told yet are 0."""

    since: float
    data: dict[int, bytes] = field(default_factory=dict)
    parity: dict[int, bytes] = field(default_factory=dict)
    count: int = 0
    parity_count: int = 0
    length: int = 0
    size: int = 0

    def add(self, segment: SegmentMessage) -> Refusal | None:
        """Take the segment in, or say why not."""
        is_data = segment.segments_count > 0
        index = segment.index if is_data else segment.parity_segment_index
        count = segment.segments_count if is_data else segment.parity_segments_count
        told = self.count if is_data else self.parity_count
        kept = self.data if is_data else self.parity
        if index in kept:
            return Refusal.SEGMENT_REPEATED
        if told not in (0, count) or self.length not in (0, segment.original_payload_length):
            return Refusal.SEGMENT_CONTRADICTS
        kept[index] = segment.payload
        if is_data:
            self.count = count
        else:
            self.parity_count = count
        self.length = segment.original_payload_length
        self.size += len(segment.payload)
        return None

    @property
    def weight(self) -> int:
        """Bytes that it takes in memory, roughly."""
        return self.size + _OVERHEAD * (len(self.data) + len(self.parity))

    @property
    def is_enough(self) -> bool:
        """Whether the message can be put together."""
        return 0 < self.count <= len(self.data) + len(self.parity)

    def whole(self, digest: bytes) -> bytes | Refusal:
        """The message of this Keccak-256, when that is what the segments make."""
        last = self.count - 1
        ends_in_padding = last not in self.data
        if len(self.data) < self.count and not self._recover():
            return Refusal.SEGMENTS_DIFFER
        joined = b"".join(self.data[index] for index in range(self.count))
        lengths = [self.length or len(joined)]
        if ends_in_padding and not self.length:
            stripped = len(joined.rstrip(b"\0"))
            lengths = list(range(stripped, min(stripped + _ZEROS, len(joined)) + 1))
        for length in lengths:
            if keccak256(joined[:length]) == digest:
                return joined[:length]
        return Refusal.SEGMENTS_DIFFER

    def _recover(self) -> bool:
        """Add the data segments that are missing; False when the others do not fit together."""
        size = len(next(iter(self.parity.values())))
        last = self.count - 1
        if self.count + self.parity_count > MAX_SEGMENTS:
            return False
        if any(len(part) != size for part in self.parity.values()):
            return False
        if any(len(part) != size for index, part in self.data.items() if index != last):
            return False
        if len(self.data.get(last, b"")) > size:
            return False
        parts = {index: part.ljust(size, b"\0") for index, part in self.data.items()}
        parts |= {self.count + index: part for index, part in self.parity.items()}
        missing = [index for index in range(self.count) if index not in self.data]
        self.data |= recover(parts, missing)
        return True


class Reassembly:
    """Takes messages as they were opened, and gives whole ones.

    Holds at most ``max_held`` bytes of segments, for at most ``max_age`` seconds, of messages that
    have at most ``max_length`` bytes.
    """

    def __init__(
        self,
        *,
        max_length: int = 8 * 1024 * 1024,
        max_held: int = 32 * 1024 * 1024,
        max_age: float = 86_400.0,
    ) -> None:
        self._max_length = max_length
        self._max_held = max_held
        self._max_age = max_age
        self._parts: OrderedDict[tuple[bytes, bytes], _Parts] = OrderedDict()
        self._done: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes that are held for messages that are not whole."""
        return self._held

    def take(self, sender: bytes, payload: bytes, now: float) -> bytes | Refusal | None:
        """What can be handed on: the payload, when it is no segment; the whole, with its last one.

        None while others are missing. ``now`` is the reader's own time (seconds), not the
        message's. A message that was given is not given again for ``max_age`` seconds.
        """
        segment = _segment(payload)
        if segment is None:
            return payload
        self._expire(now)
        key = (sender, segment.entire_message_hash)
        refusal = self._add(key, segment, now)
        if refusal is not None:
            return refusal
        parts = self._parts[key]
        if parts.is_enough:
            self._drop(key)
            whole = parts.whole(segment.entire_message_hash)
            if isinstance(whole, bytes):
                self._done[key] = now
            return whole
        while self._held > self._max_held:
            self._drop(next(iter(self._parts)))
        return None

    def _add(self, key: tuple[bytes, bytes], segment: SegmentMessage, now: float) -> Refusal | None:
        """Hold the segment with the others of its message, or say why not."""
        if key in self._done:
            return Refusal.SEGMENT_REPEATED
        refusal = self._check(segment)
        if refusal is not None:
            return refusal
        parts = self._parts.setdefault(key, _Parts(now))
        before = parts.weight
        refusal = parts.add(segment)
        self._held += parts.weight - before
        if refusal is None and parts.size > self._max_length:
            self._drop(key)
            refusal = Refusal.SEGMENTS_TOO_LONG
        return refusal

    def _check(self, segment: SegmentMessage) -> Refusal | None:
        if segment.segments_count:
            index, count, most = segment.index, segment.segments_count, MAX_SEGMENTS
        else:
            index, count = segment.parity_segment_index, segment.parity_segments_count
            most = MAX_PARITY_SEGMENTS
        if not index < count <= most or not segment.payload:
            return Refusal.SEGMENT_NUMBERS
        if segment.original_payload_length > self._max_length:
            return Refusal.SEGMENTS_TOO_LONG
        return None

    def _expire(self, now: float) -> None:
        while self._parts and next(iter(self._parts.values())).since < now - self._max_age:
            self._drop(next(iter(self._parts)))
        while self._done and (
            len(self._done) > _MAX_DONE or next(iter(self._done.values())) < now - self._max_age
        ):
            self._done.popitem(last=False)

    def _drop(self, key: tuple[bytes, bytes]) -> None:
        self._held -= self._parts.pop(key).weight


def _segment(payload: bytes) -> SegmentMessage | None:
    """The payload as a segment, if it is one: it names the hash of a whole, and how many parts.

    The hash tells it from a signed message, whose fields have the same numbers: a signature stands
    there, which is longer.
    """
    try:
        for _ in fields(payload, at_most=_MAX_FIELDS):
            pass
        segment = SegmentMessage.FromString(payload)
    except (WireError, DecodeError):
        return None
    if len(segment.entire_message_hash) != _HASH_LENGTH:
        return None
    # A whole in one part is sent as it is.
    if segment.segments_count < 2 and not segment.parity_segments_count:  # noqa: PLR2004
        return None
    return segment
