from __future__ import annotations

import json
import lzma
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.adapters.messaging.waku import dialects
from workflow.adapters.messaging.waku.dialects import Cursor, Question, StoreApi, UnreadableError
from workflow.waku.message import WakuMessage

RECORDED = Path(__file__).parents[3] / "shared" / "waku"
TOPIC = "/waku/2/rs/16/32"
CONTENT = "/waku/1/0x5c56d6b8/rfc26"
QUESTION = Question(TOPIC, (CONTENT,), 1, 1 << 62)
TIME = 1_795_328_911_182_642_831  # more than 2^53, and odd: a float would lose it

messages = st.builds(
    WakuMessage,
    payload=st.binary(min_size=1),
    content_topic=st.just(CONTENT),
    version=st.integers(0, (1 << 32) - 1),
    timestamp=st.integers(-(1 << 63), (1 << 63) - 1),
    meta=st.binary(max_size=64),
    ephemeral=st.booleans(),
)


def recorded(tag: str, file: str = "gowaku-rest-transcript.json.xz") -> bytes:
    path = RECORDED / file
    if not path.exists():
        pytest.skip(f"{path} is not here: what a real node answered")
    body = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    response: str = next(one["response"] for one in json.loads(body) if one["tag"] == tag)
    return response.encode()


def body(told: object) -> bytes:
    return json.dumps(told).encode()


def stored(**fields: object) -> dict[str, Any]:
    return {"payload": "aGk=", "contentTopic": CONTENT, "version": 1, "timestamp": TIME, **fields}


@given(messages)
def test_what_is_sent_is_read(message: WakuMessage) -> None:
    assert dialects.read_message(json.loads(dialects.relay_body(message))) == message


@given(messages, st.booleans(), st.booleans())
def test_every_dialect_is_read(message: WakuMessage, is_url_safe: bool, is_text: bool) -> None:
    encode = urlsafe_b64encode if is_url_safe else b64encode
    told = {
        "payload": encode(message.payload).decode().rstrip("=" if is_url_safe else ""),
        "content_topic" if is_text else "contentTopic": message.content_topic,
        "version": message.version,
        "timestamp": str(message.timestamp) if is_text else message.timestamp,
        "meta": encode(message.meta or b"").decode(),
        "ephemeral": message.ephemeral,
        "proof": "",
    }
    assert dialects.read_message(told) == message


def test_what_is_sent_has_numbers_where_nodes_want_them() -> None:
    sent = dialects.relay_body(WakuMessage(b"\xfb\xff", CONTENT, 1, TIME, b"", ephemeral=False))
    assert json.loads(sent) == {
        "payload": "+/8=",
        "contentTopic": CONTENT,
        "version": 1,
        "timestamp": TIME,
        "meta": "",
        "ephemeral": False,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ephemeral": None, "timestamp": None}, {"timestamp": None, "ephemeral": None}),
        ({"timestamp": str(TIME)}, {"timestamp": TIME}),
        ({"version": None}, {"version": None}),
        ({"version": True}, {"version": None}),
        ({"payload": "-_8"}, {"payload": b"\xfb\xff"}),
        ({"meta": None}, {"meta": None}),
        ({"ephemeral": "no"}, {"ephemeral": None}),
    ],
)
def test_a_message_is_read_leniently(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    read = dialects.read_message(stored(**fields))
    assert read is not None
    assert {name: getattr(read, name) for name in expected} == expected


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        "a message",
        stored(payload=None),
        stored(payload=[104, 105]),
        stored(payload="@@@@"),
        stored(payload="aGk=é"),
        stored(timestamp=1.7e18),
        stored(timestamp=True),
        stored(timestamp="1e18"),
        stored(timestamp="٣"),
        stored(timestamp=1 << 63),
        stored(version=-1),
        stored(meta=7),
        stored(contentTopic="\ud800"),
    ],
)
def test_what_is_no_message_is_left_out(item: object) -> None:
    assert dialects.read_message(item) is None
    assert dialects.messages([item, stored()], {CONTENT}) == [dialects.read_message(stored())]


def test_a_poll_is_a_list_or_null() -> None:
    assert dialects.polled(b"[]") == dialects.polled(b"null") == dialects.polled(b"\n") == []
    assert dialects.polled(b'[{"payload":""}]') == [{"payload": ""}]


@pytest.mark.parametrize(
    "cut",
    [b"[{", b"{}", b"true", b"OK", b"\xff", b"[" * 100_000, b"1" * 5000, b'"' + b"x" * 100],
)
def test_what_is_no_list_of_messages_is_unreadable(cut: bytes) -> None:
    with pytest.raises(UnreadableError):
        dialects.polled(cut)


def test_a_question_is_escaped_and_says_everything() -> None:
    question = Question(TOPIC, (CONTENT, "/a/1/b&c/d"), TIME, TIME + 1)
    assert dialects.store_query(StoreApi.V1, question, None, 7) == (
        "/store/v1/messages?pubsubTopic=%2Fwaku%2F2%2Frs%2F16%2F32"
        "&contentTopics=%2Fwaku%2F1%2F0x5c56d6b8%2Frfc26%2C%2Fa%2F1%2Fb%26c%2Fd"
        f"&startTime={TIME}&endTime={TIME + 1}&pageSize=7&ascending=true"
    )
    cursor = Cursor(StoreApi.V3, (("cursor", "-_8="),))
    assert dialects.store_query(StoreApi.V3, question, cursor).endswith(
        "&pageSize=100&ascending=true&includeData=true&cursor=-_8%3D"
    )


@pytest.mark.parametrize(
    ("told", "goes_back"),
    [
        ({"paginationCursor": "0x00ff"}, "0x00ff"),
        ({"pagination_cursor": "a+/b"}, "a-_b"),
        ({"paginationCursor": None}, None),
        ({"paginationCursor": ""}, None),
        ({"paginationCursor": "0x"}, None),
        ({}, None),
    ],
)
def test_a_cursor_goes_back_as_each_dialect_reads_it(
    told: dict[str, Any], goes_back: str | None
) -> None:
    cursor = dialects.store_page(StoreApi.V3, QUESTION, body(told)).cursor
    assert cursor == (goes_back and Cursor(StoreApi.V3, (("cursor", goes_back),)))


@pytest.mark.parametrize("cursor", [None, "", {}, {"senderTime": 0, "storeTime": 0, "digest": ""}])
def test_the_last_page_of_the_legacy_store_has_no_cursor(cursor: object) -> None:
    answer = body({"messages": None, "cursor": cursor})
    assert dialects.store_page(StoreApi.V1, QUESTION, answer) == ([], None)


@pytest.mark.parametrize(
    ("api", "told"),
    [
        (StoreApi.V3, []),
        (StoreApi.V3, "OK"),
        (StoreApi.V3, {"messages": "none"}),
        (StoreApi.V3, {"messages": {}}),
        (StoreApi.V3, {"paginationCursor": 7}),
        (StoreApi.V3, {"statusCode": 503}),
        (StoreApi.V3, {"status_code": 429, "status_desc": "Request rate limit reached"}),
        (StoreApi.V3, {"statusCode": "300", "statusDesc": [[["BAD_RESPONSE"]]]}),
        (StoreApi.V1, {"messages": None, "error_message": "no peers"}),
        (StoreApi.V1, {"cursor": "0x00"}),
        (StoreApi.V1, {"cursor": {"digest": "AAAA"}}),
        (StoreApi.V1, {"cursor": {"digest": 7, "senderTime": 1, "storeTime": 1}}),
    ],
)
def test_what_is_no_page_is_unreadable(api: StoreApi, told: object) -> None:
    with pytest.raises(UnreadableError):
        dialects.store_page(api, QUESTION, body(told))


def test_what_was_not_asked_for_is_left_out() -> None:
    question = Question(TOPIC, (CONTENT,), TIME, TIME + 10)
    items = [
        {"message": stored(), "pubsubTopic": TOPIC},
        {"message": stored(timestamp=TIME + 9)},
        {"message": stored(timestamp=TIME + 10), "pubsubTopic": TOPIC},
        {"message": stored(timestamp=TIME - 1), "pubsubTopic": TOPIC},
        {"message": stored(timestamp=None), "pubsubTopic": TOPIC},
        {"message": stored(contentTopic="/waku/1/0x00000000/rfc26"), "pubsubTopic": TOPIC},
        {"message": stored(), "pubsub_topic": "/waku/2/rs/16/64"},
        {"messageHash": "0x00"},
        "no item",
    ]
    page = dialects.store_page(StoreApi.V3, question, body({"messages": items}))
    assert [message.timestamp for message in page.messages] == [TIME, TIME + 9]


def test_a_strangers_words_are_short_and_on_one_line() -> None:
    assert dialects.text(b"a\nb\x1b[31m \xff c\r\n") == "a b [31m \ufffd c"
    assert len(dialects.text(b"x" * 10_000)) == 160


def test_polls_of_a_real_node_are_read() -> None:
    assert dialects.polled(recorded("relay.poll.empty")) == []
    (item,) = dialects.polled(recorded("relay.poll"))
    assert dialects.read_message(item) == WakuMessage(
        b"hello waku", CONTENT, 1, 1795328186350891375, b"\x01\x02", ephemeral=False
    )
    several = dialects.messages(dialects.polled(recorded("relay.pollA3")), {CONTENT})
    assert several == [
        WakuMessage(b"for filter", CONTENT, timestamp=1795328191505538893),
        WakuMessage(b"pushed", CONTENT, timestamp=1795328192513949928),
        WakuMessage(b"x", CONTENT),
    ]


def test_the_legacy_store_of_a_real_node_is_read() -> None:
    page = dialects.store_page(StoreApi.V1, QUESTION, recorded("store1.local"))
    # The other message has no timestamp, so that it belongs to no window.
    assert [message.payload for message in page.messages] == [b"one hour old"]
    assert page.cursor == Cursor(
        StoreApi.V1,
        (
            ("senderTime", "1795324587432555680"),
            ("storeTime", "1795324587432555680"),
            ("digest", "HlrYdXHIbQP9dxXkD4pAW8wJghKyoTSnktpE73jdfGg="),
        ),
    )
    assert dialects.store_page(StoreApi.V1, QUESTION, recorded("store1.peer.unk")) == ([], None)


def test_the_store_of_version_3_through_a_real_node_is_read() -> None:
    file = "gowaku-rest-store-v3-vs-python-server.json"
    page = dialects.store_page(StoreApi.V3, QUESTION, recorded("page1", file))
    assert [message.payload for message in page.messages] == [b"archived %d" % n for n in range(3)]
    assert page.messages[0].timestamp == 1795328000000000000
    # In the answer it has a '/', with which that very node would refuse it.
    assert page.cursor is not None
    assert page.cursor.parameters == (("cursor", "qu0KjddqXMl6Pb_XWDeCUU0v5Ku57JeZJ2NkREjafHw="),)
    assert dialects.store_page(StoreApi.V3, QUESTION, recorded("range", file)).cursor is None
    with pytest.raises(UnreadableError, match="400 inside"):
        dialects.store_page(StoreApi.V3, QUESTION, recorded("store3.bad"))
