"""A small lifecycle for tests of the engine: idle, working, resting, with everything in it once.

What the work of an instance comes to stands in its row: one letter of ``plan`` for each answer that
was committed. So the outcome depends on nothing that a crash could lose.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

from states import Lifecycle
from states.instance import Backoff, Instance
from states.lifecycle import AGAIN, STAY, Level, Rule, otherwise, row
from workflow.adapters.clock.manual import ManualClock
from workflow.engine.engine import Engine
from workflow.engine.history import replay, steps_after, steps_of
from workflow.engine.journal import Journal, Probe, no_probe
from workflow.engine.migrations import ENGINE
from workflow.engine.rows import Outcome, Recorded, Request, load
from workflow.engine.workflow import Workflow
from workflow.errors import JournalClosedError
from workflow.ports.work import Answer, Migration, Transaction, Work, Writes, no_writes

START: Final = 1_700_000_000.0
SLEEP: Final = 30.0
REST: Final = 100.0


class State(Enum):
    IDLE = "idle"
    WORKING = "working"
    RESTING = "resting"


class Event(Enum):
    STARTED = "started"
    STOPPED = "stopped"
    POKED = "poked"
    DUE = "due"
    FINISHED = "finished"
    TIRED = "tired"
    RESTED = "rested"
    FAILED = "failed"


class Action(Enum):
    LOOK = "look"
    WORK = "work"
    REST = "rest"


class Signal(Enum):
    BEGUN = "thing.begun"
    ENDED = "thing.ended"


@dataclass(frozen=True, slots=True)
class Facts:
    now: float = 0.0
    is_allowed: bool = True
    due_at: float | None = None
    rest_until: float = 0.0
    attempts: int = 0


def is_allowed(facts: Facts) -> bool:
    return facts.is_allowed


def may_retry(facts: Facts) -> bool:
    return facts.attempts < 3


def due_since(facts: Facts) -> float | None:
    return facts.due_at


def rested_since(facts: Facts) -> float | None:
    return facts.rest_until


# fmt: off
S, E, G = State, Event, Signal

RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    row(S.IDLE,                 (E.STARTED, E.DUE), is_allowed, S.WORKING, G.BEGUN),
    row(S.IDLE,                 (E.STARTED, E.DUE), otherwise,  S.RESTING),
    row(S.WORKING,              E.FINISHED,         otherwise,  S.IDLE,    G.ENDED),
    row(S.WORKING,              E.TIRED,            otherwise,  S.RESTING),
    row(S.RESTING,              E.RESTED,           is_allowed, S.WORKING, G.BEGUN),
    row(S.RESTING,              E.RESTED,           otherwise,  STAY),
    row((S.WORKING, S.RESTING), E.STOPPED,          otherwise,  S.IDLE),
    row(tuple(State),           E.POKED,            otherwise,  STAY),
    row(S.WORKING,              E.FAILED,           may_retry,  AGAIN),
    row(S.WORKING,              E.FAILED,           otherwise,  S.IDLE),
)
LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {
    S.IDLE:    (Level(E.DUE,    due_since,    (S.WORKING,)),),
    S.RESTING: (Level(E.RESTED, rested_since, (S.WORKING,)),),
}
# fmt: on

SMALL: Final = Lifecycle(
    name="thing",
    states=State,
    events=Event,
    actions=Action,
    facts=Facts,
    initial=State.IDLE,
    acts={S.IDLE: Action.LOOK, S.WORKING: Action.WORK, S.RESTING: Action.REST},
    rules=RULES,
    levels=LEVELS,
    failed=Event.FAILED,
)

THINGS: Final = (
    Migration(
        "things",
        1,
        (
            """
            CREATE TABLE thing (
                id         TEXT PRIMARY KEY,
                plan       TEXT NOT NULL,
                done       INT  NOT NULL,
                is_allowed INT  NOT NULL,
                due_at     REAL,
                rest_until REAL NOT NULL
            )
            """,
        ),
    ),
)

Script = Callable[[Work], Awaitable[Answer[Event]]]


class WorkFailedError(Exception):
    """What a plan asked for."""


class SimulatedCrash(BaseException):
    """The process is gone."""


@dataclass
class Bench:
    """An engine on a journal of its own, restarted at will. ``scripts`` overrule the plans."""

    path: Path | str = ":memory:"
    table: Lifecycle[State, Event, Action, Facts, Signal] = SMALL
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    probe: Probe = no_probe
    scripts: dict[str, Script] = field(default_factory=dict)
    is_broken: Callable[[str], bool] = lambda _: False
    running: Counter[str] = field(default_factory=Counter)
    started: Counter[str] = field(default_factory=Counter)
    overlaps: list[str] = field(default_factory=list)

    async def open(self) -> Engine:
        self.journal = Journal(self.path, (*ENGINE, *THINGS), probe=self.probe)
        self.workflow = Workflow(
            self.table,
            self.read_facts,
            {Action.WORK: self.work},
            backoff=Backoff(first=10.0, cap=1000.0),
        )
        self.engine = Engine(self.journal, self.clock, [self.workflow])
        self._unwatch = self.clock.watch(lambda: self.engine.is_busy)
        await self.engine.start()
        return self.engine

    async def close(self) -> None:
        self._unwatch()
        with suppress(JournalClosedError):
            await self.engine.stop()
        self.journal.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    # -- the workflow -----------------------------------------------------------------------------

    def read_facts(
        self, tx: Transaction, instances: Sequence[Instance[State]], now: float
    ) -> list[Facts]:
        found = []
        for one in instances:
            if self.is_broken(one.id):
                raise LookupError(f"the facts of {one.id} cannot be read")
            (allowed, due_at, rest_until) = cast(
                "tuple[int, float | None, float]",
                tx.execute(
                    "SELECT is_allowed, due_at, rest_until FROM thing WHERE id = ?", (one.id,)
                ).fetchone(),
            )
            found.append(Facts(now, bool(allowed), due_at, rest_until, one.attempts))
        return found

    async def work(self, work: Work) -> Answer[Event]:
        self.started[work.id] += 1
        if self.running[work.id]:
            self.overlaps.append(work.id)
        self.running[work.id] += 1
        try:
            script = self.scripts.get(work.id)
            return await (self.follow_plan(work) if script is None else script(work))
        finally:
            self.running[work.id] -= 1

    async def follow_plan(self, work: Work) -> Answer[Event]:
        plan, done = cast(
            "tuple[str, int]",
            await work.read(
                lambda tx: tx.execute(
                    "SELECT plan, done FROM thing WHERE id = ?", (work.id,)
                ).fetchone()
            ),
        )
        letter = plan[done % len(plan)] if plan else "f"
        if letter == "x" and work.attempt < 3:
            raise WorkFailedError("the first two attempts fail")
        if letter == "!":
            raise WorkFailedError("every attempt fails")
        if letter == "c":
            raise asyncio.CancelledError
        if letter == "w":
            return Answer(Event.FINISHED, _raise)
        if letter == "s":
            await self.clock.sleep(SLEEP)
        if letter == "t":
            await work.in_thread(lambda: sum(range(1000)))
        if letter == "r":
            return Answer(Event.TIRED, self.done(work.id, rest_until=self.clock.now() + REST))
        return finished(work)

    @staticmethod
    def done(id: str, *, rest_until: float | None = None) -> Writes:
        def writes(tx: Transaction) -> None:
            tx.execute(
                "UPDATE thing SET done = done + 1, due_at = NULL,"
                " rest_until = coalesce(?, rest_until) WHERE id = ?",
                (rest_until, id),
            )

        return writes

    # -- what tests do ----------------------------------------------------------------------------

    async def add(self, id: str, plan: str = "f", due_at: float | None = None) -> None:
        await self.engine.enrol(
            "thing",
            id,
            writes=lambda tx: tx.execute(  # type: ignore[arg-type]
                "INSERT OR IGNORE INTO thing VALUES (?, ?, 0, 1, ?, 0)", (id, plan, due_at)
            ),
        )

    async def send(
        self, id: str, event: Event, command_id: str | None = None, writes: Writes = no_writes
    ) -> Outcome:
        return await self.engine.send(
            "thing", id, Request(event, "test", writes, command_id=command_id)
        )

    async def change(self, id: str, column: str, value: float | None) -> None:
        sql = f"UPDATE thing SET {column} = ? WHERE id = ?"  # noqa: S608 - written in the test.
        await self.engine.look("thing", id, lambda tx: tx.execute(sql, (value, id)))  # type: ignore[arg-type]

    async def instance(self, id: str) -> Instance[State]:
        return await self.engine.run(lambda tx: load(tx, self.workflow, id))

    async def done_by(self, id: str) -> int:
        return await self.engine.run(
            lambda tx: cast(
                "Any", tx.execute("SELECT done FROM thing WHERE id = ?", (id,)).fetchone()
            )[0]
        )

    async def steps(self, id: str) -> list[Recorded]:
        return await self.engine.run(lambda tx: steps_of(tx, "thing", id, 1_000_000))

    async def all_steps(self, after: int = 0) -> list[Recorded]:
        return await self.engine.run(lambda tx: steps_after(tx, after, 1_000_000))

    async def complaints(self) -> list[str]:
        return await self.engine.run(lambda tx: replay(tx, self.workflow))


def finished(work: Work) -> Answer[Event]:
    return Answer(Event.FINISHED, Bench.done(work.id))


def _raise(_: Transaction) -> None:
    raise sqlite3.IntegrityError("what the action wants to write contradicts what is there")
