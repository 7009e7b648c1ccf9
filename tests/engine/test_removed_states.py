"""A table has changed while instances were in a state that it no longer has."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY, Lifecycle
from states.community import State as CommunityState
from states.node import NODE
from tests.engine.small_workflow import (
    SMALL,
    START,
    THINGS,
    Bench,
    Event,
    SimulatedCrash,
    State,
)
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.store.schema import STORE
from workflow.engine.history import replay, steps_after, steps_of
from workflow.engine.holding import hold
from workflow.engine.journal import Probe, no_probe
from workflow.engine.migrations import ENGINE
from workflow.engine.reading import ReadOnlyJournal
from workflow.engine.removed_states import AnyLifecycle, Stranded, move_stranded
from workflow.engine.rows import Recorded
from workflow.errors import JournalClosedError, JournalWriteError, StatesRemovedError
from workflow.overlays import counts_of_all, way_of
from workflow.ports.work import Transaction
from workflow.testing.world import World

TODAY = replace(
    SMALL, renamed={"DANCING": State.WORKING, "NAPPING": State.RESTING, "DREAMING": State.IDLE}
)


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A data directory in which an earlier table has left 'd', 'n' and 'e', each after a step."""
    bench = Bench(tmp_path / "journal.sqlite3")
    await bench.open()
    for id in ("d", "e", "n", "sound"):
        await bench.add(id)
        await bench.send(id, Event.POKED)
    await bench.close()
    with closing(hold(tmp_path, "test", THINGS, START)) as held:
        held.commit(
            lambda tx: tx.executemany(
                "UPDATE instance SET state = ?, entry = 3, attempts = 2, due_at = 9e9,"
                ' setbacks = \'[["DANCING", 4, 1, 9e9, "old"]]\' WHERE id = ?',
                [("DANCING", "d"), ("NAPPING", "n"), ("DREAMING", "e")],
            )
        )
        held.commit(
            lambda tx: tx.execute("UPDATE history SET source = 'DANCING' WHERE id = 'd'", ())
        )
    return tmp_path


def moved(
    folder: Path, table: Lifecycle[Any, Any, Any, Any, Any] = TODAY, probe: Probe = no_probe
) -> list[Stranded]:
    with closing(hold(folder, "migrate", THINGS, START, probe=probe)) as held:
        return held.commit(lambda tx: move_stranded(tx, [table], START + 5))


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with ReadOnlyJournal(folder / "journal.sqlite3", (*ENGINE, *THINGS)) as journal:
        return journal.run(
            lambda tx: (
                tx.execute("SELECT * FROM instance ORDER BY id", ()).fetchall()
                + tx.execute("SELECT * FROM history ORDER BY seq", ()).fetchall()
            )
        )


def history(folder: Path) -> list[Recorded]:
    with ReadOnlyJournal(folder / "journal.sqlite3", (*ENGINE, *THINGS)) as journal:
        return journal.run(lambda tx: steps_after(tx, 0))


# -- start -----------------------------------------------------------------------------------------


async def test_nothing_starts_beside_them_and_all_are_listed(old: Path) -> None:
    before = rows(old)
    bench = Bench(old / "journal.sqlite3", table=replace(TODAY, renamed={"NAPPING": State.IDLE}))
    with pytest.raises(StatesRemovedError) as caught:
        await bench.open()
    await bench.close()
    assert caught.value.message.splitlines()[1:] == [
        "  - thing: 1 instance is in DANCING; nothing says where to go on",
        "  - thing: 1 instance is in DREAMING; nothing says where to go on",
        "  - thing: 1 instance is in NAPPING; to go on in IDLE",
    ]
    assert "name in 'renamed'" in caught.value.advice
    assert rows(old) == before
    assert bench.started.total() == 0


async def test_who_only_has_to_move_them_is_told_how(old: Path) -> None:
    bench = Bench(old / "journal.sqlite3", table=TODAY)
    with pytest.raises(StatesRemovedError) as caught:
        await bench.open()
    assert "migrate --apply" in caught.value.advice
    with pytest.raises(StatesRemovedError, match="thing has no state DANCING any more"):
        await bench.instance("d")
    await bench.close()


# -- moving ----------------------------------------------------------------------------------------


async def test_they_enter_the_new_state_like_any_other(old: Path) -> None:
    assert moved(old) == [
        Stranded("thing", "DANCING", 1, "WORKING"),
        Stranded("thing", "DREAMING", 1, "IDLE"),
        Stranded("thing", "NAPPING", 1, "RESTING"),
    ]
    columns = {row[1]: row[2:] for row in rows(old) if row[0] == "thing"}
    assert columns["d"] == ("WORKING", 4, 4, 0, 0, START + 5, "[]")
    assert columns["n"] == ("RESTING", 4, 4, 0, 1, START + 5, "[]")
    assert columns["e"] == ("IDLE", 4, 4, 0, 1, START + 5, "[]")
    bench = Bench(old / "journal.sqlite3", table=TODAY, clock=ManualClock(START + 5))
    await bench.open()
    await bench.clock.advance(10)
    assert bench.started == {"d": 1, "n": 1}
    events = {id: [step.event for step in await bench.steps(id)] for id in "dne"}
    assert events == {
        "d": ["POKED", "MIGRATED", "FINISHED"],
        "n": ["POKED", "MIGRATED", "RESTED", "FINISHED"],
        "e": ["POKED", "MIGRATED"],
    }
    assert await bench.complaints() == []
    await bench.close()


async def test_the_history_says_from_where_to_where_and_why(old: Path) -> None:
    before = history(old)
    moved(old)
    steps = history(old)
    assert steps[: len(before)] == before
    assert [step.seq for step in steps] == list(range(1, len(steps) + 1))
    first = steps[len(before)]
    assert (first.id, first.source, first.event, first.target) == (
        "d", "DANCING", "MIGRATED", "WORKING",
    )  # fmt: skip
    assert (first.entry, first.actor, first.at, first.signals) == (4, "migration", START + 5, ())
    assert first.words == "dancing --migrated--> working"
    assert first.reason == "thing has no DANCING any more; WORKING goes on for it"


async def test_again_is_nothing(old: Path) -> None:
    moved(old)
    before = rows(old)
    assert moved(old) == []
    assert rows(old) == before


async def test_when_one_has_nowhere_to_go_none_is_moved(old: Path) -> None:
    before = rows(old)
    with pytest.raises(StatesRemovedError) as caught:
        moved(old, replace(TODAY, renamed={"DANCING": State.IDLE, "NAPPING": State.IDLE}))
    assert [line for line in caught.value.message.splitlines() if "- " in line] == [
        "  - thing: 1 instance is in DREAMING; nothing says where to go on"
    ]
    assert rows(old) == before


async def test_of_a_lifecycle_that_is_gone_none_is_moved(old: Path) -> None:
    with pytest.raises(StatesRemovedError, match="in DANCING; there is no such") as caught:
        moved(old, replace(TODAY, name="stone", renamed={}))
    assert "Put the lifecycle back" in caught.value.advice
    assert "'renamed'" not in caught.value.advice, "nobody reads it in a table that is gone"


# -- all or nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["before commit", "after commit"])
async def test_a_crash_in_the_middle_leaves_all_or_nothing(old: Path, at: str) -> None:
    before = rows(old)

    armed: list[bool] = []

    def crash(place: str) -> None:
        if armed and place == at:
            raise SimulatedCrash

    held = hold(old, "migrate", THINGS, START, probe=crash)
    armed.append(True)
    with suppress(JournalClosedError):
        held.journal.run_blocking(lambda tx: move_stranded(tx, [TODAY], START + 5))
    held.close()
    if at == "before commit":
        assert rows(old) == before
        assert len(moved(old)) == 3
    else:
        assert len(rows(old)) == len(before) + 3
        assert moved(old) == []


async def test_a_write_that_fails_in_the_middle_leaves_nothing(old: Path) -> None:
    with closing(hold(old, "test", THINGS, START)) as held:
        held.commit(
            lambda tx: tx.execute(
                "CREATE TRIGGER no_naps BEFORE UPDATE ON instance WHEN old.state = 'NAPPING'"
                " BEGIN SELECT raise(ABORT, 'not this one'); END",
                (),
            )
        )
    before = rows(old)
    with pytest.raises(JournalWriteError, match="not this one"):
        moved(old)
    assert rows(old) == before


# -- looking back ----------------------------------------------------------------------------------


async def test_pictures_and_replays_leave_out_what_the_table_no_longer_has(old: Path) -> None:
    bench = Bench(old / "journal.sqlite3", table=TODAY)

    def read(tx: Transaction) -> None:
        assert replay(tx, bench.workflow) == []
        assert way_of(tx, TODAY, "d").state is None
        assert way_of(tx, TODAY, "d").way == ()
        assert [event for _, event, _ in way_of(tx, TODAY, "n").way] == [Event.POKED]
        assert counts_of_all(tx, TODAY).counts == {State.IDLE: 1}

    with suppress(StatesRemovedError):
        await bench.open()
    bench.journal.run_blocking(read)
    await bench.close()


# -- the shipped tables ----------------------------------------------------------------------------


async def test_the_shipped_tables_are_moved_the_same_way(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await world.start("owner")
    await node.enable()
    id = await node.create_community("gardeners")
    await world.advance(60)
    await node.engine.run(
        lambda tx: tx.execute("UPDATE instance SET state = 'SLEEPING' WHERE id = ?", (id,))
    )
    await world.stop("owner")
    with pytest.raises(StatesRemovedError, match="community: 1 instance is in SLEEPING"):
        await world.start("owner")
    await world.stop("owner")
    today: list[AnyLifecycle] = [replace(COMMUNITY, renamed={"SLEEPING": CommunityState.CREATING})]
    today += [ARCHIVE_IMPORT, NODE]
    now = world.clock.now()
    with closing(hold(world.place("owner").directory, "migrate", STORE, now)) as held:
        held.commit(lambda tx: move_stranded(tx, today, now))
    node = await world.start("owner")
    await world.advance(60)
    steps = await node.engine.run(lambda tx: steps_of(tx, "community", id))
    assert [step.event for step in steps][-2:] == ["MIGRATED", "NOTHING_TO_WRITE"]
    await world.close()
