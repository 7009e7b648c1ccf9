"""Messages as lines for a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.sample_posts import CHAT_ID
from workflow.archive.message import ArchivedMessage
from workflow.chat.plain import safe
from workflow.chat.post import Attachment, Author, Channel, Post, Reference
from workflow.cli import transcript
from workflow.cli.transcript import Transcript
from workflow.cli.words import size

MESSAGE = ArchivedMessage(b"", 1_700_000_000, bytes(4), b"", b"", bytes(32))
TARGET = Post("1", CHAT_ID, Author("1", "ann"), 0, "first line\nsecond line")


def line_of(post: Post, *before: Post, channel: str = "general") -> str:
    made = Transcript({CHAT_ID: Channel(CHAT_ID, channel)})
    for one in before:
        made.remember(one)
    (line,) = made.lines([(MESSAGE, post)], is_coloured=False)
    return line


def post(text: str = "", kind: str = "Default", reply_to: str = "", name: str = "bob") -> Post:
    reference = Reference(reply_to) if reply_to else None
    return Post("2", CHAT_ID, Author("2", name), 0, text, kind, reference)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("Reply", "yes", "(to ann: first line) yes"),
        ("Edit", "better", "(edits ann: first line) better"),
        ("Delete", "", "(deletes ann: first line)"),
        ("ChannelPinnedMessage", "", "(pins ann: first line)"),
        ("Unpin", "", "(unpins ann: first line)"),
        ("Reaction", "👍", "(reacts to ann: first line) 👍"),
        ("ReactionRemoved", "👍", "(takes back a reaction to ann: first line) 👍"),
        ("Default", "", "(no text)"),
        ("GuildMemberJoin", "", "(GuildMemberJoin)"),
        ("Default", "<a:party:123> <:ok:4> <@5>", ":party: :ok: <@5>"),
    ],
)
def test_what_a_message_does_is_told_briefly(kind: str, text: str, shown: str) -> None:
    line = line_of(post(text, kind, "1"), TARGET)
    assert line == f"2023-11-14 22:13:20  #general  bob  {shown}"


def test_what_is_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "REMEMBERED", 1)
    later = Post("3", CHAT_ID, Author("3", "eve"), 0, "later")
    assert line_of(post("yes", "Reply", "1"), TARGET, later).endswith("(to an earlier message) yes")
    assert line_of(post("yes", "Reply", "3"), TARGET, later).endswith("(to eve: later) yes")


def test_names_that_are_too_long_are_cut_and_wide_ones_stay_in_line() -> None:
    assert line_of(post("x", name="b" * 17), channel="c" * 20) == (
        f"2023-11-14 22:13:20  #{'c' * 18}…  {'b' * 15}…  x"
    )
    made = Transcript({CHAT_ID: Channel(CHAT_ID, "general")})
    lines = made.lines(
        [(MESSAGE, post("x", name="花花")), (MESSAGE, post("x", name="anna"))], is_coloured=False
    )
    assert [line[31:] for line in lines] == ["花花  x", "anna  x"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_345_678, "2.3 MB"),
     (9_000_000_000_000, "9,000.0 GB")],
)  # fmt: skip
def test_sizes_are_for_people(count: int, shown: str) -> None:
    assert size(count) == shown


ANY_TEXT = st.text(st.characters())


@given(ANY_TEXT)
def test_no_text_reaches_the_terminal_as_a_command(text: str) -> None:
    for character in safe(text):
        assert unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        }  # fmt: skip


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_no_part_of_a_message_begins_a_line(text: str, name: str, channel: str, file: str) -> None:
    said = Post(
        "2", CHAT_ID, Author("2", name), 0, text, "Reply", Reference("1"), None,
        (Attachment("1", file),),
    )  # fmt: skip
    target = Post("1", CHAT_ID, Author("1", name), 0, text)
    first, *others = line_of(said, target, channel=channel).split("\n")
    assert first.startswith("2023-11-14 22:13:20  #")
    for line in (first, *others):
        assert line == safe(line)
    assert all(line.startswith(" " * 22) or not line for line in others)
