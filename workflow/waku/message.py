"""14/WAKU2-MESSAGE: what nodes pass on and keep, whatever is in it.

Not the message of the same name that archives hold: that one is made of this one, opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from workflow.archive.wire import field, varint
from workflow.errors import MessageTooLongError

GO_WAKU_LIMIT: Final = 150_000
"""Bytes of a message that go-waku takes, as it comes."""

NWAKU_LIMIT: Final = 153_600
"""Bytes of a message that nwaku takes, as it comes (64/WAKU2-NETWORK)."""

STATUS_LIMIT: Final = 1024 * 1024
"""Bytes of a message that the nodes of Status take."""

MAX_META_LENGTH: Final = 64
"""Bytes in ``meta``, at most."""

_INT64 = 1 << 63
_UINT32 = 1 << 32
_VERSION, _TIMESTAMP, _EPHEMERAL = 3, 10, 31  # the fields that are numbers


@dataclass(frozen=True, slots=True)
class WakuMessage:
    """A message as it is on the network; what it does not say is None.

    ``timestamp`` is the sender's time (nanoseconds, UTC epoch), ``version`` the form of the payload
    (1: encrypted as 26/WAKU2-PAYLOAD says). Nodes do not keep what is ``ephemeral``. Raises
    ``ValueError`` for numbers and characters that no message can have.
    """

    payload: bytes
    content_topic: str
    version: int | None = None
    timestamp: int | None = None
    meta: bytes | None = None
    ephemeral: bool | None = None

    def __post_init__(self) -> None:
        self.content_topic.encode()
        if not 0 <= (self.version or 0) < _UINT32:
            raise ValueError(f"the version {self.version} is out of range")
        if not -_INT64 <= (self.timestamp or 0) < _INT64:
            raise ValueError(f"the timestamp {self.timestamp} is out of range")

    def hash(self, pubsub_topic: str) -> bytes:
        """The deterministic hash (32 bytes), by which nodes know a message.

        A missing timestamp counts as zero, as go-waku and nwaku have it. js-waku leaves it out; so
        every message of ours has one.
        """
        timestamp = (self.timestamp or 0).to_bytes(8, "big", signed=True)
        topic = self.content_topic.encode()
        hashed = b"".join((pubsub_topic.encode(), self.payload, topic, self.meta or b"", timestamp))
        return sha256(hashed).digest()

    def encode(self) -> bytes:
        """The message in protobuf, fields in the order of their numbers."""
        encoded = field(1, self.payload) if self.payload else b""
        if self.content_topic:
            encoded += field(2, self.content_topic.encode())
        if self.version is not None:
            encoded += _number(_VERSION, self.version)
        if self.timestamp is not None:
            zigzag = self.timestamp << 1 if self.timestamp >= 0 else ~(self.timestamp << 1)
            encoded += _number(_TIMESTAMP, zigzag)
        if self.meta is not None:
            encoded += field(11, self.meta)
        if self.ephemeral is not None:
            encoded += _number(_EPHEMERAL, int(self.ephemeral))
        return encoded

    def check(self, limit: int) -> None:
        """Raise unless nodes whose limit is so many bytes take the message, and keep its hash.

        ``MessageTooLongError`` when it is longer, encoded; ``ValueError`` when it has no payload,
        content topic or timestamp, or too long a ``meta``.
        """
        if not self.payload or not self.content_topic:
            raise ValueError("a message without payload or content topic goes nowhere")
        if not self.timestamp:
            raise ValueError("a message without timestamp has several hashes")
        if len(self.meta or b"") > MAX_META_LENGTH:
            raise ValueError(f"meta is longer than {MAX_META_LENGTH} bytes")
        size = len(self.encode())
        if size > limit:
            raise MessageTooLongError(
                f"a message of {size} bytes is longer than {limit}, which nodes take at most"
            )


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)
