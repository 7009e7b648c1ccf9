"""One function each way: a message between nodes of ours <-> what the Waku network carries.

From the inside out, a message is signed for the community (``workflow.archive.envelope``), wrapped
as the encryption layer leaves what it does not encrypt, signed by the account that sends it, and
encrypted for the chat. The innermost bytes go through all of it as they are: to send again is to
seal the same bytes again, and everything around them is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from workflow.archive.wire import field
from workflow.waku.chats import Chat
from workflow.waku.message import WakuMessage
from workflow.waku.payload import VERSION, decode, decrypt, encode, encrypt
from workflow.waku.refusal import Refusal

_INSTALLATION_ID, _PUBLIC_MESSAGE = 2, 102  # of a ProtocolMessage


class Sealed(NamedTuple):
    """A message that wants only its time. Each of them is different, however often it is sealed."""

    content_topic: str
    version: int
    payload: bytes

    def stamped(self, timestamp: int) -> WakuMessage:
        """The message as it is sent at this time (nanoseconds, UTC epoch), in all its fields.

        A node keeps no message whose time is more than 20 seconds off, and passes none on twice:
        so each sending is sealed and stamped anew.
        """
        return WakuMessage(
            payload=self.payload,
            content_topic=self.content_topic,
            version=self.version,
            timestamp=timestamp,
            meta=b"",
            ephemeral=False,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A message of a chat, as it came out; archives hold it in this form.

    ``payload`` may still be wrapped, or a segment of a longer one. ``sender`` is the public key of
    the account that sent it, uncompressed (65 bytes): not who signed what is inside. ``padding`` is
    the random bytes around it.
    """

    chat: Chat
    sender: bytes
    payload: bytes
    padding: bytes


def wrap(message: bytes, installation_id: str) -> bytes:
    """A signed message in the encryption layer's wrapper, not encrypted.

    ``installation_id`` tells one device of an account from another. status-go adds a bundle of
    keys, with which others could begin an encrypted talk; nobody here would answer.
    """
    return field(_INSTALLATION_ID, installation_id.encode()) + field(_PUBLIC_MESSAGE, message)


def seal(
    chat: Chat,
    message: bytes,
    sign_digest: Callable[[bytes], bytes],
    random: Callable[[int], bytes],
    installation_id: str | None = None,
) -> Sealed:
    """A signed message for everybody who knows the chat.

    It is wrapped when there is an ``installation_id``; descriptions go without. ``sign_digest``
    signs for the account that sends (a 32-byte Keccak-256 -> 65 bytes r || s || v, v is 0 or 1);
    ``random`` is asked for so many bytes that nobody can guess, twice. Raises ``ValueError`` when
    either answers otherwise, and for 16 MiB or more.
    """
    data = message if installation_id is None else wrap(message, installation_id)
    plaintext = encode(data, random, sign_digest)
    return Sealed(chat.content_topic, VERSION, encrypt(chat.key, plaintext, random))


def open_sealed(message: WakuMessage, chats: Iterable[Chat]) -> Opened | Refusal:
    """The message in ``message``, of the one of these chats that it was sealed for; or why not.

    Tries the key of each chat that has the message's topic. What nobody signed is refused, as in
    status-go.
    """
    if message.version != VERSION:
        return Refusal.OTHER_VERSION
    refusal = Refusal.OTHER_CHAT
    for chat in chats:
        if chat.content_topic != message.content_topic:
            continue
        plaintext = decrypt(chat.key, message.payload)
        if isinstance(plaintext, Refusal):
            refusal = plaintext
            continue
        decoded = decode(plaintext)
        if isinstance(decoded, Refusal):
            return decoded
        if decoded.sender is None:
            return Refusal.UNSIGNED
        return Opened(chat, decoded.sender, decoded.data, decoded.padding)
    return refusal
