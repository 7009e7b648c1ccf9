"""Forged announcements: everything that somebody without the community's key can put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from coincurve import PrivateKey

from workflow.archive.announcement import Announcement, sign
from workflow.archive.hashing import keccak256
from workflow.archive.wire import field, varint

CURVE_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
INVALID: Final = "announcement-invalid"
SIGNER: Final = "wrong signer"


@dataclass(frozen=True, slots=True)
class Forgery:
    """A message, how it was made, and the reasons for which it may be refused."""

    message: bytes
    made_by: str
    reasons: tuple[str, ...]


def signed_by(key: PrivateKey) -> Callable[[bytes], bytes]:
    """What signs digests with this key."""
    return lambda digest: key.sign_recoverable(digest, hasher=None)


def payload_of(clock: int, locator: str) -> bytes:
    """The bytes that are signed."""
    return b"\x08" + varint(clock) + field(2, locator.encode())


def envelope(signature: bytes, payload: bytes, kind: int = 43) -> bytes:
    """The envelope around them."""
    return field(1, signature) + field(2, payload) + b"\x18" + varint(kind)


def changed_bits(valid: bytes) -> Iterator[Forgery]:
    """Every single bit of a valid announcement, turned over."""
    for place in range(8 * len(valid)):
        changed = bytearray(valid)
        changed[place // 8] ^= 1 << place % 8
        yield Forgery(bytes(changed), f"bit {place}", (INVALID, SIGNER))


def cut_and_extended(valid: bytes) -> Iterator[Forgery]:
    """Every beginning of a valid announcement, and some bytes more than all of it."""
    for length in range(len(valid)):
        yield Forgery(valid[:length], f"the first {length} bytes", (INVALID,))
    for byte in range(256):
        yield Forgery(valid + bytes([byte]), f"byte {byte} more", (INVALID,))
        yield Forgery(valid + field(4 + byte, b""), f"field {4 + byte} more", (INVALID,))


def other_signatures(key: PrivateKey, clock: int, locator: str) -> Iterator[Forgery]:
    """The payload as it is, with what else could pass for its signature."""
    payload = payload_of(clock, locator)
    good = key.sign_recoverable(keccak256(payload), hasher=None)
    r, s, v = good[:32], good[32:64], good[64]
    high = (CURVE_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    for other in (*range(2, 32), 255):
        yield Forgery(envelope(r + s + bytes([other]), payload), f"v {other}", (INVALID,))
    yield Forgery(envelope(r + high + bytes([1 - v]), payload), "the high s", (INVALID,))
    yield Forgery(envelope(r + high + bytes([v]), payload), "the high s, same v", (INVALID,))
    yield Forgery(envelope(r + s + bytes([1 - v]), payload), "other v", (INVALID, SIGNER))
    yield Forgery(envelope(s + r + bytes([v]), payload), "s, r", (INVALID, SIGNER))
    yield Forgery(envelope(bytes(65), payload), "zeros", (INVALID,))
    yield Forgery(envelope(b"", payload), "unsigned", (INVALID,))
    for length in (*range(1, 65), 66, 130):
        yield Forgery(envelope((good * 2)[:length], payload), f"{length} bytes", (INVALID,))


def other_kinds(key: PrivateKey, clock: int, locator: str) -> Iterator[Forgery]:
    """What the community did sign, passed off as a message of another type, and the other way."""
    payload = payload_of(clock, locator)
    good = key.sign_recoverable(keccak256(payload), hasher=None)
    for kind in (*range(43), *range(44, 128), 255, 2**31):
        yield Forgery(envelope(good, payload, kind), f"type {kind}", (INVALID,))
    text = field(1, b"hello") + field(2, b"\xff\xfe")
    signature = key.sign_recoverable(keccak256(text), hasher=None)
    yield Forgery(envelope(signature, text), "a chat message as type 43", (INVALID,))


def other_encodings(key: PrivateKey, clock: int, locator: str) -> Iterator[Forgery]:
    """The same signature and payload in an envelope that protobuf reads as the same."""
    payload = payload_of(clock, locator)
    first = field(1, key.sign_recoverable(keccak256(payload), hasher=None))
    second, third = field(2, payload), b"\x18\x2b"
    parts = {"1": first, "2": second, "3": third}
    for order in ("132", "213", "231", "312", "321", "1123", "1223", "1233", "2123", "3123"):
        yield Forgery(b"".join(parts[one] for one in order), f"order {order}", (INVALID,))
    for length in range(1, 9):  # Numbers with more bytes than they need.
        long = b"\xab" + b"\x80" * (length - 1) + b"\x00"
        yield Forgery(first + second + b"\x18" + long, f"long type {length}", (INVALID,))
        tag = b"\x8a" + b"\x80" * (length - 1) + b"\x00"
        yield Forgery(tag + first[1:] + second + third, f"long tag {length}", (INVALID,))
    for number in (4, 5, 99, 1000):
        for place in range(4):
            fields = [first, second, third]
            fields.insert(place, field(number, b"unknown"))
            yield Forgery(b"".join(fields), f"field {number} at {place}", (INVALID,))
    yield Forgery(field(102, field(102, first + second + third)), "wrapped twice", (INVALID,))
    yield Forgery(field(1, bytes(65)) + first + second + third, "a signature before", (INVALID,))
    yield Forgery(first + second + b"\x18\x01" + third, "a type before", (INVALID,))


def by_strangers(count: int, clock: int, locator: str) -> Iterator[Forgery]:
    """Well signed, by somebody else."""
    for number in range(count):
        stranger = PrivateKey.from_int(1_000_000 + number)
        message = sign(Announcement(clock + number, locator), signed_by(stranger))
        wrapped = field(102, message) if number % 2 else message
        yield Forgery(wrapped, f"stranger {number}", (SIGNER,))


def beyond_its_time(
    key: PrivateKey, count: int, newest: int, now: int, locator: str
) -> Iterator[Forgery]:
    """What the community did sign, long ago or for a time to come (milliseconds)."""
    step = newest // count
    for number in range(1, count):
        old = sign(Announcement(number * step, locator), signed_by(key))
        yield Forgery(old, f"clock {number * step}", ("older clock",))
        far = now + 3_600_000 + 60_000 + number**4  # The receiver's clock goes on meanwhile.
        ahead = sign(Announcement(far, locator), signed_by(key))
        yield Forgery(ahead, f"clock {far}", ("clock far in the future",))
    for clock in (2**62, 2**63 - 1):
        ahead = sign(Announcement(clock, locator), signed_by(key))
        yield Forgery(ahead, f"clock {clock}", ("clock far in the future",))
    for clock in (0, 2**63, 2**64 - 1):
        payload = payload_of(clock, locator)
        signature = key.sign_recoverable(keccak256(payload), hasher=None)
        yield Forgery(envelope(signature, payload), f"clock {clock}", (INVALID,))
