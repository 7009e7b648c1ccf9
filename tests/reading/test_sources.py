"""Sources, and what a reader makes of them. Strangers wrote the messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import CHAT_ID, COMMUNITY_ID, posts, sign_digest
from tests.faces import chatter
from workflow import exporting, sources
from workflow.archive.message import ArchivedMessage
from workflow.archive.windows import Window
from workflow.chat.payload import archived
from workflow.chat.post import Author, Channel, Post
from workflow.exporting import export
from workflow.importing import read_discord
from workflow.sources import Reader, backwards
from workflow.stored import ALWAYS
from workflow.waku.chats import topic_of

OTHER_CHAT = COMMUNITY_ID + "22222222-2222-2222-2222-222222222222"
TIME_MS = 1_700_000_000_250


@dataclass
class Told:
    """A source of what a test tells it."""

    said: Sequence[ArchivedMessage] = ()
    name: str = "told"
    community: str = COMMUNITY_ID
    channels: tuple[Channel, ...] = ()
    problems: list[str] = field(default_factory=list)

    def newest(self) -> int:
        return max((one.timestamp for one in self.said), default=-1)

    def messages(self, window: Window = ALWAYS) -> Iterator[ArchivedMessage]:
        return (one for one in self.said if one.timestamp in window)


def message(id: str, time_ms: int, chat_id: str = CHAT_ID, text: str = "") -> ArchivedMessage:
    post = Post(id, chat_id, Author("1", "ann"), time_ms, text)
    return archived(post, COMMUNITY_ID, chat_id, sign_digest)


def ids(reader: Reader, messages: Sequence[ArchivedMessage]) -> list[str]:
    return [post.id for _, post in reader.posts(messages)]


@given(st.integers(0, 2**40), st.integers(-(2**40), 2**40), st.integers(1, 2**40))
def test_going_backwards_misses_no_second_and_takes_none_twice(
    newest: int, start: int, length: int
) -> None:
    source = Told([replace(message("1", 0), timestamp=newest)])
    window = Window(start, start + length)
    parts = list(backwards(source, window))
    assert all(part.start < part.end for part in parts)
    assert all(later.start == earlier.end for later, earlier in pairwise(parts))
    first, end = max(start, 0), min(start + length, newest + 1)
    if first < end:
        assert (parts[-1].start, parts[0].end) == (first, end)
        assert len(parts) < 50
    else:
        assert parts == []


def test_nothing_has_no_newest() -> None:
    assert list(backwards(Told())) == []


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30))
def test_within_a_second_milliseconds_count(times: list[int]) -> None:
    made = [message(str(n), TIME_MS + time) for n, time in enumerate(times)]
    made.sort(key=lambda one: one.timestamp)
    shown = [post.time_ms for _, post in Reader(Told()).posts(made)]
    assert shown == sorted(TIME_MS + time for time in times)


@pytest.mark.parametrize("limit", [("TOGETHER", 2), ("TOGETHER_BYTES", 1)])
def test_a_crowded_second_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, limit: tuple[str, int]
) -> None:
    monkeypatch.setattr(sources, *limit)
    made = [message(str(n), TIME_MS + 100 - n) for n in range(6)]
    together = sources.TOGETHER if limit[0] == "TOGETHER" else 1
    expected = [
        str(n) for first in range(0, 6, together) for n in reversed(range(first, first + together))
    ]
    assert ids(Reader(Told()), made) == expected


def test_channels_are_told_apart_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_CHANNELS", 1)
    reader = Reader(Told())
    made = [message("1", TIME_MS), message("2", TIME_MS, OTHER_CHAT), message("3", TIME_MS + 5)]
    assert ids(reader, made) == ["1", "3"]
    assert reader.unreadable == {"of too many channels": 1}
    assert [one.name for one in reader.channels.values()] == ["11111111"]


def test_a_channel_that_is_known_keeps_its_name() -> None:
    reader = Reader(Told(channels=(Channel(CHAT_ID, "general"),)))
    assert ids(reader, [message("1", TIME_MS), message("2", TIME_MS, OTHER_CHAT)]) == ["1", "2"]
    assert [one.name for one in reader.channels.values()] == ["general", "22222222"]


@pytest.mark.parametrize(
    ("chat_id", "community", "reason", "name"),
    [
        ("", "", None, topic_of("").hex()),
        ("room", "", None, "room"),
        ("room", COMMUNITY_ID, "of another community", ""),
        (COMMUNITY_ID + "x" * 133, COMMUNITY_ID, "malformed", ""),
        (COMMUNITY_ID + "x" * 132, COMMUNITY_ID, None, "xxxxxxxx"),
    ],
)
def test_what_a_message_claims_to_stand_in(
    chat_id: str, community: str, reason: str | None, name: str
) -> None:
    reader = Reader(Told(community=community))
    made = chatter.said("hello", TIME_MS // 1000, chat_id)
    (said,) = reader.read([made])
    assert said.message == made
    if reason is None:
        assert said.post is not None
        assert reader.channels[said.post.channel].name == name[:8]
        assert not reader.unreadable
    else:
        assert said.post is None
        assert reader.unreadable == {reason: 1}


@pytest.mark.parametrize("format", ["jsonl", "html"])
def test_it_is_told_how_far_an_export_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format: Literal["jsonl", "html"]
) -> None:
    monkeypatch.setattr(exporting, "STEP", 2)
    told: list[tuple[int, int, str]] = []
    made = [message(str(n), TIME_MS + n) for n in range(5)]
    export(Told(made), format, tmp_path / "out", lambda *how_far: told.append(how_far))
    assert (
        told
        == {
            "jsonl": [(2, 0, "messages"), (4, 0, "messages")],
            "html": [(2, 0, "messages read"), (4, 0, "messages read"), (5, 5, "messages written")],
        }[format]
    )


CHATS = st.sampled_from([CHAT_ID, OTHER_CHAT])


@given(st.lists(st.tuples(posts(), CHATS), max_size=12, unique_by=lambda pair: pair[0].id))
def test_what_is_exported_channel_by_channel_is_what_was_read(
    made: list[tuple[Post, str]],
) -> None:
    messages = [archived(one, COMMUNITY_ID, chat, sign_digest) for one, chat in made]
    source = Told(sorted(messages, key=lambda one: one.timestamp))
    expected = [post for _, post in Reader(source).posts(source.messages())]
    with TemporaryDirectory() as scratch:
        report = export(source, "discord-json", Path(scratch) / "out")
        items = list(read_discord([Path(scratch) / "out"])) if expected else []
    found = [one for one in items if isinstance(one, Post)]
    assert report.messages == len(found) == len(expected)
    for chat in (CHAT_ID, OTHER_CHAT):
        assert [one for one in found if one.channel == chat] == [
            one for one in expected if one.channel == chat
        ]
