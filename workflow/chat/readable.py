"""What a message of an archive says.

Read is everything that people say in a channel: words, pictures, recordings, what was imported,
and the edits, deletions, pins and reactions that come after it. Whatever the bytes are, the answer
is a ``Post`` or an ``Unreadable``; nothing is raised, and no more work is done than the length of
the message allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from coincurve import PublicKey
from google.protobuf.message import DecodeError

from workflow.archive.codec import MAX_CHUNK_WEIGHT
from workflow.archive.hashing import keccak256
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.application_metadata_message_pb2 import ApplicationMetadataMessage
from workflow.archive.pb.chat_message_pb2 import (
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    PinMessage,
)
from workflow.archive.wire import WireError, fields
from workflow.chat.post import (
    DEFAULT,
    DELETE,
    EDIT,
    MAX_ID_LENGTH,
    MAX_TIME_MS,
    PINNED,
    REACTION,
    REPLY,
    RETRACTED,
    UNPINNED,
    Attachment,
    Author,
    Post,
    Reference,
)

Reason = Literal[
    "encrypted",  # for the members of the community, or of the channel
    "too long",  # longer than any message of an archive may be
    "segmented",  # one part of a longer message
    "unsigned",  # nobody's signature, or a malformed one
    "not a chat message",  # of a type that shows nothing in a channel
    "forged import",  # names a foreign author, but is not signed by its community
    "malformed",
]

MAX_ATTACHMENTS: Final = 1000
"""The most fields, and so attachments, of an import that is read; Discord allows ten."""

_CHAT_MESSAGE, _EMOJI_REACTION, _PIN_MESSAGE, _EDIT_MESSAGE, _DELETE_MESSAGE = 1, 22, 28, 29, 31
_SEGMENT_PAYLOAD = 4  # of a SegmentMessage; the signed envelope has no such field
_ENCRYPTED_MESSAGE, _PUBLIC_MESSAGE = 101, 102  # of a ProtocolMessage
_DISCORD_MESSAGE = 99  # of a ChatMessage
_MAX_FIELDS = 64
_MAX_SIZE = (1 << 63) - 1  # what an export can be read with
_SIGNATURE_LENGTH = 65
_ID_LENGTH = 68  # of a community's id: 0x and 33 bytes in hexadecimal
_TOLERANCE_MS = 60_000  # between a sender's clock and the second that the archive tells
_EMOJI = ("", "\u2764\ufe0f", "\U0001f44d", "\U0001f44e", "\U0001f602", "\U0001f622", "\U0001f621")
_IMAGE_TYPES = {1: "png", 2: "jpeg", 3: "webp", 4: "gif"}
_AUDIO_TYPES = {1: "aac", 2: "amr"}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a message of an archive cannot be shown."""

    reason: Reason


def post_of(message: ArchivedMessage) -> Post | Unreadable:
    """The post in a message, or why there is none.

    Its ``channel`` is the chat id that the message claims; the caller compares it with those of
    the community. The author of an ordinary message is the key that signed it. A foreign author
    is believed only when the community in the chat id signed for it, and ids of that community
    are then without the community's id in front, as they were before the import.
    """
    if len(message.payload) > MAX_CHUNK_WEIGHT:
        return Unreadable("too long")
    try:
        return _opened(message)
    except (WireError, DecodeError):
        return Unreadable("malformed")


@dataclass(frozen=True, slots=True)
class _Signed:
    """A message's envelope after its signature was checked."""

    message: ArchivedMessage
    signer: PublicKey
    envelope: bytes

    @property
    def id(self) -> str:
        """What others call the message by that is in this envelope."""
        return "0x" + keccak256(self.signer.format(compressed=False) + self.envelope).hex()

    def post(
        self, chat_id: str, clock: int, kind: str, *, text: str = "", target: str = ""
    ) -> Post:
        """A post of the signer, whose target is the message ``target``."""
        return Post(
            self.own_id(chat_id, self.id, self.message.third_party_id),
            chat_id,
            Author("0x" + self.signer.format(compressed=False).hex()),
            self.time_ms(clock),
            text,
            kind,
            Reference(self.own_id(chat_id, target, target)) if target else None,
        )

    def own_id(self, chat_id: str, id: str, local_id: str) -> str:
        """``local_id`` without the community's id if the community signed, otherwise ``id``."""
        community_id = chat_id[:_ID_LENGTH]
        if self.is_signed_by(community_id) and local_id.startswith(community_id):
            return local_id[_ID_LENGTH:] or id
        return id

    def is_signed_by(self, community_id: str) -> bool:
        return community_id == "0x" + self.signer.format().hex()

    def time_ms(self, *claims: int) -> int:
        """The first claim that fits the archive's seconds, which were checked, or else these."""
        stated = self.message.timestamp * 1000
        fitting = (time for time in claims if abs(time - stated) < _TOLERANCE_MS)
        return min(next(fitting, stated), MAX_TIME_MS)


def _opened(message: ArchivedMessage) -> Post | Unreadable:
    envelope = message.payload
    found = _few_fields(envelope)
    if _PUBLIC_MESSAGE in found:
        envelope = envelope[found[_PUBLIC_MESSAGE]]
        found = _few_fields(envelope)
    elif _ENCRYPTED_MESSAGE in found:
        return Unreadable("encrypted")
    if _SEGMENT_PAYLOAD in found:
        return Unreadable("segmented")
    if message.timestamp * 1000 > MAX_TIME_MS:
        return Unreadable("malformed")
    opened = ApplicationMetadataMessage.FromString(envelope)
    if opened.type not in _READERS:
        return Unreadable("not a chat message")
    signer = _recovered(opened.signature, opened.payload)
    if signer is None:
        return Unreadable("unsigned")
    return _READERS[opened.type](_Signed(message, signer, envelope), opened.payload)


def _few_fields(data: bytes) -> dict[int, slice]:
    """Where the outermost fields lie; of one that comes twice, the last."""
    return {number: slice(start, end) for number, start, end in fields(data, at_most=_MAX_FIELDS)}


def _recovered(signature: bytes, payload: bytes) -> PublicKey | None:
    if len(signature) != _SIGNATURE_LENGTH:
        return None
    try:
        return PublicKey.from_signature_and_message(signature, keccak256(payload), hasher=None)
    except ValueError:
        return None


def _read_chat(signed: _Signed, payload: bytes) -> Post | Unreadable:
    for number, start, end in fields(payload, at_most=_MAX_FIELDS):
        if number == _DISCORD_MESSAGE:
            for _ in fields(payload[start:end], at_most=MAX_ATTACHMENTS):
                pass
    chat = ChatMessage.FromString(payload)
    if chat.HasField("discord_message"):
        return _read_import(signed, chat)
    post = signed.post(
        chat.chat_id,
        chat.clock,
        REPLY if chat.response_to else DEFAULT,
        text=chat.text,
        target=chat.response_to,
    )
    return replace(
        post,
        author=Author(post.author.id, chat.display_name or chat.ens_name),
        time_ms=signed.time_ms(chat.clock, chat.timestamp),
        attachments=_inline(chat),
    )


def _inline(chat: ChatMessage) -> tuple[Attachment, ...]:
    """The picture or recording that is the message itself."""
    if chat.HasField("image"):
        kind, known, content = "image", _IMAGE_TYPES.get(chat.image.type), chat.image.payload
    elif chat.HasField("audio"):
        kind, known, content = "audio", _AUDIO_TYPES.get(chat.audio.type), chat.audio.payload
    else:
        return ()
    content_type = f"{kind}/{known}" if known else ""
    return (
        Attachment(
            "0", f"{kind}.{known or 'bin'}", len(content), content_type, "", content or None
        ),
    )


def _read_import(signed: _Signed, chat: ChatMessage) -> Post | Unreadable:
    if not signed.is_signed_by(chat.chat_id[:_ID_LENGTH]):
        return Unreadable("forged import")
    said = chat.discord_message
    if not 0 < len(said.id) <= MAX_ID_LENGTH:
        return Unreadable("malformed")
    author = said.author
    reference = said.reference
    return Post(
        said.id,
        chat.chat_id,
        Author(author.id, author.name, author.nickname, author.discriminator, author.avatar_url),
        signed.time_ms(chat.clock, chat.timestamp),
        said.content,
        said.type or DEFAULT,
        Reference(reference.message_id, reference.channel_id, reference.guild_id)
        if said.HasField("reference")
        else None,
        _edited_ms(said.timestamp_edited),
        tuple(
            Attachment(
                each.id,
                each.file_name,
                min(each.file_size_bytes, _MAX_SIZE),
                each.content_type,
                each.url,
                each.payload or None,
            )
            for each in said.attachments
        ),
    )


def _edited_ms(seconds: str) -> int | None:
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= len(str(MAX_TIME_MS))):
        return None
    return min(int(seconds) * 1000, MAX_TIME_MS)


def _read_pin(signed: _Signed, payload: bytes) -> Post:
    pin = PinMessage.FromString(payload)
    kind = PINNED if pin.pinned else UNPINNED
    return signed.post(pin.chat_id, pin.clock, kind, target=pin.message_id)


def _read_edit(signed: _Signed, payload: bytes) -> Post:
    edit = EditMessage.FromString(payload)
    return signed.post(edit.chat_id, edit.clock, EDIT, text=edit.text, target=edit.message_id)


def _read_delete(signed: _Signed, payload: bytes) -> Post:
    delete = DeleteMessage.FromString(payload)
    return signed.post(delete.chat_id, delete.clock, DELETE, target=delete.message_id)


def _read_reaction(signed: _Signed, payload: bytes) -> Post:
    reaction = EmojiReaction.FromString(payload)
    emoji = _EMOJI[reaction.type] if reaction.type < len(_EMOJI) else ""
    kind = RETRACTED if reaction.retracted else REACTION
    return signed.post(
        reaction.chat_id, reaction.clock, kind, text=emoji, target=reaction.message_id
    )


_READERS: Final[dict[int, Callable[[_Signed, bytes], Post | Unreadable]]] = {
    _CHAT_MESSAGE: _read_chat,
    _EMOJI_REACTION: _read_reaction,
    _PIN_MESSAGE: _read_pin,
    _EDIT_MESSAGE: _read_edit,
    _DELETE_MESSAGE: _read_delete,
}
