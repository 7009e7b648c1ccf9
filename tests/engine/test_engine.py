"""What the engine promises whoever embeds it, each promise alone, on real journals."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from loguru import logger

from tests.engine.small_workflow import (
    SMALL,
    START,
    THINGS,
    Action,
    Bench,
    Event,
    State,
    finished,
)
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.store.schema import STORE
from workflow.engine.engine import Engine
from workflow.engine.journal import Journal
from workflow.engine.lock import DirectoryLock
from workflow.engine.migrations import ENGINE
from workflow.engine.rows import Recorded, Request
from workflow.engine.workflow import Workflow, WorkflowError
from workflow.errors import (
    ConfigurationError,
    DataDirectoryError,
    DirectoryLockedError,
    JournalClosedError,
    JournalDamagedError,
    JournalForeignError,
    JournalNewerError,
    JournalWriteError,
    StatesRemovedError,
    UnknownEventError,
    UnknownInstanceError,
)
from workflow.ports.work import Answer, Migration, Transaction, Work


@pytest.fixture
def fast_disk() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within it.
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
async def bench(fast_disk: Path) -> AsyncIterator[Bench]:
    made = Bench(fast_disk / "journal.sqlite3")
    await made.open()
    yield made
    assert made.overlaps == []
    assert await made.complaints() == []
    await made.close()


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="DEBUG", format="{message}")
    yield lines
    logger.remove(sink)


# -- commands --------------------------------------------------------------------------------------


async def test_a_command_is_done_once_and_answered_the_same_ever_after(bench: Bench) -> None:
    await bench.add("a")
    first = await bench.send("a", Event.STARTED, "one")
    await bench.clock.settle()
    again = await bench.send("a", Event.STARTED, "one")
    assert [step.event for step in first.steps] == ["STARTED"]
    assert again.steps == first.steps
    assert (first.is_repeat, again.is_repeat) == (False, True)
    await bench.restart()
    assert (await bench.send("a", Event.STARTED, "one")).steps == first.steps
    assert await bench.done_by("a") == 1


async def test_a_refusal_is_kept_for_its_command_as_well(bench: Bench) -> None:
    await bench.add("a")
    refused = await bench.send("a", Event.STOPPED, "one")
    await bench.send("a", Event.STARTED)
    again = await bench.send("a", Event.STOPPED, "one")
    assert refused.refusal == again.refusal == "idle does not answer stopped"
    assert again.steps == []


@pytest.mark.parametrize(("id", "event"), [("a", Event.STOPPED), ("b", Event.STARTED)])
async def test_a_command_id_stands_for_one_request(bench: Bench, id: str, event: Event) -> None:
    await bench.add("a")
    await bench.add("b")
    await bench.send("a", Event.STARTED, "one")
    with pytest.raises(ConfigurationError, match="used for another command"):
        await bench.send(id, event, "one")


async def test_a_refused_event_takes_its_writes_with_it(bench: Bench) -> None:
    await bench.add("a")
    outcome = await bench.send("a", Event.STOPPED, writes=Bench.done("a"))
    assert outcome.refusal
    assert await bench.done_by("a") == 0


async def test_what_is_unknown_is_named(bench: Bench) -> None:
    await bench.add("a")
    with pytest.raises(UnknownInstanceError, match="there is no thing 'b'"):
        await bench.send("b", Event.STARTED)
    with pytest.raises(UnknownInstanceError, match="there are: thing"):
        await bench.engine.send("stone", "a", Request(Event.STARTED, "test"))
    with pytest.raises(UnknownInstanceError, match="no thing 'b'"):
        await bench.engine.look("thing", "b")
    with pytest.raises(UnknownEventError, match="'jumped' is not one of: started"):
        bench.engine.event_named("thing", "jumped")
    with pytest.raises(UnknownInstanceError):
        bench.engine.event_named("stone", "started")
    assert bench.engine.event_named("thing", "started") is Event.STARTED
    assert bench.engine.event_named("thing", "STARTED") is Event.STARTED


def test_a_workflow_without_an_action_is_not_built() -> None:
    with pytest.raises(WorkflowError, match="no function for: work"):
        Workflow(SMALL, lambda _, __, ___: [], {})


async def test_enrolling_again_is_once(bench: Bench) -> None:
    await bench.add("a")
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    before = await bench.instance("a")
    await bench.add("a")
    assert await bench.instance("a") == before


# -- actions ---------------------------------------------------------------------------------------


async def test_a_stale_answer_is_dropped_with_its_writes(bench: Bench) -> None:
    await bench.add("a")
    bench.scripts["a"] = lambda _: asyncio.get_running_loop().create_future()
    await bench.send("a", Event.STARTED)
    entry = (await bench.instance("a")).entry
    await bench.send("a", Event.STOPPED)
    late = Request(Event.FINISHED, "action", Bench.done("a"), entry=entry)
    outcome = await bench.engine.send("thing", "a", late)
    assert "the old answer is dropped" in outcome.refusal
    assert await bench.done_by("a") == 0
    await bench.send("a", Event.STARTED)
    assert (await bench.engine.send("thing", "a", late)).refusal
    assert (await bench.instance("a")).state is State.WORKING


async def test_an_action_starts_only_after_the_last_one_has_ended(bench: Bench) -> None:
    await bench.add("a")
    order: list[str] = []
    may_end = asyncio.Event()

    async def work(work: Work) -> Answer[Event]:
        order.append(f"{work.entry} begins")
        try:
            await asyncio.sleep(3600)
        finally:
            order.append(f"{work.entry} is cancelled")
            await may_end.wait()  # Letting go takes its time.
            order.append(f"{work.entry} ends")
        return finished(work)

    bench.scripts["a"] = work
    await bench.send("a", Event.STARTED)
    await asyncio.sleep(0)
    await bench.send("a", Event.STOPPED)
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert order == ["2 begins", "2 is cancelled"]
    assert (await bench.instance("a")).entry == 4
    may_end.set()
    await bench.clock.settle()
    assert order == ["2 begins", "2 is cancelled", "2 ends", "4 begins"]


async def test_who_was_overtaken_while_waiting_for_its_turn_never_starts(bench: Bench) -> None:
    await bench.add("a")
    begun: list[int] = []
    may_end = asyncio.Event()

    async def work(work: Work) -> Answer[Event]:
        begun.append(work.entry)
        try:
            await asyncio.sleep(3600)
        finally:
            await may_end.wait()
        return finished(work)

    bench.scripts["a"] = work
    for event in (Event.STARTED, Event.STOPPED, Event.STARTED, Event.STOPPED, Event.STARTED):
        await bench.send("a", event)
        await bench.clock.settle()
    before = list(begun)
    may_end.set()
    await bench.clock.settle()
    assert (before, begun) == ([2], [2, 6])


async def test_a_thread_is_joined_before_the_next_action_starts(bench: Bench) -> None:
    await bench.add("a")
    order: list[str] = []
    in_thread, may_end = threading.Event(), threading.Event()

    async def work(work: Work) -> Answer[Event]:
        def blocking() -> None:
            order.append(f"{work.entry} in its thread")
            in_thread.set()
            may_end.wait(10)
            order.append(f"{work.entry} saw the cancellation: {work.is_cancelled()}")

        await work.in_thread(blocking)
        return finished(work)

    bench.scripts["a"] = work
    await bench.send("a", Event.STARTED)
    assert await asyncio.to_thread(in_thread.wait, 10)
    await bench.send("a", Event.STOPPED)
    await bench.send("a", Event.STARTED)
    await asyncio.sleep(0.02)
    assert order == ["2 in its thread"]
    assert bench.engine.is_busy
    may_end.set()
    await bench.clock.settle()
    assert order[1:3] == ["2 saw the cancellation: True", "4 in its thread"]
    assert await bench.done_by("a") == 1


async def test_stopping_joins_threads_and_a_restart_begins_again(bench: Bench) -> None:
    await bench.add("a")
    in_thread, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    async def work(work: Work) -> Answer[Event]:
        def blocking() -> None:
            in_thread.set()
            may_end.wait(10)
            has_ended.set()

        await work.in_thread(blocking)
        return finished(work)

    bench.scripts["a"] = work
    await bench.send("a", Event.STARTED)
    assert await asyncio.to_thread(in_thread.wait, 10)
    asyncio.get_running_loop().call_later(0.05, may_end.set)
    await bench.close()
    assert has_ended.is_set()
    await bench.open()
    await bench.clock.settle()
    assert (bench.started["a"], await bench.done_by("a")) == (2, 1)


async def test_a_failing_action_is_retried_with_back_off_and_then_given_up(bench: Bench) -> None:
    await bench.add("a", plan="!")
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    first = await bench.instance("a")
    assert (first.state, first.attempts, first.answered) == (State.WORKING, 1, False)
    assert first.reason == "WorkFailedError: every attempt fails"
    assert first.due_at is not None
    assert START + 5 <= first.due_at <= START + 10
    await bench.clock.advance_to(first.due_at)
    second = await bench.instance("a")
    assert second.attempts == 2
    assert second.due_at is not None
    assert 10 <= second.due_at - bench.clock.now() <= 20
    await bench.clock.advance(1000)
    gone = await bench.instance("a")
    assert (gone.state, bench.started["a"]) == (State.IDLE, 3)
    assert gone.setbacks[0].failures == 3


async def test_attempts_count_when_an_action_starts(bench: Bench) -> None:
    await bench.add("a")
    bench.scripts["a"] = lambda _: asyncio.get_running_loop().create_future()
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert (await bench.instance("a")).attempts == 1
    await bench.restart()
    await bench.clock.settle()
    assert (await bench.instance("a")).attempts == 2
    await bench.restart()  # A third start in a row is no accident any more.
    await bench.clock.settle()
    loop = await bench.instance("a")
    assert bench.started["a"] == 2
    assert loop.reason == "the process ended 2 times while working"
    assert loop.due_at is not None
    await bench.clock.advance_to(loop.due_at)
    assert bench.started["a"] == 3


@pytest.mark.parametrize("letter", ["!", "w", "c"])
async def test_an_action_that_fails_for_ever_holds_up_no_other(bench: Bench, letter: str) -> None:
    await bench.add("bad", plan=letter)
    for n in range(10):
        await bench.add(f"good {n}")
    await bench.send("bad", Event.STARTED)
    for n in range(10):
        await bench.send(f"good {n}", Event.STARTED)
    await bench.clock.advance(5000)
    assert [await bench.done_by(f"good {n}") for n in range(10)] == [1] * 10
    bad = await bench.instance("bad")
    assert (bad.state, bench.started["bad"], await bench.done_by("bad")) == (State.IDLE, 3, 0)
    assert bad.reason


async def test_an_action_may_send_to_others_and_report(bench: Bench) -> None:
    await bench.add("a")
    await bench.add("b")
    told: list[tuple[str, str, int, int, str]] = []
    forget = bench.engine.on_progress(lambda *one: told.append(one))

    async def work(work: Work) -> Answer[Event]:
        work.report(1, 2, "halves")
        await work.send("thing", "b", Event.STARTED, {}, Bench.done("b"))
        return finished(work)

    bench.scripts["a"] = work
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert told == [("thing", "a", 1, 2, "halves")]
    assert await bench.done_by("b") == 2
    forget()
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert len(told) == 1


# -- one that cannot be looked at ------------------------------------------------------------------


async def test_unreadable_facts_of_one_hold_up_no_other(bench: Bench, log: list[str]) -> None:
    for id in ("a", "bad", "c"):
        await bench.add(id, due_at=START + 100)
    await bench.clock.settle()
    bench.is_broken = lambda id: id == "bad"
    await bench.clock.advance(150)
    assert [await bench.done_by(id) for id in ("a", "bad", "c")] == [1, 0, 1]
    assert bench.clock.failures == []
    assert any("bad cannot be looked at; again in 60" in line for line in log)
    assert (await bench.instance("bad")).due_at == START + 160
    bench.is_broken = lambda _: False
    await bench.clock.advance(10)
    assert await bench.done_by("bad") == 1


async def test_a_raising_guard_of_one_holds_up_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = bench.workflow.read_facts
    for id in ("a", "bad", "c"):
        await bench.add(id, due_at=START + 100)
    await bench.clock.settle()

    def read(tx: Transaction, instances: object, now: float) -> object:
        found = original(tx, instances, now)  # type: ignore[arg-type]
        return [
            replace(facts, is_allowed="perhaps") if one.id == "bad" else facts
            for one, facts in zip(instances, found, strict=True)  # type: ignore[call-overload]
        ]

    object.__setattr__(bench.workflow, "read_facts", read)
    await bench.clock.advance(100)
    assert [await bench.done_by(id) for id in ("a", "bad", "c")] == [1, 0, 1]
    object.__setattr__(bench.workflow, "read_facts", original)
    await bench.clock.advance(60)
    assert await bench.done_by("bad") == 1


async def test_an_instance_that_cannot_be_decided_keeps_no_engine_from_starting(
    bench: Bench,
) -> None:
    await bench.add("bad")
    await bench.add("good", due_at=START + 10)
    bench.scripts["bad"] = lambda _: asyncio.get_running_loop().create_future()
    await bench.send("bad", Event.STARTED)
    await bench.clock.settle()
    await bench.restart()
    bench.is_broken = lambda id: id == "bad"
    await bench.restart()  # Twice interrupted: now its failure would have to be decided.
    await bench.clock.advance(20)
    assert await bench.done_by("good") == 1
    assert (await bench.instance("bad")).state is State.WORKING
    bench.is_broken = lambda _: False
    del bench.scripts["bad"]
    await bench.clock.advance(60)
    assert await bench.done_by("bad") == 1


async def test_a_row_of_an_unknown_state_or_lifecycle_holds_up_no_other(bench: Bench) -> None:
    await bench.add("good", due_at=START + 10)
    await bench.engine.run(
        lambda tx: tx.executemany(
            "INSERT INTO instance VALUES (?, ?, ?, 1, 1, 0, 1, 0, '[]')",
            [("thing", "bad", "DANCING"), *[("stone", str(n), "IDLE") for n in range(1500)]],
        )
    )
    await bench.clock.advance(20)
    assert await bench.done_by("good") == 1
    with pytest.raises(StatesRemovedError, match=r"(?s)stone: 1500 .* thing: 1 .* in DANCING"):
        await bench.restart()


async def test_the_sweep_looks_on_after_a_step_into_another_waiting_state(bench: Bench) -> None:
    await bench.add("a", due_at=START + 10)
    await bench.change("a", "is_allowed", 0)
    await bench.engine.run(lambda tx: tx.execute("UPDATE thing SET rest_until = ?", (START + 50,)))
    await bench.clock.advance(10)
    resting = await bench.instance("a")
    assert (resting.state, resting.due_at) == (State.RESTING, START + 50)
    await bench.engine.run(lambda tx: tx.execute("UPDATE thing SET is_allowed = 1", ()))
    await bench.clock.advance(40)
    assert await bench.done_by("a") == 1


# -- a disk that takes nothing ---------------------------------------------------------------------


class FullDisk:
    """A probe that refuses commits while it is full."""

    def __init__(self) -> None:
        self.is_full = False

    def __call__(self, point: str) -> None:
        if self.is_full and point == "before commit":
            raise sqlite3.OperationalError("database or disk is full")


async def test_a_full_disk_is_an_error_for_callers_and_a_delay_for_answers(fast_disk: Path) -> None:
    disk = FullDisk()
    bench = Bench(fast_disk / "journal.sqlite3", probe=disk)
    await bench.open()
    await bench.add("a", plan="s")
    await bench.send("a", Event.STARTED)
    await bench.clock.advance(29)
    disk.is_full = True
    for refused in (
        bench.send("a", Event.POKED),
        bench.add("b"),
        bench.change("a", "is_allowed", 0),
        bench.engine.run(lambda tx: tx.execute("DELETE FROM thing", ())),
    ):
        with pytest.raises(JournalWriteError, match="nothing was committed"):
            await refused
    await bench.clock.advance(100)  # The action has long answered.
    assert (await bench.instance("a")).state is State.WORKING
    disk.is_full = False
    await bench.clock.advance(64)
    assert ((await bench.instance("a")).state, bench.started["a"]) == (State.IDLE, 1)
    assert await bench.done_by("a") == 1
    await bench.close()


async def test_a_sweep_on_a_full_disk_is_tried_again(fast_disk: Path) -> None:
    disk = FullDisk()
    bench = Bench(fast_disk / "journal.sqlite3", probe=disk)
    await bench.open()
    await bench.add("a", due_at=START + 10)
    await bench.clock.settle()
    disk.is_full = True
    await bench.clock.advance(20)
    disk.is_full = False
    await bench.clock.advance(15)
    assert await bench.done_by("a") == 1
    assert bench.clock.failures == []
    await bench.close()


async def test_a_file_that_may_not_grow_loses_nothing(bench: Bench) -> None:
    await bench.add("a", plan="s")
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    before = await bench.all_steps()
    connection = bench.journal._connection
    await bench.engine.run(
        lambda tx: tx.execute("PRAGMA max_page_count = 1", ()).fetchone()
    )  # SQLite takes the present size instead of a smaller one.
    big = "x" * 1_000_000

    def fill(tx: Transaction) -> None:
        tx.execute("INSERT INTO thing VALUES ('big', ?, 0, 1, NULL, 0)", (big,))

    with pytest.raises(JournalWriteError, match="full"):
        await bench.engine.run(fill)
    assert await bench.all_steps() == before
    await bench.engine.run(lambda tx: tx.execute("PRAGMA max_page_count = 1000000", ()).fetchone())
    await bench.clock.advance(40)
    assert await bench.done_by("a") == 1
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# -- commits ---------------------------------------------------------------------------------------


async def test_pieces_of_one_commit_fail_alone(fast_disk: Path) -> None:
    commits: list[str] = []
    journal = Journal(fast_disk / "journal", ENGINE, probe=commits.append)
    hold, is_held = threading.Event(), threading.Event()

    def block(_: Transaction) -> None:
        is_held.set()
        hold.wait(10)

    def put(key: str, *, and_raise: bool = False) -> Awaitable[str]:
        def query(tx: Transaction) -> str:
            tx.execute("INSERT INTO meta VALUES (?, '')", (key,))
            if and_raise:
                raise LookupError(key)
            return key

        return journal.run(query)

    blocking = asyncio.create_task(journal.run(block))
    assert await asyncio.to_thread(is_held.wait, 10)
    pieces = [
        asyncio.ensure_future(piece)
        for piece in (put("a"), put("b", and_raise=True), put("a"), put("c"))
    ]
    await asyncio.sleep(0)
    hold.set()
    await blocking
    results = await asyncio.gather(*pieces, return_exceptions=True)
    assert results[0] == "a"
    assert isinstance(results[1], LookupError)
    assert isinstance(results[2], sqlite3.IntegrityError)
    assert results[3] == "c"
    assert commits == ["before commit", "after commit"]
    keys = await journal.run(lambda tx: tx.execute("SELECT key FROM meta ORDER BY key").fetchall())
    assert keys == [("a",), ("c",)]
    journal.close()


async def test_a_cancelled_caller_undoes_nothing(bench: Bench) -> None:
    await bench.add("a")
    sending = asyncio.create_task(bench.send("a", Event.STARTED))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await bench.clock.settle()
    assert await bench.done_by("a") == 1


async def test_a_closed_journal_answers_everybody(fast_disk: Path) -> None:
    class EndError(BaseException):
        pass

    def die(_: Transaction) -> None:
        raise EndError

    journal = Journal(fast_disk / "journal", ENGINE)
    waiting = [asyncio.ensure_future(journal.run(die)) for _ in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in results] == [JournalClosedError] * 3
    with pytest.raises(JournalClosedError):
        await journal.run(die)
    with pytest.raises(JournalClosedError):
        journal.run_blocking(die)
    journal.close()
    journal.close()


# -- listening -------------------------------------------------------------------------------------


async def heard(bench: Bench, after: int, count: int) -> list[Recorded]:
    found: list[Recorded] = []
    async with aclosing(bench.engine.follow(after)) as steps:
        async for step in steps:
            found.append(step)
            if len(found) == count:
                break
    return found


async def test_who_follows_hears_the_end_when_the_engine_stops(bench: Bench) -> None:
    await bench.add("a")
    following = asyncio.create_task(heard(bench, 0, 99))
    await bench.clock.settle()
    await bench.engine.stop()
    assert await following == []


async def test_signals_are_followed_without_gaps_or_repeats_from_any_number(bench: Bench) -> None:
    await bench.add("a")
    for _ in range(3):
        await bench.send("a", Event.STARTED)
        await bench.clock.settle()
    whole = await heard(bench, 0, 6)
    assert [step.signals[0]["type"] for step in whole] == ["thing.begun", "thing.ended"] * 3
    assert all(left.seq < right.seq for left, right in pairwise(whole))
    for seq in range(whole[-1].seq):
        behind = [step for step in whole if step.seq > seq]
        assert await heard(bench, seq, len(behind)) == behind
    live = asyncio.create_task(heard(bench, whole[-1].seq, 2))
    await bench.clock.settle()
    assert not live.done()
    await bench.send("a", Event.STARTED)
    assert [step.event for step in await live] == ["STARTED", "FINISHED"]


async def test_a_listener_who_comes_back_after_a_restart_misses_nothing(bench: Bench) -> None:
    await bench.add("a")
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    seen = (await heard(bench, 0, 1))[-1].seq
    await bench.restart()
    await bench.send("a", Event.STARTED)
    events = [step.event for step in await heard(bench, seen, 3)]
    assert events == ["FINISHED", "STARTED", "FINISHED"]


async def test_listeners_and_the_log_hear_of_committed_steps(bench: Bench, log: list[str]) -> None:
    await bench.add("a")
    steps: list[Recorded] = []
    forget = bench.engine.on_step(steps.append)
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert steps == await bench.all_steps()
    assert [(step.source, step.target) for step in steps] == [
        ("IDLE", "WORKING"),
        ("WORKING", "IDLE"),
    ]
    assert any("a: idle --started--> working" in line for line in log)
    forget()
    await bench.send("a", Event.POKED)
    assert len(steps) == 2


async def test_a_raising_listener_disturbs_nobody(bench: Bench, log: list[str]) -> None:
    await bench.add("a")
    heard: list[Recorded] = []

    def fails(_: Recorded) -> None:
        raise LookupError("this listener is broken")

    bench.engine.on_step(fails)
    bench.engine.on_step(heard.append)
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    assert await bench.done_by("a") == 1
    assert [step.event for step in heard] == ["STARTED", "FINISHED"]
    assert any("this listener is broken" in line or "a listener failed" in line for line in log)


# -- the journal's file ----------------------------------------------------------------------------


def test_a_damaged_file_is_named(fast_disk: Path) -> None:
    path = fast_disk / "journal"
    journal = Journal(path, ENGINE)
    journal.run_blocking(
        lambda tx: tx.executemany(
            "INSERT INTO meta VALUES (?, ?)", [(str(n), "x" * 500) for n in range(200)]
        )
    )
    journal.close()
    whole = path.read_bytes()
    for damage in (
        b"this is no database, but a text of more than a few bytes" * 100,
        whole[: len(whole) // 2],
        whole[:16384] + b"\xff" * 4096 + whole[20480:],
    ):
        path.write_bytes(damage)
        with pytest.raises(JournalDamagedError) as caught:
            Journal(path, ENGINE)
        assert str(path) in str(caught.value)
        assert path.read_bytes() == damage


def test_another_program_s_database_is_left_alone(fast_disk: Path) -> None:
    path = fast_disk / "journal"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalForeignError, match="another program"):
        Journal(path, ENGINE)
    assert path.read_bytes() == before


def test_a_newer_journal_is_left_alone(fast_disk: Path) -> None:
    path = fast_disk / "journal"
    newer = Migration("engine", 2, ("CREATE TABLE future (a)",))
    Journal(path, (*ENGINE, newer)).close()
    with pytest.raises(JournalNewerError, match="version 2, this program knows version 1"):
        Journal(path, ENGINE)
    Journal(path, (*ENGINE, newer)).close()


def test_a_file_that_cannot_be_opened_is_named(fast_disk: Path) -> None:
    for path in (fast_disk / "missing" / "journal", fast_disk):
        with pytest.raises(JournalDamagedError, match="cannot be opened"):
            Journal(path, ENGINE)


def test_a_directory_that_cannot_be_written_is_named(fast_disk: Path) -> None:
    (fast_disk / "file").write_text("in the way")
    with pytest.raises(DataDirectoryError, match="cannot be written"):
        DirectoryLock(fast_disk / "file" / "data", "test")


def test_a_directory_has_one_holder(fast_disk: Path) -> None:
    lock = DirectoryLock(fast_disk, "the first")
    with pytest.raises(DirectoryLockedError, match="the first"):
        DirectoryLock(fast_disk, "the second")
    lock.release()
    lock.release()
    DirectoryLock(fast_disk, "the second").release()


# -- migrations ------------------------------------------------------------------------------------

GROWN = (
    *ENGINE,
    *THINGS,
    Migration(
        "engine",
        2,
        (
            "ALTER TABLE history ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'",
            "CREATE TABLE extra (a)",
        ),
    ),
    Migration("engine", 3, ("INSERT INTO extra SELECT count(*) FROM history",)),
)


async def with_history(path: Path) -> list[Recorded]:
    bench = Bench(path)
    await bench.open()
    await bench.add("a")
    await bench.send("a", Event.STARTED)
    await bench.clock.settle()
    steps = await bench.all_steps()
    await bench.close()
    return steps


def content(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


async def test_an_older_journal_is_brought_up_to_date_and_goes_on(fast_disk: Path) -> None:
    path = fast_disk / "journal"
    steps = await with_history(path)
    journal = Journal(path, GROWN)
    found = journal.run_blocking(
        lambda tx: (
            tx.execute("SELECT mood FROM history", ()).fetchall(),
            tx.execute("SELECT a FROM extra", ()).fetchall(),
            tx.execute("SELECT number FROM schema_version WHERE component = 'engine'").fetchall(),
        )
    )
    journal.close()
    assert found == ([("calm",)] * len(steps), [(len(steps),)], [(3,)])
    Journal(path, GROWN).close()  # Each is applied once.


async def test_a_component_that_comes_later_starts_with_its_first_migration(
    fast_disk: Path,
) -> None:
    path = fast_disk / "journal"
    await with_history(path)
    journal = Journal(path, (*ENGINE, *THINGS, *STORE))
    assert journal.run_blocking(lambda tx: tx.execute("SELECT * FROM community").fetchall()) == []
    journal.close()


@pytest.mark.parametrize("at", [1, 2])
async def test_a_failing_migration_leaves_the_old_schema(fast_disk: Path, at: int) -> None:
    path = fast_disk / "journal"
    await with_history(path)
    before = content(path)
    broken = Migration(
        "engine", at + 1, ("CREATE TABLE more (a)", "INSERT INTO nowhere VALUES (1)")
    )
    with pytest.raises(JournalWriteError, match="could not be brought up to date"):
        Journal(path, (*GROWN[: at + 1], broken))
    assert content(path) == before
    Journal(path, GROWN).close()


async def test_a_crash_during_a_migration_leaves_the_old_schema(fast_disk: Path) -> None:
    path = fast_disk / "journal"
    await with_history(path)
    before = content(path)
    statements = [one for migration in GROWN[2:] for one in migration.statements]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements:
        connection.execute(statement)
    connection.close()  # Without a commit, as a process that is killed.
    assert content(path) == before


# -- memory ----------------------------------------------------------------------------------------


async def test_a_journal_in_memory_does_as_well() -> None:
    bench = Bench()
    await bench.open()
    await bench.add("a", plan="rf")
    await bench.send("a", Event.STARTED)
    await bench.clock.advance(200)
    assert await bench.done_by("a") == 2
    assert [step.target for step in await bench.steps("a")] == [
        "WORKING",
        "RESTING",
        "WORKING",
        "IDLE",
    ]
    await bench.close()


async def test_before_the_start_events_are_only_taken(fast_disk: Path) -> None:
    bench = Bench(fast_disk / "journal")
    await bench.open()
    await bench.add("a")
    await bench.close()
    journal = Journal(fast_disk / "journal", (*ENGINE, *THINGS))
    workflow = Workflow(SMALL, bench.read_facts, {Action.WORK: bench.work})
    engine = Engine(journal, ManualClock(START), [workflow])
    await engine.send("thing", "a", Request(Event.STARTED, "test"))
    await asyncio.sleep(0)
    assert bench.started["a"] == 0
    with suppress(JournalClosedError):
        await engine.stop()
    journal.close()
