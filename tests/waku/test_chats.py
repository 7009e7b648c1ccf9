"""Names and keys of chats. The constants were made by status-go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waku.samples import COMMUNITY, LINKS
from workflow.waku.chats import (
    DEFAULT_PUBSUB_TOPIC,
    NON_PROTECTED_PUBSUB_TOPIC,
    Chat,
    channel_chat_ids,
    content_topic,
    links_chat_id,
    parse_content_topic,
    pubsub_topic,
    topic_of,
    universal_chat_id,
)

CHANNEL = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("id", "topic", "key"),
    [
        (
            "my-test-chat",
            "75322a5a",
            "a84a992b33023a7a69c56b8dc9ea037f527ab9ab331223de5fb8a4af7db723dc",
        ),
        (
            "0x04deadbeef-contact-code",
            "d3fb322b",
            "b7bfff0d6214087e7e34d928380f9d4671f392898bb2901eefd3c90be6d6861c",
        ),
        (COMMUNITY, "836e53b3", "55583fba637c231ff992181c145f5a209524c18c75a8c2c4d0d9a51abf231b2b"),
        (
            universal_chat_id(COMMUNITY),
            "56863fc1",
            "c508ec6ae43c625ce4372c4ab9023f0623c296a4765193fbf61c0994741c9571",
        ),
    ],
)
def test_a_chat_is_its_name(id: str, topic: str, key: str) -> None:
    chat = Chat.of(id)
    assert chat == Chat(id, bytes.fromhex(topic), f"/waku/1/0x{topic}/rfc26", bytes.fromhex(key))


def test_links_have_a_chat_of_their_own() -> None:
    assert LINKS.id == links_chat_id(COMMUNITY) == COMMUNITY + "-magnetlinks"
    assert LINKS.content_topic == "/waku/1/0xe2a66931/rfc26"
    key = "2636b981b47e07eb2bd065e21e773b5d0d2007fbe220a0ce1a844606b921ac5b"
    assert LINKS.key.hex() == key
    assert key not in repr(LINKS)
    assert str(LINKS.key) not in repr(LINKS)


def test_history_is_on_each_channels_chat_and_on_the_universal_one() -> None:
    assert channel_chat_ids(COMMUNITY, [CHANNEL]) == [
        COMMUNITY + CHANNEL,
        COMMUNITY + "-memberUpdate",
    ]
    assert channel_chat_ids(COMMUNITY, []) == [COMMUNITY + "-memberUpdate"]


def test_a_topic_is_the_beginning_of_the_chat_ids_hash() -> None:
    assert topic_of("").hex() == "c5d24601"  # Keccak-256 of nothing


@given(st.binary(min_size=4, max_size=4))
def test_a_content_topic_is_read_again(topic: bytes) -> None:
    assert parse_content_topic(content_topic(topic)) == topic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/waku/1/0xE2A66931/rfc26",
        "/waku/1/e2a66931/rfc26",
        "/waku/1/0xe2a6693/rfc26",
        "/waku/1/0xe2a669311/rfc26",
        "/waku/2/0xe2a66931/rfc26",
        "/waku/1/0xe2a66931/proto",
        "/waku/1/0xe2a66931/rfc26\n",
        "/waku/1/0x\u0665\u0665\u0665\u0665\u0665\u0665\u0665\u0665/rfc26",
    ],
)
def test_no_other_text_is_a_content_topic_of_a_chat(text: str) -> None:
    assert parse_content_topic(text) is None


def test_shards_have_names() -> None:
    assert pubsub_topic(16, 32) == DEFAULT_PUBSUB_TOPIC == "/waku/2/rs/16/32"
    assert pubsub_topic(16, 64) == NON_PROTECTED_PUBSUB_TOPIC == "/waku/2/rs/16/64"
    assert pubsub_topic(16, 128) == "/waku/2/rs/16/128"
