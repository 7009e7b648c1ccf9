"""One message from end to end. The constants and vectors were made by status-go."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.test_announcement import ANNOUNCEMENT, INSTALLATION_FIELD, MESSAGE
from tests.waku.samples import (
    ACCOUNT,
    COMMUNITY,
    LINKS,
    OWNER,
    SENDER,
    SHARD,
    VECTORS,
    bytes_of,
    counted,
    drawn,
    pattern,
    signed_by,
)
from workflow.archive.announcement import open_announcement
from workflow.archive.wire import field
from workflow.waku.chats import Chat
from workflow.waku.message import GO_WAKU_LIMIT, WakuMessage
from workflow.waku.payload import encode, encrypt
from workflow.waku.refusal import Refusal
from workflow.waku.sealing import Opened, Sealed, open_sealed, seal, wrap

OWNERS_KEY = OWNER.public_key.format(compressed=False)
SIGN = signed_by(ACCOUNT)
TALK = Chat.of("my-test-chat")
SENT_AT = 1704672000123456789
INSTALLATION = "wire-install-1"


def opened(message: WakuMessage, *chats: Chat) -> Opened:
    found = open_sealed(message, chats)
    assert isinstance(found, Opened)
    return found


class TestOthersAndOurs:
    @pytest.mark.parametrize("vector", VECTORS["links-chat"], ids=lambda one: str(one["length"]))
    def test_a_message_of_status_go_is_ours_to_the_byte(self, vector: dict[str, str]) -> None:
        data = pattern(int(vector["length"]), int(vector["seed"]))
        theirs = Sealed(LINKS.content_topic, 1, bytes_of(vector)).stamped(SENT_AT)
        assert theirs.hash(SHARD).hex() == vector["hash"]
        found = opened(theirs, LINKS)
        assert (found.chat, found.sender, found.payload) == (LINKS, OWNERS_KEY, data)
        draws = drawn(found.padding, theirs.payload[-12:])
        sealed = seal(LINKS, data, signed_by(OWNER), draws)
        assert sealed == (theirs.content_topic, 1, theirs.payload)
        assert (
            sealed.stamped(SENT_AT)
            .encode()
            .endswith(bytes.fromhex("180150aab4ce9ee0899ba82f5a00f80100"))
        )

    @pytest.mark.parametrize("vector", VECTORS["status-go"], ids=["status-go's", "through REST"])
    def test_what_a_node_of_status_go_sent_or_read(self, vector: dict[str, str]) -> None:
        message = Sealed(TALK.content_topic, 1, bytes_of(vector)).stamped(int(vector["timestamp"]))
        assert message.hash(SHARD).hex() == vector["hash"]
        found = opened(message, TALK)
        assert found.payload.decode() == vector["data"]
        assert found.sender.hex() == vector["signer"]

    def test_the_wrapper_is_that_of_status_go(self) -> None:
        assert wrap(MESSAGE, "zwire-install-1") == INSTALLATION_FIELD + field(102, MESSAGE)


class TestSending:
    def test_a_link_arrives_as_it_was_signed(self) -> None:
        sealed = seal(LINKS, MESSAGE, SIGN, counted, INSTALLATION)
        message = sealed.stamped(SENT_AT)
        message.check(GO_WAKU_LIMIT)
        found = opened(message, LINKS)
        assert found.sender == SENDER
        assert found.payload == wrap(MESSAGE, INSTALLATION)
        announced = open_announcement(found.payload)
        assert announced.message == MESSAGE
        assert announced.announcement == ANNOUNCEMENT
        assert announced.signer.hex() == COMMUNITY[2:]

    def test_without_a_device_it_is_not_wrapped(self) -> None:
        found = opened(seal(LINKS, MESSAGE, SIGN, counted).stamped(SENT_AT), LINKS)
        assert found.payload == MESSAGE

    def test_sent_again_only_the_signed_bytes_are_the_same(self) -> None:
        draws = count(1)
        first, second = (
            seal(LINKS, MESSAGE, SIGN, lambda length: bytes([next(draws)]) * length, INSTALLATION)
            for _ in range(2)
        )
        assert first.payload != second.payload
        sent, again = first.stamped(SENT_AT), second.stamped(SENT_AT + 1)
        assert sent.hash(SHARD) != again.hash(SHARD)
        assert first.stamped(SENT_AT).hash(SHARD) != first.stamped(SENT_AT + 1).hash(SHARD)
        assert opened(sent, LINKS).payload == opened(again, LINKS).payload

    @given(st.binary(max_size=2000), st.none() | st.text("abc-0123", max_size=40))
    def test_whatever_is_sealed_is_opened(self, message: bytes, device: str | None) -> None:
        sealed = seal(LINKS, message, SIGN, counted, device)
        expected = message if device is None else wrap(message, device)
        assert opened(sealed.stamped(SENT_AT), TALK, LINKS).payload == expected


class TestReceiving:
    SENT = seal(LINKS, MESSAGE, SIGN, counted).stamped(SENT_AT)

    @pytest.mark.parametrize("version", [None, 0, 2])
    def test_another_version(self, version: int | None) -> None:
        assert open_sealed(replace(self.SENT, version=version), [LINKS]) is Refusal.OTHER_VERSION

    def test_a_topic_that_no_chat_has(self) -> None:
        assert open_sealed(self.SENT, []) is Refusal.OTHER_CHAT
        assert open_sealed(self.SENT, [TALK]) is Refusal.OTHER_CHAT

    def test_chats_that_share_a_topic_are_told_apart_by_their_keys(self) -> None:
        other = replace(LINKS, id="other", key=TALK.key)
        assert opened(self.SENT, other, LINKS).chat == LINKS
        assert opened(self.SENT, LINKS, other).chat == LINKS
        assert open_sealed(self.SENT, [other]) is Refusal.OTHER_KEY

    @given(st.integers(0, len(SENT.payload) * 8 - 1))
    def test_a_changed_bit(self, at: int) -> None:
        changed = bytearray(self.SENT.payload)
        changed[at // 8] ^= 1 << at % 8
        message = replace(self.SENT, payload=bytes(changed))
        assert open_sealed(message, [LINKS]) is Refusal.OTHER_KEY

    def test_what_nobody_signed(self) -> None:
        payload = encrypt(LINKS.key, encode(MESSAGE, counted), counted)
        message = replace(self.SENT, payload=payload)
        assert open_sealed(message, [LINKS]) is Refusal.UNSIGNED

    def test_what_lies_under_the_right_key(self) -> None:
        message = replace(self.SENT, payload=encrypt(LINKS.key, bytes(256), counted))
        assert open_sealed(message, [LINKS]) is Refusal.NO_SIZE
        assert open_sealed(replace(self.SENT, payload=b""), [LINKS]) is Refusal.CUT_OFF
