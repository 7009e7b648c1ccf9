"""The engine under random events, times, crashes and restarts, watched after every step.

The short form takes seconds. ``pytest -m slow tests/engine`` runs the long one: 100,000 steps.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from states import Step, decide, look
from states.instance import is_running
from tests.engine.small_workflow import (
    SMALL,
    START,
    Bench,
    Event,
    SimulatedCrash,
    State,
)
from workflow.engine.rows import Outcome, Recorded
from workflow.errors import JournalClosedError
from workflow.ports.work import Transaction

T = TypeVar("T")
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own within it.
IDS: Final = ("a", "b", "c")
OUTSIDE: Final = (Event.STARTED, Event.STOPPED, Event.POKED, Event.FINISHED, Event.RESTED)
STEPS_OF_THE_LONG_FORM: Final = 100_000
STEPS_IN_A_RUN: Final = 50

ids = st.sampled_from(IDS)
plans = st.text("ffxrst!wc", max_size=4)
delays = st.sampled_from([0.0, 1.0, 10.0, 29.0, 30.0, 100.0, 1000.0, 20_000.0])


def folder_in_memory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


class Killer:
    """Ends the journal's thread at the n-th commit from now, before it or after it."""

    def __init__(self) -> None:
        self.countdown: int | None = None

    def __call__(self, _: str) -> None:
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown <= 0:
                raise SimulatedCrash


class EngineMachine(RuleBasedStateMachine):
    """Things with random plans. Each verb is repeated after a death, as any caller would do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = folder_in_memory()
        self.runner = asyncio.Runner()
        self.killer = Killer()
        self.checked = 0
        self.latest = START
        self.last: dict[str, Recorded] = {}
        self.answers: dict[str, int] = dict.fromkeys(IDS, 0)
        self.versions: dict[str, int] = dict.fromkeys(IDS, 0)
        self.commands: dict[str, tuple[str, Event, Outcome]] = {}

    def await_(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def alive(self, verb: Callable[[], Awaitable[T]]) -> T:
        """Do it and let everything settle, again after each death."""
        while True:
            try:
                result = await verb()
                await self.bench.clock.settle()
                await self.bench.engine.run(lambda _: None)
            except JournalClosedError:
                self.killer.countdown = None
                await self.bench.close()
                await self.bench.open()
            else:
                return result

    @initialize(plan=st.lists(plans, min_size=len(IDS), max_size=len(IDS)))
    def begin(self, plan: list[str]) -> None:
        async def work() -> None:
            self.bench = Bench(Path(self.folder.name) / "journal", probe=self.killer)
            await self.bench.open()
            for id, letters in zip(IDS, plan, strict=True):
                await self.bench.add(id, letters)

        self.await_(work())

    def teardown(self) -> None:
        try:
            if hasattr(self, "bench"):
                self.killer.countdown = None
                assert self.await_(self.alive(self.bench.complaints)) == []
                self.await_(self.bench.close())
        finally:
            self.runner.close()
            self.folder.cleanup()

    # -- what happens -----------------------------------------------------------------------------

    @rule(id=ids, event=st.sampled_from(OUTSIDE))
    def send(self, id: str, event: Event) -> None:
        self.await_(self.alive(lambda: self.bench.send(id, event)))

    @rule(id=ids, event=st.sampled_from(OUTSIDE), name=st.sampled_from("uvwxyz"))
    def command(self, id: str, event: Event, name: str) -> None:
        """The same command is the same outcome; a new one is done exactly once."""
        id, event, earlier = self.commands.get(name, (id, event, None))
        outcome = self.await_(self.alive(lambda: self.bench.send(id, event, name)))
        if earlier is not None:
            assert outcome.is_repeat
            assert (outcome.steps, outcome.refusal) == (earlier.steps, earlier.refusal)
        self.commands[name] = (id, event, outcome)

    @rule(id=ids, after=delays)
    def plan(self, id: str, after: float) -> None:
        at = self.bench.clock.now() + after
        self.await_(self.alive(lambda: self.bench.change(id, "due_at", at)))

    @rule(id=ids, allowed=st.booleans())
    def allow(self, id: str, *, allowed: bool) -> None:
        self.await_(self.alive(lambda: self.bench.change(id, "is_allowed", allowed)))

    @rule(seconds=delays)
    def advance(self, seconds: float) -> None:
        goal = self.bench.clock.now() + seconds

        async def work() -> None:
            await self.bench.clock.advance_to(goal)

        self.await_(self.alive(work))

    @rule(seconds=st.sampled_from([-10_000.0, -100.0, 100.0, 10_000.0]))
    def jump(self, seconds: float) -> None:
        self.bench.clock.jump(seconds)

        async def work() -> None:
            await self.bench.clock.advance(15.0)

        self.await_(self.alive(work))

    @rule()
    def restart(self) -> None:
        self.await_(self.alive(self.bench.restart))

    @rule(commits=st.integers(1, 6))
    def die_soon(self, commits: int) -> None:
        self.killer.countdown = commits

    # -- what holds -------------------------------------------------------------------------------

    @invariant()
    def everything_is_in_order(self) -> None:
        if hasattr(self, "bench"):
            self.await_(self.alive(self.check))

    async def check(self) -> None:
        self.latest = max(self.latest, self.bench.clock.now())
        assert self.bench.overlaps == []
        assert self.bench.clock.failures == []
        new = await self.bench.all_steps(self.checked)
        facts = await self.bench.engine.run(lambda tx: _facts(tx, self.checked))
        for step, stored in zip(new, facts, strict=True):
            self.check_step(step, stored)
        for id in IDS:
            await self.check_row(id)

    def check_step(self, step: Recorded, stored: str) -> None:
        """Each row follows the last one, and is what ``decide`` says to its facts."""
        self.checked += 1
        assert step.seq == self.checked
        last = self.last.get(step.id)
        assert step.source == (last.target if last else "IDLE")
        decision = decide(
            SMALL,
            State[step.source],
            Event[step.event],
            self.bench.workflow.facts_from_json(stored),
        )
        assert isinstance(decision, Step)
        assert decision.target.name == step.target
        assert step.entry == (last.entry if last else 1) + decision.is_entry
        self.last[step.id] = step
        self.answers[step.id] += step.actor == "action" and step.event in ("FINISHED", "TIRED")

    async def check_row(self, id: str) -> None:
        instance = await self.bench.instance(id)
        last = self.last.get(id)
        assert instance.state.name == (last.target if last else "IDLE")
        assert instance.entry == (last.entry if last else 1)
        assert instance.version >= self.versions[id]
        self.versions[id] = instance.version
        assert self.bench.running[id] <= 1
        assert await self.bench.done_by(id) == self.answers[id]
        now = self.bench.clock.now()
        if is_running(SMALL, instance):
            assert self.bench.running[id] == 1, "nobody works on it"
        elif SMALL.waits(instance.state):
            [facts] = await self.bench.engine.run(
                lambda tx: self.bench.read_facts(tx, [instance], now)
            )
            seen = look(SMALL, instance.state, facts, now, instance.setbacks)
            assert seen.step is None, "it should have moved on by itself"
            if instance.due_at is None and seen.wake_at is not None:
                # A clock put back makes nobody look a second time who has nothing to wait for.
                now = max(now, self.latest)
                seen = look(SMALL, instance.state, facts, now, instance.setbacks)
            assert instance.due_at == seen.wake_at
        else:
            assert instance.due_at is not None


def _facts(tx: Transaction, after: int) -> list[str]:
    rows = tx.execute("SELECT facts FROM history WHERE seq > ? ORDER BY seq", (after,)).fetchall()
    return [str(row[0]) for row in rows]


QUIET: Final = tuple(HealthCheck)


def test_random_lives() -> None:
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=QUIET
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_random_lives_for_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=STEPS_OF_THE_LONG_FORM // STEPS_IN_A_RUN,
            stateful_step_count=STEPS_IN_A_RUN,
            deadline=None,
            suppress_health_check=QUIET,
        ),
    )


# -- a restart after every step equals no restart -------------------------------------------------

Input = Callable[[Bench], Awaitable[object]]


def _send(id: str, event: Event) -> Input:
    return lambda bench: bench.send(id, event)


def _plan(id: str, after: float) -> Input:
    return lambda bench: bench.change(id, "due_at", bench.clock.now() + after)


def _allow(id: str, *, allowed: bool) -> Input:
    return lambda bench: bench.change(id, "is_allowed", allowed)


def _advance(seconds: float) -> Input:
    return lambda bench: bench.clock.advance(seconds)


inputs = st.lists(
    st.one_of(
        st.builds(_send, ids, st.sampled_from(OUTSIDE)),
        st.builds(_plan, ids, delays),
        st.builds(_allow, ids, allowed=st.booleans()),
        st.builds(_advance, delays),
    ),
    max_size=15,
)
instant_plans = st.lists(st.text("ffxrt!wc", max_size=4), min_size=len(IDS), max_size=len(IDS))


async def live(inputs: list[Input], plans: list[str], *, restarts: bool) -> object:
    """Everything that is left of a life, but for times, numbers of rows and versions."""
    with folder_in_memory() as folder:
        bench = Bench(Path(folder) / "journal")
        await bench.open()
        for id, plan in zip(IDS, plans, strict=True):
            await bench.add(id, plan)
        for one in inputs:
            await one(bench)
            await bench.clock.settle()
            if restarts:
                await bench.restart()
                await bench.clock.settle()
        rows = await bench.engine.run(
            lambda tx: tx.execute(
                "SELECT id, state, entry, attempts, answered, due_at, setbacks FROM instance"
                " ORDER BY id",
                (),
            ).fetchall()
        )
        done = [await bench.done_by(id) for id in IDS]
        told = {
            id: [(step.words, step.entry, step.reason, step.at) for step in await bench.steps(id)]
            for id in IDS
        }
        await bench.close()
        return rows, done, told


@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@given(inputs=inputs, plans=instant_plans)
def test_a_restart_after_every_step_equals_no_restart(
    inputs: list[Input], plans: list[str]
) -> None:
    without = asyncio.run(live(inputs, plans, restarts=False))
    assert asyncio.run(live(inputs, plans, restarts=True)) == without
