"""Posts as signed messages. The golden message was made with status-go's own library calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import CHAT_ID, COMMUNITY_ID, TIMES, posts, sign_digest
from workflow.archive.hashing import keccak256
from workflow.archive.message import ArchivedMessage
from workflow.archive.pb.application_metadata_message_pb2 import ApplicationMetadataMessage
from workflow.archive.pb.chat_message_pb2 import ChatMessage, PinMessage
from workflow.chat.payload import archived
from workflow.chat.post import PINNED, Attachment, Author, Post, Reference
from workflow.chat.readable import post_of
from workflow.errors import ExportInvalidError, MalformedIdError
from workflow.waku.chats import topic_of

POST = Post(
    "1234",
    "7",
    Author("7", "bob", "Bob", "0001", "http://x/y.png"),
    1_600_000_000_000,
    "hello",
)
SIG = bytes.fromhex(
    "0409b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792f3931a4d9573d333ca7434"
    "3305762a753388c3422a86d98b713fc91c1ea04842"
)
PAYLOAD = bytes.fromhex(
    "0a41b0788153f1c6b959c01b2ab209715474e9ba90b98a506db08450d5b71b8ecded3607e0118c9e67b80a34"
    "cfb28d42b0439bc98e22f1732c01d49f5ffba2f6b3060012c601088080babbc82e108080babbc82e32683078"
    "3032303962303266386135666464643232326164653465613435323866616566633339393632336166336637"
    "3336626533633434663033653264663232666237393231313131313131312d313131312d313131312d313131"
    "312d3131313131313131313131313805400c9a06470a0431323334120744656661756c741a0a313630303030"
    "303030302a0568656c6c6f32230a01371203626f621a04303030312203426f622a0e687474703a2f2f782f79"
    "2e706e671801"
)
MESSAGE = ArchivedMessage(
    SIG,
    1_600_000_000,
    topic_of(CHAT_ID),
    PAYLOAD,
    b"\x01",
    bytes.fromhex("a6578df8fb1dbc84f875c468b478264c8f9930ed31bd5af61bace4ecc426514d"),
    COMMUNITY_ID + "1234",
)


def chat_of(message: ArchivedMessage) -> ChatMessage:
    return ChatMessage.FromString(ApplicationMetadataMessage.FromString(message.payload).payload)


class TestGoldenMessage:
    def test_is_written_byte_for_byte(self) -> None:
        assert archived(POST, COMMUNITY_ID, CHAT_ID, sign_digest) == MESSAGE

    def test_is_read(self) -> None:
        assert post_of(MESSAGE) == replace(POST, channel=CHAT_ID)


@given(posts())
def test_a_post_survives_the_archive(post: Post) -> None:
    message = archived(post, COMMUNITY_ID, CHAT_ID, sign_digest)
    edited = None if post.edited_ms is None else post.edited_ms // 1000 * 1000
    assert post_of(message) == replace(post, channel=CHAT_ID, edited_ms=edited)
    assert message.third_party_id == COMMUNITY_ID + post.id
    assert message.hash == keccak256(message.third_party_id.encode())


@given(TIMES)
def test_milliseconds_are_in_the_clock_alone(time_ms: int) -> None:
    message = archived(replace(POST, time_ms=time_ms), COMMUNITY_ID, CHAT_ID, sign_digest)
    chat = chat_of(message)
    assert chat.clock == time_ms
    assert chat.timestamp == message.timestamp * 1000 == time_ms // 1000 * 1000
    assert chat.discord_message.timestamp == str(time_ms // 1000)


class TestReplies:
    REPLY = replace(POST, kind="Reply", reference=Reference("99", "7", "5"))

    def test_a_reply_leads_to_the_imported_message(self) -> None:
        chat = chat_of(archived(self.REPLY, COMMUNITY_ID, CHAT_ID, sign_digest))
        assert chat.response_to == COMMUNITY_ID + "99"

    def test_a_reply_to_nothing_known_leads_nowhere(self) -> None:
        message = archived(self.REPLY, COMMUNITY_ID, CHAT_ID, sign_digest, reply_is_known=False)
        assert chat_of(message).response_to == ""
        assert post_of(message) == replace(self.REPLY, channel=CHAT_ID)


class TestPins:
    PIN = replace(POST, kind=PINNED, reference=Reference("99"), time_ms=1_600_000_000_123)

    def test_a_pin_is_the_specifications_pin(self) -> None:
        message = archived(self.PIN, COMMUNITY_ID, CHAT_ID, sign_digest)
        envelope = ApplicationMetadataMessage.FromString(message.payload)
        assert envelope.type == 28
        assert PinMessage.FromString(envelope.payload) == PinMessage(
            clock=1_600_000_000_123,
            message_id=COMMUNITY_ID + "99",
            chat_id=CHAT_ID,
            pinned=True,
            message_type=5,
        )
        assert message.hash == keccak256(COMMUNITY_ID.encode() + message.payload)
        assert message.third_party_id == COMMUNITY_ID + "1234"

    def test_a_pin_is_read_as_the_communitys(self) -> None:
        read = post_of(archived(self.PIN, COMMUNITY_ID, CHAT_ID, sign_digest))
        author = Author("0x" + SIG.hex())
        assert read == replace(self.PIN, channel=CHAT_ID, author=author, text="")


class TestRefusals:
    @pytest.mark.parametrize(
        "community_id",
        ["", "0x", COMMUNITY_ID[2:], COMMUNITY_ID.upper(), COMMUNITY_ID + "00", "0x" + "05" * 33],
    )
    def test_an_id_that_is_no_public_key(self, community_id: str) -> None:
        with pytest.raises(MalformedIdError):
            archived(POST, community_id, CHAT_ID, sign_digest)

    def test_a_post_that_no_archive_can_hold(self) -> None:
        heavy = replace(POST, attachments=(Attachment("1", payload=bytes(30_000_000)),))
        with pytest.raises(ExportInvalidError, match="heavier than 30000000") as caught:
            archived(heavy, COMMUNITY_ID, CHAT_ID, sign_digest)
        assert caught.value.place == "message 1234"


@given(st.text(max_size=20))
def test_any_text_can_be_signed(text: str) -> None:
    author = Author(text, text, text, text, text)
    post = Post(text, text, author, 0, text, text, Reference(text, text, text))
    archived(post, COMMUNITY_ID, CHAT_ID, sign_digest)
