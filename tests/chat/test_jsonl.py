"""One message a line."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.sample_posts import CHANNELS, CHAT_ID, COMMUNITY_ID, posts, sign_digest
from workflow.archive.message import ArchivedMessage
from workflow.archive.wire import field
from workflow.chat import jsonl
from workflow.chat.jsonl import Line, read_lines, write_channel, write_line
from workflow.chat.payload import archived
from workflow.chat.post import Attachment, Author, Channel, Post, Problem, Reference

TIME = "2020-09-13T12:26:40.123+00:00"
TIME_MS = 1600000000123
LEAST = {"id": "1", "channel": "7", "time": TIME}
POST = Post("1", "7", Author(""), TIME_MS)


def read(text: bytes) -> list[Channel | Line | Problem]:
    return list(read_lines(BytesIO(text), "chat.jsonl"))


def read_post(**changed: Any) -> Post:
    (line,) = read(json.dumps({**LEAST, **changed}).encode())
    assert isinstance(line, Line)
    assert line.post is not None
    return line.post


@given(st.lists(CHANNELS | posts(), max_size=5))
def test_what_is_written_is_read_again(drawn: list[Channel | Post]) -> None:
    stream = BytesIO()
    for each in drawn:
        if isinstance(each, Channel):
            write_channel(stream, each)
        else:
            write_line(stream, Line(each))
    assert stream.getvalue().count(b"\n") == len(drawn)
    expected = [each if isinstance(each, Channel) else Line(each) for each in drawn]
    assert read(stream.getvalue()) == expected


MESSAGES = st.builds(
    ArchivedMessage,
    sig=st.binary(max_size=65),
    timestamp=st.integers(0, 2**64 - 1),
    topic=st.binary(max_size=4),
    payload=st.binary(max_size=50),
    padding=st.binary(max_size=5),
    hash=st.binary(max_size=32),
    third_party_id=st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)


@given(MESSAGES)
def test_an_unreadable_message_survives_as_it_is(message: ArchivedMessage) -> None:
    stream = BytesIO()
    write_line(stream, Line(None, message))
    assert read(stream.getvalue()) == [Line(None, message)]


def test_a_message_that_is_readable_too_tells_its_payloads_once() -> None:
    post = Post("1", "7", Author("9"), TIME_MS, attachments=(Attachment("4", payload=b"abc"),))
    message = archived(post, COMMUNITY_ID, CHAT_ID, sign_digest)
    stream = BytesIO()
    write_line(stream, Line(post, message))
    assert b'"payload"' not in stream.getvalue()
    (line,) = read(stream.getvalue())
    assert isinstance(line, Line)
    assert line.message == message
    assert line.post == Post("1", "7", Author("9"), TIME_MS, attachments=(Attachment("4"),))


class TestLooseLines:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, {}),
            ({"time": TIME_MS}, {}),
            ({"time": "2020-09-13T21:26:40.123456789+09:00"}, {}),
            ({"author": "bob"}, {"author": Author("", "bob")}),
            ({"author": {"id": "9", "more": 1}}, {"author": Author("9")}),
            ({"reply_to": "5"}, {"reference": Reference("5")}),
            ({"reply_to": {"channel": "6"}}, {"reference": Reference("", "6")}),
            ({"text": None, "kind": None, "attachments": [], "edited": None}, {}),
            ({"edited": 5}, {"edited_ms": 5}),
            (
                {"attachments": [{"name": "a.png", "payload": "YWJj"}]},
                {"attachments": (Attachment("", "a.png", 0, "image/png", "", b"abc"),)},
            ),
            ({"attachments": [{"payload": ""}]}, {"attachments": (Attachment(""),)}),
            ({"text": "\ud83d"}, {"text": "?"}),
            ({"unknown": {"deep": []}}, {}),
        ],
    )
    def test_a_program_may_leave_out_much(
        self, changed: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        values = {name: getattr(POST, name) for name in Post.__slots__}
        assert read_post(**changed) == Post(**{**values, **expected})

    def test_a_channel_needs_its_id_alone(self) -> None:
        assert read(b'{"channel": {"id": "7"}}') == [Channel("7", kind="")]

    def test_empty_lines_and_line_ends_of_windows_are_passed_over(self) -> None:
        line = json.dumps(LEAST).encode()
        text = b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + line
        assert read(text) == [Line(POST), Line(POST)]


class TestBadLines:
    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            (b"hello", "the line is no object"),
            (b"[]", "the line is no object"),
            (b"1", "the line is no object"),
            (b'{"\xff', "codec can't decode"),
            (b"{", "Expecting"),
            (b'{"a":' + b"[" * 100_000, "recursion"),
            (b'{"a":' + b"[" * 300_000, "more than 200000 parts"),
            (b"{}", "'id' is missing"),
            (b'{"channel": {}}', "'id' is missing"),
            (b'{"channel": {"id": 1}}', "'id' is no text"),
            (b'{"channel": {"id": "1"}, "messages": []}', "'import discord' reads it"),
        ],
        ids=range(11),
    )
    def test_it_is_named_with_its_number(self, line: bytes, complaint: str) -> None:
        good = json.dumps(LEAST).encode()
        first, problem, last = read(b"\n".join([good, line, good]))
        assert first == last == Line(POST)
        assert isinstance(problem, Problem)
        assert (problem.file, problem.position) == ("chat.jsonl", 2)
        assert complaint in problem.what

    @pytest.mark.parametrize(
        ("changed", "complaint"),
        [
            ({"id": None}, "'id' is missing"),
            ({"id": "x" * 201}, "too long"),
            ({"id": 1}, "'id' is no text"),
            ({"channel": ""}, "'channel' is missing"),
            ({"time": None}, "neither RFC 3339 nor"),
            ({"time": -1}, "neither RFC 3339 nor"),
            ({"time": 10**15}, "neither RFC 3339 nor"),
            ({"time": True}, "neither RFC 3339 nor"),
            ({"time": 1.5}, "neither RFC 3339 nor"),
            ({"time": float("nan")}, "neither RFC 3339 nor"),
            ({"time": "2020-09-13"}, "no RFC 3339 time"),
            ({"edited": "x"}, "no RFC 3339 time"),
            ({"author": 1}, "the author is no object"),
            ({"reply_to": 1}, "the reply_to is no object"),
            ({"attachments": {}}, "'attachments' is no list"),
            ({"attachments": [1]}, "the attachment is no object"),
            ({"attachments": [{"size": -1}]}, "'size' is no number"),
            ({"attachments": [{"size": "1"}]}, "'size' is no number"),
            ({"attachments": [{"size": 2**63}]}, "'size' is no number"),
            ({"attachments": [{"payload": "***"}]}, "'payload' is no base64"),
            ({"attachments": [{"payload": "ü"}]}, "ASCII"),
            ({"raw": "YWJj"}, "'raw' is no message"),
            ({"raw": 1}, "'raw' is no text"),
            ({"raw": b64encode(field(1, b"") * 17).decode()}, "more than 16 fields"),
            ({"raw": b64encode(field(7, b"\xff")).decode()}, "not an archived message"),
        ],
    )
    def test_a_wrong_field_is_named(self, changed: dict[str, Any], complaint: str) -> None:
        (problem,) = read(json.dumps({**LEAST, **changed}).encode())
        assert isinstance(problem, Problem)
        assert complaint in problem.what

    def test_an_endless_line_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jsonl, "MAX_LINE_LENGTH", 100)
        monkeypatch.setattr(jsonl, "_BUFFER", 10)
        line = json.dumps(LEAST).encode()
        for rest in (b"", b"\n", b"\n" + line):
            problem, *others = read(b"x" * 100_000 + rest)
            assert isinstance(problem, Problem)
            assert "longer than 100 bytes" in problem.what
            assert others == ([Line(POST)] if line in rest else [])


@settings(max_examples=200)
@given(st.binary(max_size=100) | st.text('[]{}":,0aeE.-\\u \n', max_size=60).map(str.encode))
def test_any_bytes_are_read_without_another_error(text: bytes) -> None:
    assert all(isinstance(each, Channel | Line | Problem) for each in read(text))


@settings(max_examples=200)
@given(st.data())
def test_a_changed_line_is_read_without_another_error(data: st.DataObject) -> None:
    changed = bytearray(json.dumps({**LEAST, "raw": "AAAA", "attachments": [{"size": 1}]}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert all(isinstance(each, Channel | Line | Problem) for each in read(bytes(changed)))
