"""Changes that make hostile inputs of valid ones: pure, numbered, and the same for every engine.

A change is told by a ``Step``. Its numbers are taken modulo whatever there is, so any numbers mean
something, and small ones are simple: that is what lets Hypothesis shrink a list of steps. Half of
the changes know nothing of the input. The others take it apart (protobuf, bencoding, JSON), change
one part and put it together again, so that lengths and brackets around the part are right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from workflow.archive.bencode import Caps
from workflow.archive.bencode import decode as decode_bencoding
from workflow.archive.bencode import encode as encode_bencoding
from workflow.archive.wire import LENGTH_DELIMITED, WireError, field, fields, varint
from workflow.errors import TorrentInvalidError

MAX_LENGTH: Final = 1024 * 1024
"""Bytes that mutation makes of an input at most."""

NUMBERS: Final = (
    *(0, 1, 127, 128, 255, 300, 4096, 102_400, 100_001, 10**9, 10**12),
    *((1 << bits) + more for bits in (31, 32, 53, 63, 64, 70) for more in (-1, 0)),
)
"""Where lengths, counts and times break."""

TEXTS: Final = tuple(
    text.encode()
    for text in (
        *(
            "null",
            "true",
            "false",
            "NaN",
            "-Infinity",
            "1e999",
            "-1",
            "0.5",
            '"',
            "\\",
            '\\"',
            "\\u",
        ),
        *('"\\ud800"', '"\\udc00"', "{", "}", "[", "]", ",", ":", "\n", "\r\n", "\0", "\x1b[2J"),
        *("/", "..", "../", "loop", "away/hostname", "data", "index", "%", "%ff", "%00", "&", "="),
        *("&xt=", "&tr=", "&dn=", "+", "i-0e", "i0e", "le", "de", "e", "0:", "99999999999:"),
        *('"raw":null,', '"channel":{},', '"messages":[', '"messageCount":2}', "\u2028", "\u202e"),
    )
)
"""Words that one of the notations gives a meaning to."""

VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        1e300,
        1 << 63,
        1 << 64,
        10**400,
        "",
        "\0",
        "\ud800",
        "❤" * 99,
    ),
    *(
        "loop",
        "away",
        "away/hostname",
        "../talk.json",
        "x" * 300,
        [],
        {},
        [[]],
        {"": None},
        [None] * 9,
    ),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2020-02-30", "1e3", "===="),
)
"""What may stand for any other value of JSON."""

PATTERNS: Final = (
    b"[",
    b"{",
    b'{"a":',
    b"[1,",
    b"l",
    b"d1:a",
    b"\x0a\x02",
    b"\x0b",
    b"\xff",
    b"\\",
)
"""What nests, or does not end, when it is repeated."""


CONTENTS: Final = (b"", b"\0", b"\xff" * 33, b"none", b"seed" * 2, b"9" * 30)
"""What may stand for any content of a field of protobuf."""

MAX_DEPTH: Final = 6
"""Levels of protobuf that are taken apart at most."""


class Step(NamedTuple):
    """One change: its name, and two numbers of any size that say where and what."""

    change: str
    where: int
    what: int


def changed(data: bytes, steps: Sequence[Step], others: Sequence[bytes]) -> bytes:
    """``data`` after all steps; ``others`` are inputs that parts are borrowed from."""
    for step in steps:
        if step.change == "borrow":
            data = _borrow(data, step.where, others[step.what % len(others)])
        else:
            data = CHANGES[step.change](data, step.where, step.what)
        data = data[:MAX_LENGTH]
    return data


def random_steps(random: Random) -> list[Step]:
    """Between one and six steps; few are the most likely."""
    count = min(random.randint(1, 6), random.randint(1, 6))
    return [
        Step(random.choice(NAMES), random.getrandbits(32), random.getrandbits(32))
        for _ in range(count)
    ]


def _flip(data: bytes, where: int, what: int) -> bytes:
    if not data:
        return data
    at = where % len(data)
    return data[:at] + bytes([data[at] ^ 1 << what % 8]) + data[at + 1 :]


def _put_byte(data: bytes, where: int, what: int) -> bytes:
    at = where % (len(data) + 1)
    return data[:at] + bytes([(0, 1, 0x7F, 0x80, 0xFF, 0x20)[what % 6]]) + data[at + 1 :]


def _truncate(data: bytes, where: int, what: int) -> bytes:
    at = where % (len(data) + 1)
    return data[at:] if what % 4 == 1 else data[:at]


def _remove(data: bytes, where: int, what: int) -> bytes:
    start, end = _part(data, where, what)
    return data[:start] + data[end:]


def _repeat(data: bytes, where: int, what: int) -> bytes:
    start, end = _part(data, where, what)
    times = (1, 2, 16, 70, 1001, 20_001)[what // 7 % 6]
    if times * (end - start) > MAX_LENGTH:
        times = 1
    return data[:end] + data[start:end] * times + data[end:]


def _borrow(data: bytes, where: int, other: bytes) -> bytes:
    at = where % (len(data) + 1)
    start, end = _part(other, where // 3, where // 5)
    return data[:at] + other[start:end] + data[at if where % 2 else at + end - start :]


def _number(data: bytes, where: int, what: int) -> bytes:
    """A number in place of one that begins there, in decimal or in groups of seven bits."""
    at = where % (len(data) + 1)
    value = NUMBERS[what % len(NUMBERS)]
    while at < len(data) and where % 2 and not data[at : at + 1].isdigit():
        at += 1
    end = at
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    written = b"%d" % value if end > at else varint(value)
    return data[:at] + written + data[max(end, at + 1) :]


def _word(data: bytes, where: int, what: int) -> bytes:
    at = where % (len(data) + 1)
    return data[:at] + TEXTS[what % len(TEXTS)] + data[at:]


def _bomb(data: bytes, where: int, what: int) -> bytes:
    at = where % (len(data) + 1)
    pattern = PATTERNS[what % len(PATTERNS)]
    return data[:at] + pattern * (3, 17, 101, 1001, 100_001)[what // 11 % 5] + data[at:]


def _enclose(data: bytes, where: int, what: int) -> bytes:
    """Protobuf within protobuf, up to a hundred deep."""
    for _ in range((1, 2, 101)[what % 3]):
        data = field((1, 2, 3, 99, 101, 102)[where % 6], data)
    return data


def _protobuf(data: bytes, where: int, what: int, depth: int = 0) -> bytes:
    """One field changed, at any depth; the lengths around it are made right."""
    try:
        found = list(fields(data, at_most=1000))
    except WireError:
        found = []
    if not found or depth == MAX_DEPTH:
        return _flip(data, where, what) if what % 2 else CONTENTS[what % len(CONTENTS)]
    place = where % len(found)
    start = found[place - 1][2] if place else 0
    number, content, end = found[place]
    whole = data[start:end]
    if what % 3 and whole.startswith(varint(number << 3 | LENGTH_DELIMITED)):
        inner = _protobuf(data[content:end], where // len(found), what // 3, depth + 1)
        instead = field(number, inner)
    else:
        instead = (
            b"",
            whole * (2, 17, 1001)[where % 3],
            varint(number << 3) + varint(NUMBERS[where % len(NUMBERS)]),
            field(where % 120 + 1, data[content:end]),
        )[what // 3 % 4]
    return data[:start] + instead + data[end:]


def _bencoding(data: bytes, where: int, what: int) -> bytes:
    try:
        tree = decode_bencoding(data, Caps(MAX_LENGTH, 50, 10_000))
    except TorrentInvalidError:
        return _number(data, where, what)
    values = (*NUMBERS[:-2], -1, b"", b"\xff", b"\0", b"x" * 300, [], {}, [[]], [b""], b"udp://a")
    _change_tree(tree, where, what, values)
    return encode_bencoding(tree)


def _json(data: bytes, where: int, what: int) -> bytes:
    """One value of the document changed, or of one of its lines."""
    lines = data.split(b"\n")
    at = where % len(lines)
    try:
        tree = json.loads(lines[at].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return _word(data, where, what)
    _change_tree(tree, where // len(lines), what, VALUES)
    lines[at] = json.dumps(tree, ensure_ascii=bool(what % 2)).encode(errors="replace")
    return b"\n".join(lines)


def _change_tree(tree: Any, where: int, what: int, values: Sequence[Any]) -> None:
    """Remove, double, replace or exchange one value within ``tree``."""
    places = [(tree, key) for key in _keys(tree)]
    for holder, key in places:  # grows as it is walked
        places.extend((holder[key], inner) for inner in _keys(holder[key]))
    if not places:
        return
    holder, key = places[where % len(places)]
    match what % 6:
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.extend([holder[key]] * (1, 70, 1001)[what // 6 % 3])
        case 2:
            other, name = places[what // 6 % len(places)]
            holder[key] = json.loads(json.dumps(other[name])) if _is_json(other[name]) else b""
        case _:
            holder[key] = values[what // 6 % len(values)]


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _is_json(value: Any) -> bool:
    """False for the byte strings of bencoding; a copy keeps a tree from containing itself."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _part(data: bytes, where: int, what: int) -> tuple[int, int]:
    start = where % (len(data) + 1)
    return start, min(len(data), start + (1, 2, 4, 16, 64, 512, len(data))[what % 7])


CHANGES: Final[dict[str, Callable[[bytes, int, int], bytes]]] = {
    "flip": _flip,
    "byte": _put_byte,
    "truncate": _truncate,
    "remove": _remove,
    "repeat": _repeat,
    "number": _number,
    "word": _word,
    "bomb": _bomb,
    "enclose": _enclose,
    "protobuf": _protobuf,
    "bencoding": _bencoding,
    "json": _json,
}
"""Every change by its name, but for ``borrow``, which needs another input."""

NAMES: Final = (*CHANGES, "borrow")
