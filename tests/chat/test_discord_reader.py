"""Reading exports, the dirty ones above all."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chat.sample_exports import CHANNEL, MESSAGE, POST, export, message, read, read_cleanly
from workflow.chat import discord
from workflow.chat.discord import read_export
from workflow.chat.post import Attachment, Author, Channel, Post, Problem, Reference


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talk.json"


class TestWholeExports:
    def test_the_channel_comes_first(self, file: Path) -> None:
        whole = {"guild": {"id": "5", "name": "G"}, **export(MESSAGE)}
        whole["channel"] = {**CHANNEL, "categoryId": "6", "category": "c", "topic": "t"}
        file.write_text(json.dumps(whole))
        channel = Channel("7", "talk", "c", "6", "t", "GuildTextChat", "5", "G")
        assert list(read_export(file)) == [channel, POST]

    def test_everything_that_a_message_says_is_read(self, file: Path) -> None:
        said = message(
            type="Reply",
            timestampEdited="2022-07-18T18:51:44.1234567+09:00",
            reference={"messageId": "3", "channelId": "7", "guildId": "5"},
            attachments=[
                {"id": "4", "url": "https://h/a.PNG", "fileName": "a.PNG", "fileSizeBytes": 12}
            ],
        )
        (post,) = read_cleanly(file, export(said))
        assert post.kind == "Reply"
        assert post.edited_ms == 1658137904123
        assert post.reference == Reference("3", "7", "5")
        assert post.attachments == (Attachment("4", "a.PNG", 12, "image/png", "https://h/a.PNG"),)

    def test_a_byte_order_mark_is_passed_over(self, file: Path) -> None:
        assert read_cleanly(file, b"\xef\xbb\xbf" + json.dumps(export(MESSAGE)).encode()) == [POST]

    def test_no_messages_are_no_problem(self, file: Path) -> None:
        assert read_cleanly(file, export()) == []

    def test_unknown_types_keep_their_name(self, file: Path) -> None:
        posts = read_cleanly(file, export(message(type="GuildNews"), message(type="42")))
        assert [post.kind for post in posts] == ["GuildNews", "42"]

    def test_order_and_doubles_are_the_callers_business(self, file: Path) -> None:
        posts = read_cleanly(file, export(message(id="2"), message(id="1"), message(id="2")))
        assert [post.id for post in posts] == ["2", "1", "2"]


class TestPoorMessages:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"author": None}, {"author": Author("")}),
            ({"author": {}}, {"author": Author("")}),
            ({"content": ""}, {"text": ""}),
            ({"content": None}, {"text": ""}),
            ({"content": "a\x00b"}, {"text": "a\x00b"}),
            ({"content": "x" * 1_000_000}, {"text": "x" * 1_000_000}),
            ({"id": 998527456925462549}, {"id": "998527456925462549"}),
            ({"type": None}, {"kind": "Default"}),
            ({"reference": None}, {"reference": None}),
            ({"reference": {}}, {"reference": Reference("")}),
            ({"attachments": None}, {"attachments": ()}),
            ({"attachments": [{}]}, {"attachments": (Attachment(""),)}),
            ({"attachments": [None]}, {"attachments": (Attachment(""),)}),
            ({"attachments": [{"fileSizeBytes": -1}]}, {"attachments": (Attachment(""),)}),
            ({"attachments": [{"fileSizeBytes": 1.5}]}, {"attachments": (Attachment(""),)}),
            ({"timestamp": "2022-07-18T18:51:43.953+09:00"}, {}),
            ({"timestamp": "2022-07-18T09:51:43.9531177+00:00"}, {}),
            ({"unknown": [{"deep": [{}]}]}, {}),
        ],
    )
    def test_what_is_missing_is_left_empty(
        self, file: Path, changed: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        (post,) = read_cleanly(file, export(message(**changed)))
        values = {name: getattr(POST, name) for name in Post.__slots__}
        assert post == Post(**{**values, **expected})

    @pytest.mark.parametrize(
        ("bad", "complaint"),
        [
            (None, "no id"),
            ("text", "the message is no object"),
            ([], "the message is no object"),
            (1, "the message is no object"),
            ({}, "no id"),
            (message(id=""), "no id"),
            (message(id=True), "'id' is no text"),
            (message(id=1.5), "'id' is no text"),
            (message(id="1" * 201), "id is too long"),
            (message(timestamp=None), "no RFC 3339 time"),
            (message(timestamp="2022-07-18T09:51:43"), "no RFC 3339 time"),
            (message(timestamp=1658137903953), "no RFC 3339 time"),
            (message(timestampEdited="later"), "no RFC 3339 time"),
            (message(author=[]), "the author is no object"),
            (message(author={"name": {}}), "'name' is no text"),
            (message(content=[]), "'content' is no text"),
            (message(reference="3"), "the reference is no object"),
            (message(attachments={}), "'attachments' is no list"),
            (message(attachments=["a.png"]), "the attachment is no object"),
        ],
    )
    def test_a_bad_message_is_named_and_the_others_are_read(
        self, file: Path, bad: Any, complaint: str
    ) -> None:
        posts, (problem,) = read(file, export(MESSAGE, bad, message(id="3")))
        assert [post.id for post in posts] == ["1", "3"]
        assert (problem.file, problem.position) == (str(file), 2)
        assert complaint in problem.what


class TestDamagedExports:
    @pytest.mark.parametrize("cut", [1, 20, 200])
    def test_a_cut_export_gives_its_whole_messages_and_one_problem(
        self, file: Path, cut: int
    ) -> None:
        whole = json.dumps(export(MESSAGE, message(id="2"), message(id="3"))).encode()
        posts, (problem,) = read(file, whole[:-cut])
        assert [post.id for post in posts] == ["1", "2", "3"][: 2 if cut == 200 else 3]
        assert problem.position == len(posts) + 1
        assert "cut off or damaged" in problem.what

    def test_every_cut_leaves_only_whole_messages(self, file: Path) -> None:
        whole = json.dumps(export(MESSAGE, message(id="2"))).encode()
        for length in range(len(whole)):
            posts, problems = read(file, whole[:length])
            assert len(problems) == 1, length
            assert posts in ([], [POST], [POST, Post("2", *_but_id(POST))]), length

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" ",
            b"hello",
            b"\xff\xfe{\x00}\x00",
            b"null",
            b"[]",
            b"1",
            b'"messages"',
            b"{}",
            b'{"messages": []}',
            b'{"messages": [], "channel": {"id": "7"}}',
            b'{"channel": {"id": "7"}}',
            b'{"channel": {"id": "7"}, "messages": {}}',
            b'{"channel": {"id": "7"}, "messages": null}',
            b'{"channel": "talk", "messages": []}',
            b'{"channel": {"id": ""}, "messages": []}',
            b'{"channel": {"name": "talk"}, "messages": []}',
            b'{"channel": {"id": "7"}, "guild": 1, "messages": []}',
            b'[{"channel": {"id": "7"}, "messages": []}]',
            b'{"channel": {"id": NaN}, "messages": []}',
            b"[" * 1_000_000,
            b'{"a":' * 1_000_000,
        ],
        ids=range(22),
    )
    def test_what_is_no_export_is_one_problem(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        (problem,) = read_export(file)
        assert isinstance(problem, Problem)
        assert problem.position == 0
        assert "not a chat export" in problem.what

    @pytest.mark.parametrize(
        "bad",
        [
            b"NaN",
            b"1e999999",
            b"1" * 5000,
            b"{'id': 1}",
            b'{"content": "\xff"}',
            b'{"content": "\n"}',
        ],
        ids=range(6),
    )
    def test_damage_between_messages_ends_there_or_is_passed(self, file: Path, bad: bytes) -> None:
        first, last = json.dumps(MESSAGE).encode(), json.dumps(message(id="3")).encode()
        content = b'{"channel": {"id": "7"}, "messages": [%s, %s, %s]}' % (first, bad, last)
        posts, problems = read(file, content)
        assert posts[0].id == "1"
        assert problems[0].position == 2

    def test_a_wrong_count_is_told(self, file: Path) -> None:
        posts, (problem,) = read(file, export(MESSAGE, messageCount=3))
        assert posts == [POST]
        assert (problem.position, problem.what) == (0, "it counts 3 messages, but holds 1")

    def test_a_missing_count_is_not(self, file: Path) -> None:
        whole = export(MESSAGE)
        del whole["messageCount"]
        assert read_cleanly(file, whole) == [POST]

    def test_half_a_surrogate_pair_does_no_harm(self, file: Path) -> None:
        whole = export(message(content="a\ud83d"), message(content="\ud83d\udc4b"))
        posts = read_cleanly(file, whole)
        assert posts[0].text.encode().startswith(b"a")
        assert posts[1].text == "👋"

    def test_a_file_that_is_not_there_is_a_problem(self, file: Path) -> None:
        (problem,) = read_export(file)
        assert isinstance(problem, Problem)
        assert "cannot be read" in problem.what


class TestLimits:
    def test_a_message_that_does_not_end_is_not_kept(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(discord, "MAX_ELEMENT_LENGTH", 1_000_000)
        huge = message(id="2", content="x" * 3_000_000)
        posts, (problem,) = read(file, export(MESSAGE, huge))
        assert posts == [POST]
        assert "longer than 1000000 bytes" in problem.what

    def test_a_message_of_endless_parts_is_not_kept(self, file: Path) -> None:
        posts, (problem,) = read(file, export(MESSAGE, message(id="2", embeds=[[]] * 600_000)))
        assert posts == [POST]
        assert "more than 500000 parts" in problem.what

    def test_a_message_of_endless_depth_is_not_kept(self, file: Path) -> None:
        first = json.dumps(MESSAGE).encode() + b" " * discord._BUFFER
        for deep in (b"[" * 101, b"[" * 1_000_000, b'{"a":' * 600_000):
            posts, (problem,) = read(
                file, b'{"channel":{"id":"7"},"messages":[%s,%s' % (first, deep)
            )
            assert posts == [POST]
            assert problem.position == 2
            assert "nested more than 32 levels" in problem.what

    def test_brackets_in_strings_are_words(self, file: Path) -> None:
        text = '\\"[{' * 200_000  # over several buffers, at any offset in them
        for padding in range(4):
            whole = export(message(content="x" * padding + text), message(id="2"))
            posts = read_cleanly(file, whole)
            assert [post.id for post in posts] == ["1", "2"]
            assert posts[0].text == "x" * padding + text

    def test_depth_cannot_be_hidden_behind_strings(self, file: Path) -> None:
        hidden = b'["]\\\\","\\"]",' * 20_000
        content = b'{"channel": {"id": "7"}, "messages": [' + hidden
        _, (problem,) = read(file, content)
        assert "nested more than 32 levels" in problem.what

    def test_memory_stays_flat_however_long_the_export(self, file: Path) -> None:
        line = json.dumps(message(content="x" * 2000)).encode() + b",\n"
        with file.open("wb") as stream:
            stream.write(b'{"channel": {"id": "7"}, "messages": [')
            for _ in range(200):
                stream.write(line * 50)
            stream.write(line[:-2] + b"]}")
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_export(file))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == 10_002
        assert file.stat().st_size > 20_000_000
        assert peak < 5_000_000


def _but_id(post: Post) -> Iterator[Any]:
    return (getattr(post, name) for name in Post.__slots__[1:])


WHOLE = json.dumps(export(MESSAGE, message(id="2", attachments=[{"url": "x"}]))).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text('[]{}":,0aeE.-\\u ', max_size=60).map(str.encode))
def test_any_bytes_are_read_without_another_error(file: Path, content: bytes) -> None:
    for whole in (content, WHOLE[:200] + content, WHOLE[:-2] + content):
        file.write_bytes(whole)
        assert all(isinstance(each, Channel | Post | Problem) for each in read_export(file))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.data())
def test_a_changed_export_is_read_without_another_error(file: Path, data: st.DataObject) -> None:
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    file.write_bytes(bytes(changed))
    assert all(isinstance(each, Channel | Post | Problem) for each in read_export(file))


SMALL = st.integers(-(2**62), 2**62)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | SMALL
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*MESSAGE, "reference"]), JSON), JSON)
def test_any_json_in_any_field_is_read_without_another_error(
    file: Path, changed: dict[str, Any], described: Any
) -> None:
    attachments = [{"url": described, "fileName": described, "fileSizeBytes": described}]
    whole = export(message(**changed), message(id="2", attachments=attachments), described)
    posts, problems = read(file, whole)
    assert len(posts) + len({problem.position for problem in problems}) >= 3
