"""One message, as an archive holds it.

It is what a node received *after* the transport's encryption was taken off: the payload may still
be encrypted for the community, and is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from workflow.errors import ArchiveInvalidError

if TYPE_CHECKING:
    from workflow.archive.pb.waku_message_archive_pb2 import WakuMessage

_FIELDS: Final = attrgetter("timestamp", "topic", "payload", "sig", "third_party_id")


class EncodedMessage(NamedTuple):
    """A message ready to be stored and archived, with all that is asked of it without parsing.

    ``time`` is in seconds, ``digest`` the SHA-256 of ``encoded``: our own key against duplicates.
    The message's ``hash`` would not do: it is a claim, and whoever writes an archive could give
    one message the hash of another to suppress it. ``weight`` is what it counts towards the limit
    of an archive (bytes of payload and sig), ``origin`` its id in the network that it came from,
    None for a message of our own network.
    """

    time: int
    topic: bytes
    encoded: bytes
    digest: bytes
    weight: int
    origin: str | None

    @classmethod
    def of(cls, parsed: Iterable[WakuMessage], encoded: Iterable[bytes]) -> list[Self]:
        """The messages in WakuMessages, and what these are serialized to without unknown fields."""
        return list(
            map(
                partial(tuple.__new__, cls),  # As they come by the 100,000: half of _make's time.
                [
                    (time, topic, one, sha256(one).digest(), len(payload) + len(sig), id or None)
                    for (time, topic, payload, sig, id), one in zip(
                        map(_FIELDS, parsed), encoded, strict=True
                    )
                ],
            )
        )


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """The specification's WakuMessage of an archive (not the one of the message protocol).

    ``sig`` is not a signature: it is the sender's 65-byte uncompressed public key, recovered from
    one. ``timestamp`` is in seconds, ``topic`` has 4 bytes, ``hash`` is the 32-byte deterministic
    message hash, and ``third_party_id`` is empty unless the message came from another network.
    """

    sig: bytes
    timestamp: int
    topic: bytes
    payload: bytes
    padding: bytes
    hash: bytes
    third_party_id: str = ""

    @property
    def weight(self) -> int:
        """What the message counts towards the limit of an archive, in bytes."""
        return len(self.payload) + len(self.sig)

    def encode(self) -> bytes:
        """The message in protobuf: fields in the order of their numbers, empty ones left out."""
        return self._parsed().SerializeToString()

    def packed(self) -> EncodedMessage:
        """The message with what the store wants to know of it."""
        parsed = self._parsed()
        return EncodedMessage.of([parsed], [parsed.SerializeToString()])[0]

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The message that ``encode`` gave. Raises ``ArchiveInvalidError``."""
        from google.protobuf.message import DecodeError  # noqa: PLC0415 - as the next: slow to load.

        from workflow.archive.pb.waku_message_archive_pb2 import WakuMessage  # noqa: PLC0415

        try:
            return cls.of(WakuMessage.FromString(encoded))
        except DecodeError as error:
            raise ArchiveInvalidError(f"not an archived message: {error}") from error

    @classmethod
    def of(cls, parsed: WakuMessage) -> Self:
        """The message in a parsed WakuMessage."""
        return cls(
            parsed.sig,
            parsed.timestamp,
            parsed.topic,
            parsed.payload,
            parsed.padding,
            parsed.hash,
            parsed.third_party_id,
        )

    def _parsed(self) -> WakuMessage:
        from workflow.archive.pb.waku_message_archive_pb2 import WakuMessage  # noqa: PLC0415

        return WakuMessage(
            sig=self.sig,
            timestamp=self.timestamp,
            topic=self.topic,
            payload=self.payload,
            padding=self.padding,
            hash=self.hash,
            third_party_id=self.third_party_id,
        )
