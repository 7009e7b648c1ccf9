"""Protobuf's wire format, as far as we read and write it ourselves.

Two things are better done without a parser. Messages are stored already encoded, so an archive is
written by putting a tag and a length before each: ``field``. And bytes from strangers are counted
before they are parsed, because parsing a few megabytes of tiny fields costs gigabytes: ``fields``
walks over the outermost fields without building anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

LENGTH_DELIMITED: Final = 2
"""The wire type of bytes, strings and messages."""

_VARINT: Final = 0
_MORE: Final = 0x80  # in the byte of a number: another byte follows
_FIXED_WIDTHS: Final = {1: 8, 5: 4}
_MAX_VARINT_LENGTH: Final = 10


class WireError(ValueError):
    """Bytes are not protobuf, or hold more fields than the caller allows."""


def varint(value: int) -> bytes:
    """``value`` (0 or more) in groups of seven bits, the lowest group first."""
    encoded = bytearray()
    while value >= _MORE:
        encoded.append(value & 0x7F | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def field(number: int, content: bytes) -> bytes:
    """``content`` as the length-delimited field ``number``."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(content)) + content


def fields(data: bytes, *, at_most: int) -> Iterator[tuple[int, int, int]]:
    """The outermost fields of ``data``, in order: number, start and end of each, unparsed.

    Raises ``WireError`` where ``data`` stops being protobuf, and when fields are left after
    ``at_most`` of them: however hostile ``data`` is, that is all the work it can cause.
    """
    position, size = 0, len(data)
    for _ in range(at_most):
        if position == size:
            return
        tag, start = data[position], position + 1
        if tag >= _MORE:
            tag, start = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == LENGTH_DELIMITED:
            # Nearly all lengths have two bytes: a call for each is half of the time of all this.
            if start + 1 < size and data[start] >= _MORE > data[start + 1]:
                end = start + 2 + (data[start] & 0x7F | data[start + 1] << 7)
                start += 2
            else:
                length, start = _read_varint(data, start)
                end = start + length
        elif wire_type == _VARINT or wire_type in _FIXED_WIDTHS:
            end = _end_of_number(data, start, wire_type)
        else:
            raise WireError(f"unknown wire type {wire_type} at byte {position}")
        if number == 0:
            raise WireError(f"field number 0 at byte {position}")
        if end > size:
            raise WireError(f"field {number} at byte {position} is cut off")
        yield number, start, end
        position = end
    if position < size:
        raise WireError(f"more than {at_most} fields")


def _end_of_number(data: bytes, start: int, wire_type: int) -> int:
    if wire_type == _VARINT:
        return _read_varint(data, start)[1]
    return start + _FIXED_WIDTHS[wire_type]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position``, and the position after it."""
    if position + 1 < len(data):  # Nearly all of them have one byte, or two.
        first, second = data[position], data[position + 1]
        if first < _MORE:
            return first, position + 1
        if second < _MORE:
            return first & 0x7F | second << 7, position + 2
    value = 0
    for index, byte in enumerate(data[position : position + _MAX_VARINT_LENGTH]):
        value |= (byte & 0x7F) << 7 * index
        if byte < _MORE:
            return value, position + index + 1
    raise WireError(f"a number at byte {position} does not end")
