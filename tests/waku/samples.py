"""What the tests of the network's bytes share: vectors, keys, random bytes that were drawn before.

``vectors.json`` holds what go-waku, js-waku and status-go sealed; what they were given follows from
a few numbers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from coincurve import PrivateKey

from workflow.archive.hashing import keccak256
from workflow.archive.wire import field, varint
from workflow.waku.chats import Chat, links_chat_id
from workflow.waku.reed_solomon import recover

VECTORS: Final[dict[str, list[dict[str, Any]]]] = json.loads(
    Path(__file__).with_name("vectors.json").read_text("utf-8")
)
KEY: Final = bytes(range(1, 33))
ACCOUNT: Final = PrivateKey(KEY)
"""The account that the vectors of go-waku and js-waku are signed by; their key has its bytes."""
SENDER: Final = ACCOUNT.public_key.format(compressed=False)
OWNER: Final = PrivateKey(
    bytes.fromhex("c28a9f80738f770d527803a566cf6fc3edf6cea586c4fc4a5223a5ad797e1ac3")
)
COMMUNITY: Final = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
LINKS: Final = Chat.of(links_chat_id(COMMUNITY))
SHARD: Final = "/waku/2/rs/16/32"


class Vector(NamedTuple):
    """What another implementation sealed with ``KEY``."""

    data: bytes
    is_signed: bool
    encrypted: bytes


def vectors(maker: str) -> list[Vector]:
    return [Vector(_data(one["data"]), one["signed"], bytes_of(one)) for one in VECTORS[maker]]


def bytes_of(one: dict[str, Any]) -> bytes:
    return base64.b64decode(one["encrypted"], validate=True)


def _data(told: str | list[Any]) -> bytes:
    return told.encode() if isinstance(told, str) else bytes.fromhex(told[0]) * int(told[1])


def signed_by(key: PrivateKey) -> Callable[[bytes], bytes]:
    return lambda digest: key.sign_recoverable(digest, hasher=None)


def drawn(*answers: bytes) -> Callable[[int], bytes]:
    """Random bytes that were drawn already, in their order."""
    left = list(answers)
    return lambda length: left.pop(0)


def counted(length: int) -> bytes:
    """Random bytes that are the same each time."""
    return bytes(number % 251 + 1 for number in range(length))


def pattern(length: int, seed: int) -> bytes:
    return bytes((number * 31 + seed) & 0xFF for number in range(length))


# ----------------------------------------------------------------------------------------- segments


def segment(digest: bytes, numbers: Iterable[int], payload: bytes, length: int = 0) -> bytes:
    """A SegmentMessage. ``numbers`` are its index and count, then those among the parity."""
    index, count, parity_index, parity_count = numbers
    encoded = field(1, digest)
    for number, value in ((2, index), (3, count)):
        encoded += _number(number, value)
    encoded += field(4, payload)
    for number, value in ((5, parity_index), (6, parity_count), (7, length)):
        encoded += _number(number, value)
    return encoded


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""


def segmented(message: bytes, size: int, *, tells_length: bool = True) -> list[bytes]:
    """The message as status-go cuts it, data before parity; older versions told no length."""
    digest, length = keccak256(message), len(message) if tells_length else 0
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    parity = parity_of(parts, len(parts) // 8) if len(parts) * 9 // 8 <= 256 else []
    return [
        *(segment(digest, (i, len(parts), 0, 0), one, length) for i, one in enumerate(parts)),
        *(segment(digest, (0, 0, i, len(parity)), one, length) for i, one in enumerate(parity)),
    ]


def parity_of(parts: list[bytes], count: int) -> list[bytes]:
    size = len(parts[0])
    points = {point: part.ljust(size, b"\0") for point, part in enumerate(parts)}
    recovered = recover(points, range(len(parts), len(parts) + count))
    return list(recovered.values())
