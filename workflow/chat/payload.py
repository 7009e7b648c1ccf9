"""A post as the signed message that archives hold.

It is the form of an import: the community's key signs a message that carries a DiscordMessage, the
only form in which somebody else is the author. It has no other wrapper and is not encrypted. The
specification's importer knows seconds only; here the milliseconds are kept, in ``clock`` alone,
because that is what readers order by. So a post of a whole second has the very bytes that
status-go writes, and the others differ in that one number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from coincurve import PublicKey

from workflow.archive.codec import MAX_CHUNK_WEIGHT
from workflow.archive.hashing import keccak256
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.chat_message_pb2 import (
    ChatMessage,
    DiscordMessage,
    DiscordMessageAttachment,
    DiscordMessageAuthor,
    DiscordMessageReference,
    PinMessage,
)
from workflow.archive.wire import field, varint
from workflow.chat.post import PINNED, Post, clean
from workflow.errors import ExportInvalidError, MalformedIdError
from workflow.waku.chats import topic_of

_CHAT_MESSAGE, _PIN_MESSAGE = 1, 28
_SIGNATURE, _PAYLOAD, _TYPE = 1, 2, 3  # of the signed envelope
_COMMUNITY_CHAT = 5
_DISCORD_CONTENT = 12


def archived(
    post: Post,
    community_id: str,
    chat_id: str,
    sign_digest: Callable[[bytes], bytes],
    *,
    reply_is_known: bool = True,
) -> ArchivedMessage:
    """The post as a message of the community's channel ``chat_id``.

    ``sign_digest`` is given 32 bytes and answers with the community's 65-byte recoverable
    signature. A reply leads to the message it replies to when that is known to be imported too. A
    pin becomes the specification's pin, which has no author. Times of editing keep their seconds.
    The message's ``third_party_id`` is the community's id followed by the post's: equal for equal
    posts, however often they are imported.

    Raises ``MalformedIdError`` for a community id that is no public key, and
    ``ExportInvalidError`` for a post that is heavier than an archive can hold.
    """
    sig = _public_key(community_id)
    local_id = community_id + clean(post.id)
    seconds = post.time_ms // 1000
    if post.kind == PINNED:
        type, content = _PIN_MESSAGE, _pin(post, community_id, chat_id)
    else:
        type, content = _CHAT_MESSAGE, _chat_message(post, community_id, chat_id, reply_is_known)
    signature = sign_digest(keccak256(content))
    payload = (
        field(_SIGNATURE, signature) + field(_PAYLOAD, content) + varint(_TYPE << 3) + varint(type)
    )
    weight = len(payload) + len(sig)
    if weight > MAX_CHUNK_WEIGHT:
        raise ExportInvalidError(
            f"a message of {weight} bytes is heavier than {MAX_CHUNK_WEIGHT}",
            place=f"message {post.id}",
            remedy="Leave out its attachments.",
        )
    hashed = community_id.encode() + payload if type == _PIN_MESSAGE else local_id.encode()
    return ArchivedMessage(
        sig, seconds, topic_of(chat_id), payload, b"\x01", keccak256(hashed), local_id
    )


@lru_cache(maxsize=16)
def _public_key(community_id: str) -> bytes:
    """The community's uncompressed public key, 65 bytes."""
    try:
        key = PublicKey(bytes.fromhex(community_id.removeprefix("0x")))
    except ValueError as error:
        raise _no_id(community_id) from error
    if community_id != "0x" + key.format().hex():
        raise _no_id(community_id)
    return key.format(compressed=False)


def _no_id(community_id: str) -> MalformedIdError:
    return MalformedIdError(
        "not a community's id",
        place=community_id[:100],
        remedy="Give 0x and the 66 lower-case digits of its compressed public key.",
    )


def _pin(post: Post, community_id: str, chat_id: str) -> bytes:
    return PinMessage(
        clock=post.time_ms,
        message_id=community_id + clean(post.reply_to),
        chat_id=chat_id,
        pinned=True,
        message_type=_COMMUNITY_CHAT,
    ).SerializeToString()


def _chat_message(post: Post, community_id: str, chat_id: str, reply_is_known: bool) -> bytes:
    seconds = post.time_ms // 1000
    linked = reply_is_known and post.reply_to
    return ChatMessage(
        clock=post.time_ms,
        timestamp=seconds * 1000,
        chat_id=chat_id,
        message_type=_COMMUNITY_CHAT,
        content_type=_DISCORD_CONTENT,
        response_to=community_id + clean(post.reply_to) if linked else "",
        discord_message=_discord_message(post, seconds),
    ).SerializeToString()


def _discord_message(post: Post, seconds: int) -> DiscordMessage:
    author, reference = post.author, post.reference
    return DiscordMessage(
        id=clean(post.id),
        type=clean(post.kind),
        timestamp=str(seconds),
        timestamp_edited="" if post.edited_ms is None else str(post.edited_ms // 1000),
        content=clean(post.text),
        author=DiscordMessageAuthor(
            id=clean(author.id),
            name=clean(author.name),
            discriminator=clean(author.discriminator),
            nickname=clean(author.nickname),
            avatar_url=clean(author.avatar_url),
        ),
        reference=None
        if reference is None
        else DiscordMessageReference(
            message_id=clean(reference.message),
            channel_id=clean(reference.channel),
            guild_id=clean(reference.guild),
        ),
        attachments=[
            DiscordMessageAttachment(
                id=clean(each.id),
                message_id=clean(post.id),
                url=clean(each.url),
                file_name=clean(each.name),
                file_size_bytes=each.size,
                content_type=clean(each.content_type),
                payload=each.payload or b"",
            )
            for each in post.attachments
        ],
    )
