"""The inbox from within: what happens when things go wrong between two processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workflow.adapters.clock.manual import ManualClock
from workflow.engine.inbox import UNCLAIMED_AFTER, Command, Inbox, ask, drain, serve
from workflow.engine.rows import Outcome, Recorded
from workflow.errors import (
    CommandUnansweredError,
    ConfigurationError,
    DataDirectoryError,
    DirectoryLockedError,
    JournalClosedError,
    JournalDamagedError,
    UnknownInstanceError,
)

STEP = Recorded(
    7, "community", "c", "SWITCHED_OFF", "IDLE", "OFF", 3, "idle --> off", "", "operator", 5.0,
    "x", ({"type": "t"},), {"from": 1},
)  # fmt: skip


def command(id: str = "x", event: str = "switched_off", at: float = 5.0) -> Command:
    return Command(id, "community", "c", event, "operator", at)


def failing(error: Exception) -> Callable[[Command], Awaitable[Outcome]]:
    async def perform(_: Command) -> Outcome:
        raise error

    return perform


async def done(_: Command) -> Outcome:
    return Outcome([STEP], is_repeat=True)


async def told(inbox: Inbox, perform: Callable[[Command], Awaitable[Outcome]]) -> Outcome:
    """Ask with nobody running, so that the asker performs by itself."""

    async def take_over() -> None:
        await drain(inbox, perform)

    return await ask(inbox, command(), take_over, ManualClock(), 1.0)


async def test_an_outcome_crosses_the_inbox_unchanged(tmp_path: Path) -> None:
    outcome = await told(Inbox(tmp_path), done)
    assert outcome == Outcome([STEP], is_repeat=True)


async def test_a_named_error_crosses_the_inbox_as_what_it_is(tmp_path: Path) -> None:
    error = UnknownInstanceError("there is no community 'c'", place="c")
    with pytest.raises(UnknownInstanceError) as raised:
        await told(Inbox(tmp_path), failing(error))
    assert raised.value.explained() == error.explained()


async def test_a_bug_is_an_answer_too(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the command failed: ZeroDivisionError: oh") as raised:
        await told(Inbox(tmp_path), failing(ZeroDivisionError("oh")))
    assert type(raised.value).__name__ == "CommunityArchivesError"


async def test_who_cannot_take_over_takes_the_command_back(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)

    async def take_over() -> None:
        raise JournalDamagedError("broken")

    with pytest.raises(JournalDamagedError):
        await ask(inbox, command(), take_over, ManualClock(), 1.0)
    assert inbox.unanswered() == []


async def test_who_waits_in_vain_leaves_the_command(tmp_path: Path) -> None:
    inbox, clock = Inbox(tmp_path), ManualClock()

    async def take_over() -> None:
        raise DirectoryLockedError("in use by process 1")

    asking = asyncio.create_task(ask(inbox, command(), take_over, clock, 3.0))
    await clock.advance(4.0)
    with pytest.raises(CommandUnansweredError, match="no answer within 3 s; in use by process 1"):
        await asking
    assert inbox.unanswered() == [command()]


async def test_two_who_ask_with_one_id_both_hear(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.put(command())
    await drain(inbox, done)
    assert inbox.take_answer("x") is not None
    assert await told(inbox, done) == Outcome([STEP], is_repeat=True)


async def test_a_holder_that_ends_leaves_the_command(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.put(command())
    await serve(inbox, failing(JournalClosedError()), ManualClock())
    assert inbox.unanswered() == [command()]


async def test_the_holder_looks_ten_times_a_second(tmp_path: Path) -> None:
    inbox, clock = Inbox(tmp_path), ManualClock()
    serving = asyncio.create_task(serve(inbox, done, clock))
    while (tmp_path / "inbox.sqlite3").exists() or not inbox.unanswered():
        inbox.put(command())
        await asyncio.sleep(0.01)
        await clock.advance(0.1)
        if not inbox.unanswered():
            break
    assert inbox.take_answer("x") is not None
    serving.cancel()


async def test_an_inbox_that_cannot_be_read_is_looked_at_again(tmp_path: Path) -> None:
    inbox, clock = Inbox(tmp_path), ManualClock()
    (tmp_path / "inbox.sqlite3").mkdir()
    serving = asyncio.create_task(serve(inbox, done, clock))
    for _ in range(5):
        await asyncio.sleep(0.01)
        await clock.advance(11.0)
    assert not serving.done()
    (tmp_path / "inbox.sqlite3").rmdir()
    inbox.put(command())
    while inbox.unanswered():
        await asyncio.sleep(0.01)
        await clock.advance(11.0)
    serving.cancel()


def test_the_same_command_is_one_and_another_is_refused(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.put(command())
    inbox.put(command(at=9.0))
    assert inbox.unanswered() == [command()]
    with pytest.raises(ConfigurationError, match="used for another command"):
        inbox.put(command(event="switched_on"))


def test_commands_are_answered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for name in ("c", "a", "b"):
        inbox.put(command(name))
    assert [one.id for one in inbox.unanswered()] == ["c", "a", "b"]


async def test_answers_that_nobody_takes_are_thrown_away(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.forget_unclaimed(100.0)
    inbox.put(command("old", at=1.0))
    inbox.put(command("new", at=200.0))
    await drain(inbox, done)
    inbox.put(command("waiting", at=1.0))
    inbox.forget_unclaimed(100.0)
    assert inbox.take_answer("old") is None
    assert inbox.take_answer("new") is not None
    assert [one.id for one in inbox.unanswered()] == ["waiting"]
    assert UNCLAIMED_AFTER > 3600


def test_a_damaged_inbox_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "inbox.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataDirectoryError, match="the inbox cannot be used") as raised:
        Inbox(tmp_path).put(command())
    assert "deleted" in raised.value.explained()


async def test_whatever_is_left_after_a_look_is_found_by_the_next(tmp_path: Path) -> None:
    looking, asking = Inbox(tmp_path), Inbox(tmp_path)
    assert looking.unanswered() == []
    for number in range(100):
        asking.put(command(id=f"c{number}"))
        assert [one.id for one in looking.unanswered()] == [f"c{number}"]
        looking.answer(f"c{number}", "{}")
        assert looking.unanswered() == []
        assert looking.unanswered() == []
        asking.withdraw(f"c{number}")


async def test_an_inbox_that_is_made_anew_is_looked_at(tmp_path: Path) -> None:
    looking, asking = Inbox(tmp_path), Inbox(tmp_path)
    asking.put(command())
    asking.withdraw("x")
    assert looking.unanswered() == []
    (tmp_path / "inbox.sqlite3").unlink()
    assert looking.unanswered() == []
    asking.put(command())
    assert looking.unanswered() == [command()]


async def test_what_a_dead_asker_had_half_written_hides_nothing(tmp_path: Path) -> None:
    """Its undoing sets the count of commits back, and the next commit has the same count again."""
    looking, asking = Inbox(tmp_path), Inbox(tmp_path)
    asking.put(command())
    asking.withdraw("x")
    path, journal = tmp_path / "inbox.sqlite3", tmp_path / "inbox.sqlite3-journal"
    dying = sqlite3.connect(path, isolation_level=None)
    dying.execute("PRAGMA cache_spill=1")
    dying.execute("PRAGMA cache_size=1")
    dying.execute("BEGIN IMMEDIATE")
    for number in range(50):
        dying.execute(
            "INSERT INTO command VALUES (?, 'community', 'c', 'e', 'a', 1, ?, NULL)",
            (f"half {number}", "x" * 4000),
        )
    half, undo = path.read_bytes(), journal.read_bytes()
    dying.execute("ROLLBACK")
    dying.close()
    path.write_bytes(half)
    journal.write_bytes(undo)
    assert looking.unanswered() == []
    asking.put(command())
    assert looking.unanswered() == [command()]
