"""Pages of unarchived messages: together they are the chunks that the specification asks for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.archive import codec
from workflow.archive.codec import Filling, Measure, chunked, framed
from workflow.archive.message import EncodedMessage
from workflow.archive.windows import Window
from workflow.errors import ArchiveInvalidError
from workflow.ports.records import Page, Place
from workflow.ports.work import Transaction

WINDOW = Window(0, 100)
SMALL = Measure(30, 60)
FEW = 4
MESSAGES = st.lists(
    st.builds(
        lambda time, topic, weight, padding: (time, topic, Measure(weight, weight + padding)),
        st.integers(0, 99),
        st.sampled_from((b"aaaa", b"bbbb")),
        st.integers(0, 30),
        st.integers(1, 30),
    ),
    max_size=12,
)


def opened(messages: list[tuple[int, bytes, Measure]]) -> sqlite3.Connection:
    """A store with messages of these times, topics and measures; each has bytes of its own."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in STORE[0].statements:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO community (number, id, name, control_key, control_device, control_epoch,"
        " claimed_epoch, interval, is_enabled, is_encrypted, generation, candidate, condition)"
        " VALUES (7, 'c', '', x'', '', 0, 0, 100, 1, 0, 0, 0, '')"
    )
    SqliteStore().add_messages(
        cast("Transaction", connection),
        "c",
        [
            EncodedMessage(
                time, topic, bytes([number]) * measure.length, bytes([number]), measure.weight, None
            )
            for number, (time, topic, measure) in enumerate(messages)
        ],
        now=0.0,
    )
    return connection


def page(
    connection: sqlite3.Connection, after: Place, filling: Filling, *, at_least: int, through: int
) -> Page:
    return SqliteStore().unarchived(
        cast("Transaction", connection),
        "c",
        WINDOW,
        after=after,
        through=through,
        at_least=at_least,
        filling=filling,
    )


def archives(
    connection: sqlite3.Connection, *, at_least: int, through: int = 1000
) -> Iterator[bytes]:
    """What the pages come to, archive by archive."""
    filling, last, framed = Filling(), Place(WINDOW.start, b"", 0), b""
    while True:
        found = page(connection, last, filling, at_least=at_least, through=through)
        if found.framed:
            framed, filling, last = framed + found.framed, found.filling, found.last
        elif filling.count:
            yield framed
            filling, framed = Filling(), b""
        else:
            return


@given(MESSAGES, st.integers(1, 200), st.integers(0, 12))
def test_pages_of_any_size_give_the_chunks_of_the_specification(
    messages: list[tuple[int, bytes, Measure]], at_least: int, through: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, closing(opened(messages)) as connection:
        patch.setattr(codec.Filling.takes, "__defaults__", (1, SMALL.weight))
        patch.setattr(codec, "MAX_CHUNK_LENGTH", SMALL.length)
        patch.setattr(codec, "MAX_MESSAGES", FEW)
        stored = sorted(
            (time, topic, number, measure)
            for number, (time, topic, measure) in enumerate(messages[:through])
        )
        kept, dropped = chunked(stored, lambda one: one[3], SMALL.weight)
        expected = [
            framed(bytes([number]) * measure.length for _, _, number, measure in chunk)
            for chunk in kept
        ]
        assert not dropped
        assert list(archives(connection, at_least=at_least, through=through)) == expected


def test_a_message_that_fits_nowhere_is_named() -> None:
    messages = [(1, b"aaaa", Measure(1, 1)), (0, b"aaaa", Measure(codec.MAX_CHUNK_WEIGHT + 1, 1))]
    with (
        closing(opened(messages)) as connection,
        pytest.raises(ArchiveInvalidError, match="too large for any archive") as caught,
    ):
        list(archives(connection, at_least=1000))
    assert caught.value.place == "message 2"


def test_a_message_whose_bytes_are_gone_is_named() -> None:
    with closing(opened([(0, b"aaaa", SMALL), (1, b"aaaa", SMALL)])) as connection:
        connection.execute("UPDATE message SET encoded = NULL WHERE sequence = 2")
        with pytest.raises(ArchiveInvalidError, match="are gone") as caught:
            list(archives(connection, at_least=1000))
    assert caught.value.place == "message 2"
