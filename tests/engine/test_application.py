"""An application of one's own: opened, asked by other processes, ended, and kept from others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.small_workflow import SMALL, START, THINGS, Action, Bench, Event, finished
from workflow import application
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.application import Application, ApplicationView, answer_once, open_app, view_app
from workflow.assembly import open_node
from workflow.engine.engine import Engine
from workflow.engine.holding import hold
from workflow.engine.inbox import Command, Inbox, ask
from workflow.engine.rows import AnyWorkflow, Outcome, Request
from workflow.engine.workflow import Workflow
from workflow.errors import (
    ApplicationError,
    DataDirectoryError,
    DirectoryLockedError,
    JournalForeignError,
    UnknownEventError,
    UnknownInstanceError,
)
from workflow.ports.work import Answer, Migration, Reference, Transaction, Work

BENCH = Bench()
SEEN: list[float] = []


async def work(work: Work) -> Answer[Event]:
    SEEN.append(work.now())
    return finished(work)


WORKFLOW = Workflow(SMALL, BENCH.read_facts, {Action.WORK: work})
APP = Application("things", [WORKFLOW], THINGS)
STONES = Workflow(replace(SMALL, name="stone"), BENCH.read_facts, {Action.WORK: work})
BOTH = Application("things", [WORKFLOW, STONES], THINGS)


async def add(engine: Engine, *ids: str, due_at: float | None = None) -> None:
    def writes(tx: Transaction) -> None:
        tx.executemany(
            "INSERT INTO thing VALUES (?, 'f', 0, 1, ?, 0)", [(one, due_at) for one in ids]
        )

    await engine.enrol("thing", *ids, writes=writes)


# -- open and end ----------------------------------------------------------------------------------


async def test_it_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = ManualClock(START)
    async with open_app(APP, tmp_path, clock=clock) as engine:
        clock.watch(lambda: engine.is_busy)
        await add(engine, "a", due_at=START + 30)
        await clock.advance(29)
    SEEN.clear()
    later = ManualClock(START + 60)
    async with open_app(APP, str(tmp_path), clock=later) as engine:
        later.watch(lambda: engine.is_busy)
        await later.advance(1)
        done = await engine.run(lambda tx: tx.execute("SELECT done FROM thing", ()).fetchone())
    assert done == (1,)
    assert SEEN == [START + 60], "its clock is the one that was given"


async def test_a_cancelled_task_is_a_clean_end(tmp_path: Path) -> None:
    is_open = asyncio.Event()

    async def run() -> None:
        async with open_app(APP, tmp_path, clock=ManualClock(START)):
            is_open.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await is_open.wait()
    with pytest.raises(DirectoryLockedError, match=r"process \d+: things"):
        hold(tmp_path, "another", THINGS, START)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hold(tmp_path, "another", THINGS, START).close()


async def test_cancelled_again_and_again_it_ends_only_after_its_actions(tmp_path: Path) -> None:
    at_work, told = asyncio.Semaphore(0), list[bool]()

    async def slow(work: Work) -> Answer[Event]:
        at_work.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05 if work.id == "a" else 0.1)  # It tidies up.
            told.append((tmp_path / "holder").exists())
            raise
        return finished(work)

    app = replace(APP, workflows=[Workflow(SMALL, BENCH.read_facts, {Action.WORK: slow})])

    async def run() -> None:
        clock = ManualClock(START)
        async with open_app(app, tmp_path, clock=clock) as engine:
            await add(engine, "a", "b")
            for id in ("a", "b"):
                await engine.send("thing", id, Request(Event.STARTED, "test"))
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    for _ in range(2):
        await at_work.acquire()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
    assert told == [True, True], "the directory is held until the action has ended"
    hold(tmp_path, "another", THINGS, START).close()


async def test_an_engine_that_cannot_be_made_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no threads")

    monkeypatch.setattr(application, "Engine", fails)
    with pytest.raises(RuntimeError, match="no threads") as caught:
        await open_app(APP, tmp_path, clock=ManualClock(START)).__aenter__()
    hold(tmp_path, "another", THINGS, START).close()
    assert caught.tb is not None, "what it had in its hands was not merely forgotten"


async def test_who_answers_once_stops_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = list[Engine]()
    stop = Engine.stop

    async def noted(engine: Engine) -> None:
        stopped.append(engine)
        await stop(engine)

    async def fails(*_: object) -> None:
        raise DataDirectoryError("the inbox is gone")

    monkeypatch.setattr(Engine, "stop", noted)
    monkeypatch.setattr(application, "drain", fails)
    with pytest.raises(DataDirectoryError, match="the inbox is gone"):
        await answer_once(APP, tmp_path, Inbox(tmp_path))
    assert len(stopped) == 1


async def test_who_cannot_start_lets_go(tmp_path: Path) -> None:
    async with open_app(APP, tmp_path, clock=ManualClock(START)) as engine:
        await add(engine, "a")
    gone = Application("things", [STONES], THINGS)
    for _ in range(2):
        with pytest.raises(Exception, match="thing: 1 instance is in IDLE; there is no such"):
            await open_app(gone, tmp_path, clock=ManualClock(START)).__aenter__()


# -- others ----------------------------------------------------------------------------------------


async def asked(folder: Path, event: str) -> Outcome:
    """What another process does that wants an event sent."""
    command = Command(f"ask-{event}", "thing", "a", event, "somebody", 0.0)
    inbox = Inbox(folder)
    return await ask(inbox, command, lambda: answer_once(APP, folder, inbox), SystemClock(), 30)


async def test_who_runs_answers_the_commands_of_others(tmp_path: Path) -> None:
    async with open_app(APP, tmp_path, clock=ManualClock(START)) as engine:
        await add(engine, "a")
        heard = await asked(tmp_path, "poked")
        again = await asked(tmp_path, "poked")
        with pytest.raises(UnknownEventError, match="'jumped' is not one of: started, stopped"):
            await asked(tmp_path, "jumped")
    assert [step.words for step in heard.steps] == ["idle --poked--> stay"]
    assert again.is_repeat


async def test_when_nobody_runs_the_step_is_taken_and_nothing_started(tmp_path: Path) -> None:
    async with open_app(APP, tmp_path, clock=ManualClock(START)) as engine:
        await add(engine, "a")
    SEEN.clear()
    outcome = await asked(tmp_path, "started")
    assert [step.words for step in outcome.steps] == ["idle --started--> working"]
    assert SEEN == []
    assert (await asked(tmp_path, "rested")).refusal == "working does not answer rested"


# -- whose journal it is ---------------------------------------------------------------------------


async def test_another_application_s_directory_is_left_alone(tmp_path: Path) -> None:
    async with open_app(APP, tmp_path / "things", clock=ManualClock(START)):
        pass
    clock = ManualClock(START)
    with pytest.raises(JournalForeignError, match="tables of 'things'"):
        open_node(
            tmp_path / "things",
            clock=clock,
            carrier=MemoryCarrier(Swarm(clock), clock),
            messaging=InProcessMessaging(MessageNetwork(clock)),
            keys=MemoryKeys(),
        )
    other = Application("stones", [WORKFLOW], [Migration("stones", 1, ())])
    with pytest.raises(JournalForeignError, match="another application's"):
        await open_app(other, tmp_path / "things", clock=clock).__aenter__()
    with pytest.raises(JournalForeignError, match="another application's"):
        view_app(other, tmp_path / "things")
    view_app(APP, tmp_path / "things").journal.close()


# -- putting it together ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workflows", "migrations", "said"),
    [
        ([], [], "here are none"),
        ([WORKFLOW, WORKFLOW], [], "two are called the same: thing, thing"),
        ([WORKFLOW], [Migration("a", 2, ())], "migration 2 of 'a' is out of order"),
        ([WORKFLOW], [Migration("a", 1, ()), Migration("a", 1, ())], "migration 1 of 'a'"),
        ([WORKFLOW], [Migration("engine", 1, ())], "migration 1 of 'engine' is out of order"),
    ],
)
def test_what_contradicts_itself_is_refused(
    workflows: list[AnyWorkflow],
    migrations: list[Migration],
    said: str,
) -> None:
    with pytest.raises(ApplicationError, match=said) as caught:
        Application("things", workflows, migrations)
    assert caught.value.place == "things"
    assert caught.value.advice


# -- naming instances ------------------------------------------------------------------------------


@pytest.fixture
async def named(tmp_path: Path) -> AsyncIterator[ApplicationView]:
    async with open_app(BOTH, tmp_path, clock=ManualClock(START)) as engine:
        await add(engine, "apple", "apricot", "a%", "x:y", "agate")
        await engine.remove(Reference("thing", "agate"), lambda _: ())
        await engine.enrol("stone", "apple", "agate")
    view = view_app(BOTH, tmp_path)
    with closing(view.journal):
        yield view


@pytest.mark.parametrize(
    ("text", "lifecycle", "id"),
    [
        ("apricot", "thing", "apricot"),
        ("apr", "thing", "apricot"),
        ("stone:apple", "stone", "apple"),
        ("stone:ag", "stone", "agate"),
        ("a%", "thing", "a%"),
        ("x:y", "thing", "x:y"),
    ],
)
def test_an_instance_is_named_by_its_id_or_the_beginning_of_it(
    named: ApplicationView, text: str, lifecycle: str, id: str
) -> None:
    assert named.journal.run(lambda tx: named.find(tx, text)) == Reference(lifecycle, id)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apple", "several are meant by 'apple': stone:apple, thing:apple"),
        ("ap", "several are meant by 'ap': stone:apple, thing:apple, thing:apricot"),
        ("pear", "there is no thing or stone 'pear'"),
        ("stone:apricot", "there is no stone 'apricot'"),
        ("granite:apple", "there is no thing or stone 'granite:apple'"),
    ],
)
def test_what_names_none_or_several_is_told(named: ApplicationView, text: str, said: str) -> None:
    with pytest.raises(UnknownInstanceError) as caught:
        named.journal.run(lambda tx: named.find(tx, text))
    assert caught.value.message == said
