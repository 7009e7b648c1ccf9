"""The signed envelope of a community's messages.

What is signed is the hash of the exact payload bytes, and the signer is recovered from signature
and payload; nobody is named. So a reader opens the envelope first, learns *who* signed, and
compares that key with the community's. A reader is strict about the form, of the signature and of
the envelope around it: with a second valid form anybody could make a second valid message of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey
from google.protobuf.message import DecodeError

from workflow.archive.hashing import keccak256
from workflow.archive.pb.application_metadata_message_pb2 import ApplicationMetadataMessage
from workflow.archive.wire import WireError, fields
from workflow.errors import AnnouncementInvalidError

MAX_MESSAGE_LENGTH: Final = 1024 * 1024
"""Bytes in a whole message, at most: the limit of the network that carries it."""

SIGNATURE_LENGTH: Final = 65
"""Bytes in a signature: r (32), s (32), v (1)."""

_PUBLIC_MESSAGE = 102  # of a ProtocolMessage, the wrapper that status-go sends
_MAX_FIELDS = 64
_HALF_OF_CURVE_ORDER: Final = (
    0x7FFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_5D576E73_57A4501D_DFE92F46_681B20A0
)


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message whose signature holds.

    ``signer`` is a compressed public key (33 bytes), to be compared with the community's.
    ``message`` is the signed message itself, without wrapper, and ``id`` its specified message id:
    ``0x`` and the Keccak-256 of the signer's uncompressed key and the message.
    """

    signer: bytes
    payload: bytes
    message: bytes
    id: str


def seal(
    payload: bytes,
    kind: ApplicationMetadataMessage.Type.ValueType,
    sign_digest: Callable[[bytes], bytes],
) -> bytes:
    """The payload in its envelope, ready to be sent.

    ``sign_digest`` is given the 32-byte Keccak-256 of the payload, and answers with the 65-byte
    secp256k1 signature r || s || v (v is 0 or 1, s in the lower half). Raises
    ``AnnouncementInvalidError`` for a signature that no reader would accept.
    """
    signature = sign_digest(keccak256(payload))
    _check_signature(signature)
    return ApplicationMetadataMessage(
        signature=signature, payload=payload, type=kind
    ).SerializeToString()


def open_envelope(
    data: bytes, kind: ApplicationMetadataMessage.Type.ValueType, what: str
) -> SignedMessage:
    """The payload in a message of this kind (``what``, in errors), and who signed it.

    The message may come in the wrapper of the encryption layer, unencrypted. Raises
    ``AnnouncementInvalidError`` for more than 1 MiB, another form or type, and a signature that is
    missing or not in its only form.
    """
    if len(data) > MAX_MESSAGE_LENGTH:
        raise AnnouncementInvalidError(
            f"a message of {len(data)} bytes is longer than {MAX_MESSAGE_LENGTH}"
        )
    try:
        message = _unwrapped(data)
        envelope = ApplicationMetadataMessage.FromString(message)
    except (WireError, DecodeError) as error:
        raise AnnouncementInvalidError(f"not {what}: {error}") from error
    if envelope.type != kind:
        raise AnnouncementInvalidError(f"a message of type {envelope.type} is not {what}")
    signer = _recover(envelope.signature, envelope.payload)
    only_form = ApplicationMetadataMessage(
        signature=envelope.signature, payload=envelope.payload, type=kind
    ).SerializeToString()
    if message != only_form:
        raise AnnouncementInvalidError(f"the envelope of {what} has not its only form")
    message_id = keccak256(signer.format(compressed=False) + message)
    return SignedMessage(signer.format(), envelope.payload, message, "0x" + message_id.hex())


def _unwrapped(data: bytes) -> bytes:
    for number, start, end in fields(data, at_most=_MAX_FIELDS):
        if number == _PUBLIC_MESSAGE:
            return data[start:end]
    return data


def _check_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_LENGTH:
        raise AnnouncementInvalidError(
            f"a signature of {len(signature)} bytes has not {SIGNATURE_LENGTH}"
        )
    if signature[64] not in (0, 1):
        raise AnnouncementInvalidError(f"the signature's v is {signature[64]}, neither 0 nor 1")
    if int.from_bytes(signature[32:64], "big") > _HALF_OF_CURVE_ORDER:
        raise AnnouncementInvalidError("the signature's s is in the upper half, so it has a twin")


def _recover(signature: bytes, payload: bytes) -> PublicKey:
    _check_signature(signature)
    try:
        return PublicKey.from_signature_and_message(signature, keccak256(payload), hasher=None)
    except ValueError as error:
        raise AnnouncementInvalidError("the signature is not on the curve") from error
