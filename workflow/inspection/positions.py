"""From a byte to the field it lies in.

A path is told as people would: ``message 17 field payload (4)``, ``info/files/0/length``. The tag
or the length of a field is told from its content, and what cannot be read up to the byte is said
to be so. No work is done beyond the byte that is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from workflow.archive.codec import MAX_MESSAGES
from workflow.archive.ratchet import is_encrypted
from workflow.archive.torrent import HASH_LENGTH
from workflow.archive.wire import WireError, fields

SHORT_ID: Final = 10
"""Characters by which an archive is called."""

_AT_MOST: Final = 4 * MAX_MESSAGES  # fields that are walked over, in one message
_MORE: Final = 0x80
_ID: Final = re.compile(rb"0x[0-9a-f]{64}")
_MAX_DEPTH: Final = 16
_INTEGER: Final = re.compile(rb"i-?[0-9]{1,20}e")
_LENGTH: Final = re.compile(rb"([0-9]{1,10}):")
_LONGEST_KEY: Final = 40


def index_field_at(data: bytes, offset: int) -> str:
    """The field of byte ``offset`` in an index, plain or encrypted."""
    return _field_at(data, offset, _SEALED if is_encrypted(data) else _INDEX)


def archive_field_at(data: bytes, offset: int) -> str:
    """The field of byte ``offset`` in an archive without its padding, plain or encrypted."""
    return _field_at(data, offset, _SEALED if is_encrypted(data) else _ARCHIVE)


def torrent_field_at(data: bytes, offset: int) -> str:
    """The key of byte ``offset`` in a .torrent."""
    if offset >= len(data):
        return "the end"
    try:
        return _Bencoded(data, offset).found or "behind the end of the value"
    except ValueError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class _Schema:
    """A message: the names of its fields, what is in them, and which of them are many.

    ``passes`` are the fields that are not named on the way: the halves of a map's entry.
    """

    names: dict[int, str]
    inner: dict[int, _Schema] = field(default_factory=dict)
    many: frozenset[int] = frozenset()
    passes: frozenset[int] = frozenset()


def _numbered(*names: str) -> dict[int, str]:
    return dict(enumerate(names, 1))


_METADATA = _Schema(_numbered("version", "from", "to", "contentTopic"))
_MESSAGE = _Schema(
    _numbered("sig", "timestamp", "topic", "payload", "padding", "hash", "thirdPartyId")
)
_ARCHIVE = _Schema(
    _numbered("version", "metadata", "message"), {2: _METADATA, 3: _MESSAGE}, frozenset({3})
)
_ENTRY = _Schema(_numbered("version", "metadata", "offset", "size", "padding"), {2: _METADATA})
_PAIR = _Schema(_numbered("key", "value"), {2: _ENTRY}, passes=frozenset({2}))
_INDEX = _Schema(_numbered("entry"), {1: _PAIR}, frozenset({1}))
_HEADER = _Schema(_numbered("deprecated_key_id", "seq_no", "group_id", "key_id"))
_ENCRYPTED = _Schema({3: "payload", 102: "HR_header"}, {102: _HEADER})
_SEALED = _Schema(
    {2: "installation_id", 3: "bundles", 101: "encrypted_message", 102: "public_message"},
    {101: _Schema(_numbered("key", "value"), {2: _ENCRYPTED}, passes=frozenset({2}))},
)


def _field_at(data: bytes, offset: int, schema: _Schema) -> str:
    if offset >= len(data):
        return "the end"
    words: list[str] = []
    here: _Schema | None = schema
    while here is not None:
        here, data, offset, word = _step(data, offset, here)
        words.append(word)
    return " ".join(filter(None, words)).replace(" ,", ",").removeprefix(", ")


def _step(data: bytes, offset: int, schema: _Schema) -> tuple[_Schema | None, bytes, int, str]:
    """One level down: what to go on with (None at the end), and what this level is called."""
    before, seen = 0, 0
    try:
        for found in fields(data, at_most=_AT_MOST):
            number, start, end = found
            if offset < end:
                break
            seen += number in schema.many
            before = end
        else:
            return None, data, offset, "behind the last field"
    except WireError:
        return None, data, offset, f", not readable from its byte {before} on"
    inner = schema.inner.get(number)
    content = data[start:end]
    name = schema.names.get(number, "")
    if inner is None:
        word = f"field {name} ({number})" if name else f"field {number}"
    elif number in schema.many:
        word = f"{name} {_key_of(content) if schema is _INDEX else seen}"
    else:
        word = "" if number in schema.passes else name
    if offset < start:
        is_tag = all(byte & _MORE for byte in data[before:offset])
        word = f"{word or name}, its {'tag' if is_tag else 'length'}"
        return None, data, offset, word
    return inner, content, offset - start, word


def _key_of(pair: bytes) -> str:
    """The id in the pair of an index, shortened."""
    try:
        for number, start, end in fields(pair, at_most=2):
            if number == 1 and _ID.fullmatch(pair, start, end):
                return pair[start : start + SHORT_ID].decode()
    except WireError:
        pass
    return "without an id"


class _Bencoded:
    """Goes over a bencoded value until it comes to a byte; ``found`` is the path to it.

    Raises ``ValueError`` where it is not bencoded.
    """

    def __init__(self, data: bytes, target: int) -> None:
        self.found = ""
        self._data = data
        self._target = target
        self._value(0, ())

    def _value(self, position: int, path: tuple[str, ...]) -> int:
        """Returns the position behind the value."""
        lead = self._data[position : position + 1]
        if lead in (b"l", b"d") and len(path) < _MAX_DEPTH:
            end = self._members(position, path, is_dictionary=lead == b"d")
        elif lead == b"i":
            integer = _INTEGER.match(self._data, position)
            if integer is None:
                raise self._complaint(position)
            end = integer.end()
        else:
            start, end = self._string(position)
            if path == ("info", "pieces") and start <= self._target < end and not self.found:
                path = (*path, f"hash of piece {(self._target - start) // HASH_LENGTH}")
        if position <= self._target < end and not self.found:
            self.found = "/".join(path) or "the outermost value"
        return end

    def _members(self, position: int, path: tuple[str, ...], *, is_dictionary: bool) -> int:
        position, count = position + 1, 0
        while not self.found and self._data[position : position + 1] != b"e":
            name = str(count)
            if is_dictionary:
                start, end = self._string(position)
                key = self._data[start:end][:_LONGEST_KEY]
                name = "".join(
                    letter if letter.isprintable() else "?"
                    for letter in key.decode("ascii", "replace")
                )
                if position <= self._target < end:
                    self.found = "/".join((*path, f"the key '{name}'"))
                position = end
            if not self.found:
                position = self._value(position, (*path, name))
            count += 1
        return position + 1

    def _string(self, position: int) -> tuple[int, int]:
        length = _LENGTH.match(self._data, position)
        if length is None or length.end() + int(length[1]) > len(self._data):
            raise self._complaint(position)
        return length.end(), length.end() + int(length[1])

    def _complaint(self, position: int) -> ValueError:
        return ValueError(f"not readable from byte {position} on")
