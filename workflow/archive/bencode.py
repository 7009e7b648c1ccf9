"""Bencoding, the notation of torrents: integers, strings of bytes, lists and dictionaries.

A torrent's name is the hash of its own notation, so a value must have one notation only. The
reader takes that one and refuses every other: keys sorted and unique, no leading zeros, no minus
zero, nothing behind the end. Whatever it accepts is written back to the same bytes.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from workflow.errors import TorrentInvalidError

Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]

_INTEGER: Final = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")  # 19 digits: all that 64 bits hold
_LENGTH: Final = re.compile(rb"(0|[1-9][0-9]{0,9}):")


class Caps(NamedTuple):
    """How much is read at most: ``length`` in bytes, ``depth`` of nesting, ``items`` in all.

    An integer or string alone has depth 0. Keys are not counted as items, their values are.
    """

    length: int
    depth: int
    items: int


def encode(value: Value) -> bytes:
    """``value`` in its only notation. For values of our own: nothing is limited."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, list):
        return b"l%be" % b"".join(map(encode, value))
    return b"d%be" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))


def decode(data: bytes, caps: Caps) -> Value:
    """The value that ``encode`` wrote as ``data``.

    Raises ``TorrentInvalidError``, with the byte as its place, for another notation, for bytes
    behind the value, and as soon as one of ``caps`` is passed; integers have 19 digits at most.
    """
    if len(data) > caps.length:
        raise TorrentInvalidError(f"a torrent of {len(data)} bytes is longer than {caps.length}")
    reader = _Reader(data, caps)
    value = reader.value(depth=0)
    if reader.position != len(data):
        raise reader.error("something follows the end")
    return value


class _Reader:
    """Reads one value after the other. Its recursion ends at the cap on depth."""

    def __init__(self, data: bytes, caps: Caps) -> None:
        self.position = 0
        self._data = data
        self._caps = caps
        self._items = 0

    def value(self, depth: int) -> Value:
        self._items += 1
        if self._items > self._caps.items:
            raise self.error(f"there are more than {self._caps.items} values")
        lead = self._data[self.position : self.position + 1]
        if lead == b"i":
            return self._integer()
        if lead not in (b"l", b"d"):
            return self._string()
        if depth == self._caps.depth:
            raise self.error(f"values are nested deeper than {depth}")
        self.position += 1
        return self._list(depth + 1) if lead == b"l" else self._dictionary(depth + 1)

    def error(self, complaint: str) -> TorrentInvalidError:
        return TorrentInvalidError(complaint, place=f"byte {self.position}")

    def _integer(self) -> int:
        found = _INTEGER.match(self._data, self.position)
        if found is None:
            raise self.error("an integer is not in its only notation")
        self.position = found.end()
        return int(found[1])

    def _string(self) -> bytes:
        found = _LENGTH.match(self._data, self.position)
        if found is None:
            raise self.error("neither an integer, a string, a list nor a dictionary begins")
        end = found.end() + int(found[1])
        if end > len(self._data):
            raise self.error("a string is cut off")
        self.position = end
        return self._data[found.end() : end]

    def _list(self, depth: int) -> list[Value]:
        values: list[Value] = []
        while not self._at_end():
            values.append(self.value(depth))
        return values

    def _dictionary(self, depth: int) -> dict[bytes, Value]:
        pairs: list[tuple[bytes, Value]] = []
        while not self._at_end():
            pairs.append((self._string(), self.value(depth)))
        if any(key >= following for (key, _), (following, _) in pairwise(pairs)):
            raise self.error("the keys before this byte are not sorted, or one stands twice")
        return dict(pairs)

    def _at_end(self) -> bool:
        ended = self._data[self.position : self.position + 1] == b"e"
        self.position += ended
        return ended
