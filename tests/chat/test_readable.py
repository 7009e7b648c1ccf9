"""What the messages of an archive say. Strangers wrote them."""

from __future__ import annotations

from typing import Any

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.sample_posts import CHAT_ID, COMMUNITY_ID, COMMUNITY_KEY, sign_digest
from workflow.archive.hashing import keccak256
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.chat_message_pb2 import (
    AudioMessage,
    ChatMessage,
    DeleteMessage,
    DiscordMessage,
    DiscordMessageAuthor,
    EditMessage,
    EmojiReaction,
    ImageMessage,
    PinMessage,
)
from workflow.archive.wire import field, varint
from workflow.chat.payload import archived
from workflow.chat.post import Attachment, Author, Post, Reference
from workflow.chat.readable import Unreadable, post_of

MEMBER_KEY = PrivateKey.from_int(7)
MEMBER = "0x" + MEMBER_KEY.public_key.format(compressed=False).hex()
SECONDS = 1_700_000_000
TIME_MS = SECONDS * 1000 + 250
TARGET = "0x" + "ab" * 32
ABOUT: dict[str, Any] = {"clock": TIME_MS, "chat_id": CHAT_ID, "message_id": TARGET}


def envelope(content: bytes, type_: int = 1, key: PrivateKey = MEMBER_KEY) -> bytes:
    signature = key.sign_recoverable(keccak256(content), hasher=None)
    return field(1, signature) + field(2, content) + b"\x18" + varint(type_)


def message(payload: bytes, seconds: int = SECONDS, third_party_id: str = "") -> ArchivedMessage:
    return ArchivedMessage(b"", seconds, bytes(4), payload, b"", bytes(32), third_party_id)


def chat(**more: object) -> ChatMessage:
    said = ChatMessage(clock=TIME_MS, timestamp=TIME_MS, chat_id=CHAT_ID, content_type=1)
    said.MergeFrom(ChatMessage(**more))  # type: ignore[arg-type]  # fields by name
    return said


def read(said: ChatMessage, key: PrivateKey = MEMBER_KEY) -> Post | Unreadable:
    return post_of(message(envelope(said.SerializeToString(), key=key)))


def id_of(payload: bytes) -> str:
    return "0x" + keccak256(bytes.fromhex(MEMBER[2:]) + payload).hex()


HELLO = envelope(chat(text="hello", display_name="Ann").SerializeToString())


class TestWords:
    def test_a_text_is_its_signers(self) -> None:
        assert post_of(message(HELLO)) == Post(
            id_of(HELLO), CHAT_ID, Author(MEMBER, "Ann"), TIME_MS, "hello"
        )

    def test_the_wrapper_changes_nothing(self) -> None:
        wrapped = field(2, b"installation") + field(3, b"bundle") + field(102, HELLO)
        assert post_of(message(wrapped)) == post_of(message(HELLO))

    def test_a_reply_names_what_it_replies_to(self) -> None:
        post = read(chat(text="yes", response_to=TARGET))
        assert isinstance(post, Post)
        assert (post.kind, post.reference) == ("Reply", Reference(TARGET))

    def test_the_ens_name_stands_in_for_a_name(self) -> None:
        post = read(chat(ens_name="ann.eth"))
        assert isinstance(post, Post)
        assert post.author == Author(MEMBER, "ann.eth")

    @pytest.mark.parametrize(
        ("more", "attachment"),
        [
            (
                {"image": ImageMessage(payload=b"abc", type=2)},
                Attachment("0", "image.jpeg", 3, "image/jpeg", "", b"abc"),
            ),
            (
                {"image": ImageMessage(payload=b"abc", type=99)},
                Attachment("0", "image.bin", 3, "", "", b"abc"),
            ),
            (
                {"audio": AudioMessage(payload=b"ab", type=1)},
                Attachment("0", "audio.aac", 2, "audio/aac", "", b"ab"),
            ),
            ({"image": ImageMessage()}, Attachment("0", "image.bin")),
        ],
    )
    def test_a_picture_or_recording_is_attached(
        self, more: dict[str, object], attachment: Attachment
    ) -> None:
        post = read(chat(**more))
        assert isinstance(post, Post)
        assert post.attachments == (attachment,)


class TestTimes:
    @pytest.mark.parametrize(
        ("clock", "timestamp", "time_ms"),
        [
            (TIME_MS, 0, TIME_MS),
            (1, TIME_MS, TIME_MS),  # clocks may be mere counters
            (1, 2, SECONDS * 1000),
            (2**64 - 1, 2**64 - 1, SECONDS * 1000),  # nobody can write from the far future
            (TIME_MS + 59_000, 0, TIME_MS + 59_000),
            (TIME_MS + 60_000, 0, SECONDS * 1000),
        ],
    )
    def test_claims_are_held_against_the_archives_seconds(
        self, clock: int, timestamp: int, time_ms: int
    ) -> None:
        said = ChatMessage(clock=clock, timestamp=timestamp, chat_id=CHAT_ID)
        post = read(said)
        assert isinstance(post, Post)
        assert post.time_ms == time_ms

    def test_no_time_lies_after_the_year_9999(self) -> None:
        last = 253_402_300_799
        said = ChatMessage(clock=last * 1000 + 30_000).SerializeToString()
        post = post_of(message(envelope(said), last))
        assert isinstance(post, Post)
        assert post.time_ms == last * 1000 + 999
        assert post_of(message(envelope(said), last + 1)) == Unreadable("malformed")


class TestWhatComesAfter:
    @pytest.mark.parametrize(
        ("type_", "content", "kind", "text"),
        [
            (29, EditMessage(text="new", **ABOUT), "Edit", "new"),
            (31, DeleteMessage(**ABOUT), "Delete", ""),
            (28, PinMessage(**ABOUT, pinned=True), "ChannelPinnedMessage", ""),
            (28, PinMessage(**ABOUT), "Unpin", ""),
            (22, EmojiReaction(**ABOUT, type=2), "Reaction", "👍"),
            (22, EmojiReaction(**ABOUT, type=9), "Reaction", ""),
            (22, EmojiReaction(**ABOUT, type=1, retracted=True), "ReactionRemoved", "❤️"),
        ],
    )
    def test_it_names_the_message_that_it_is_about(
        self, type_: int, content: EditMessage, kind: str, text: str
    ) -> None:
        payload = envelope(content.SerializeToString(), type_)
        assert post_of(message(payload)) == Post(
            id_of(payload), CHAT_ID, Author(MEMBER), TIME_MS, text, kind, Reference(TARGET)
        )

    def test_without_a_target_there_is_no_reference(self) -> None:
        post = post_of(message(envelope(DeleteMessage(chat_id=CHAT_ID).SerializeToString(), 31)))
        assert isinstance(post, Post)
        assert post.reference is None


class TestImports:
    SAID = chat(discord_message=DiscordMessage(id="5", author=DiscordMessageAuthor(name="bob")))

    def test_the_community_may_name_another_author(self) -> None:
        assert read(self.SAID, COMMUNITY_KEY) == Post(
            "5", CHAT_ID, Author("", "bob"), TIME_MS, kind="Default"
        )

    def test_nobody_else_may(self) -> None:
        assert read(self.SAID) == Unreadable("forged import")

    def test_nobody_else_chooses_ids_either(self) -> None:
        payload = envelope(PinMessage(chat_id=CHAT_ID, message_id="x").SerializeToString(), 28)
        post = post_of(message(payload, third_party_id=COMMUNITY_ID + "5"))
        assert isinstance(post, Post)
        assert post.id == id_of(payload)

    @pytest.mark.parametrize("id_", ["", "x" * 201])
    def test_an_import_has_an_id(self, id_: str) -> None:
        said = chat(discord_message=DiscordMessage(id=id_, content="hello"))
        assert read(said, COMMUNITY_KEY) == Unreadable("malformed")

    @pytest.mark.parametrize(
        ("edited", "time_ms"),
        [("12", 12_000), ("", None), ("soon", None), ("-1", None), ("²", None), ("9" * 5000, None)],
    )
    def test_a_time_of_editing_is_seconds(self, edited: str, time_ms: int | None) -> None:
        said = chat(discord_message=DiscordMessage(id="5", timestamp_edited=edited))
        post = read(said, COMMUNITY_KEY)
        assert isinstance(post, Post)
        assert post.edited_ms == time_ms


class TestUnreadable:
    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"", "not a chat message"),
            (b"\xff" * 20, "malformed"),
            (field(1, b"x") * 65, "malformed"),
            (field(2, b"installation") + field(101, b"\x0a\x04none"), "encrypted"),
            (field(1, bytes(32)) + b"\x10\x01\x18\x02" + field(4, HELLO), "segmented"),
            (field(102, field(4, b"part")), "segmented"),
            (envelope(b"", 43), "not a chat message"),
            (envelope(b"", 0), "not a chat message"),
            (field(2, b"") + b"\x18\x01", "unsigned"),
            (field(1, bytes(64)) + b"\x18\x01", "unsigned"),
            (field(1, bytes(65)) + b"\x18\x01", "unsigned"),
            (field(1, b"\x01" * 64 + b"\x09") + b"\x18\x01", "unsigned"),
            (envelope(b"\x08"), "malformed"),
            (envelope(field(3, b"\xff")), "malformed"),  # a text that is not UTF-8
            (envelope(field(1000, b"") * 65), "malformed"),
            (envelope(field(99, field(8, b"") * 1001)), "malformed"),
            (envelope(b"\xff", 29), "malformed"),
        ],
    )
    def test_the_reason_is_named(self, payload: bytes, reason: str) -> None:
        assert post_of(message(payload)) == Unreadable(reason)  # type: ignore[arg-type]  # a table

    def test_a_message_that_no_archive_may_hold(self) -> None:
        assert post_of(message(bytes(30_000_001))) == Unreadable("too long")

    def test_endless_attachments_are_counted_before_they_are_built(self) -> None:
        many = field(99, field(8, b"") * 14_000_000)
        assert post_of(message(envelope(many))) == Unreadable("malformed")


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([1, 22, 28, 29, 31]), st.integers(0, 2**64 - 1))
def test_any_bytes_are_a_post_or_unreadable(data: bytes, type_: int, seconds: int) -> None:
    for payload in (data, envelope(data, type_), envelope(field(99, data), 1, COMMUNITY_KEY)):
        assert isinstance(post_of(message(payload, seconds)), Post | Unreadable)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_message_is_a_post_or_unreadable(data: st.DataObject) -> None:
    whole = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(post_of(message(bytes(whole))), Post | Unreadable)


def test_no_changed_bit_puts_other_words_into_a_foreign_authors_mouth() -> None:
    post = Post("5", "7", Author("1", "bob"), TIME_MS, "hello")
    original = archived(post, COMMUNITY_ID, CHAT_ID, sign_digest)
    whole = post_of(original)
    assert isinstance(whole, Post)
    assert whole.author == post.author
    for place in range(8 * len(original.payload)):
        changed = bytearray(original.payload)
        changed[place // 8] ^= 1 << place % 8
        heard = post_of(message(bytes(changed)))
        assert isinstance(heard, Unreadable) or heard.author != post.author or heard == whole
