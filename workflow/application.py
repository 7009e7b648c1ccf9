"""An application of one's own: lifecycles with their facts, actions and tables, on one journal.

::

    APP = Application("shop", [ORDERS], migrations=TABLES)

    async with open_app(APP, Path("data")) as engine:
        await engine.enrol("order", "o-1", writes=...)
        await engine.send("order", "o-1", Request(Event.PAID, "shop"))

What an author needs beside ``states`` is found here. The shipped node is put together from the
same parts; see ``workflow.assembly``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from workflow.adapters.clock.system import SystemClock
from workflow.engine.engine import Engine
from workflow.engine.file_name import JOURNAL
from workflow.engine.holding import hold, holder_of
from workflow.engine.inbox import Command, Inbox, drain, serving
from workflow.engine.journal import Probe, no_probe
from workflow.engine.migrations import ENGINE
from workflow.engine.reading import ReadOnlyJournal
from workflow.engine.removed_states import AnyLifecycle
from workflow.engine.rows import AnyWorkflow, Outcome, Recorded, Request
from workflow.engine.workflow import Workflow
from workflow.engine.working import ended
from workflow.errors import ApplicationError, UnknownInstanceError
from workflow.ports.clock import Clock
from workflow.ports.work import Answer, Migration, Reference, Transaction, Work

__all__ = [
    "Answer",
    "Application",
    "ApplicationView",
    "Engine",
    "Migration",
    "Outcome",
    "Recorded",
    "Reference",
    "Request",
    "Transaction",
    "Work",
    "Workflow",
    "open_app",
    "view_app",
]

AMBIGUOUS: Final = 5
"""Instances that are named, at most, when several are meant."""
CALLED: Final = (
    "SELECT lifecycle, id FROM instance WHERE id = ?1"
    " AND lifecycle IN (SELECT value FROM json_each(?2)) ORDER BY lifecycle LIMIT ?3"
)
BEGINS: Final = (
    "SELECT lifecycle, id FROM instance WHERE substr(id, 1, length(?1)) = ?1"
    " AND lifecycle IN (SELECT value FROM json_each(?2)) ORDER BY lifecycle, id LIMIT ?3"
)


@dataclass(frozen=True)
class Application:
    """What runs on one journal. ``name`` tells people which process holds the data directory.

    ``migrations`` make the application's own tables, in the same database, so that facts are read
    and results written in the transaction of the step; components are named as the author likes,
    and each counts from 1. Raises ``ApplicationError`` for what contradicts itself.
    """

    name: str
    workflows: Sequence[AnyWorkflow]
    migrations: Sequence[Migration] = ()

    def __post_init__(self) -> None:
        names = [one.name for one in self.workflows]
        if not names or len(set(names)) < len(names):
            told = f"two are called the same: {', '.join(sorted(names))}" if names else "none"
            raise ApplicationError(
                f"an application has lifecycles of different names; here are {told}",
                place=self.name,
                remedy="Give each Workflow a lifecycle with a name of its own.",
            )
        applied = {one.component: 0 for one in ENGINE}
        for migration in self.migrations:
            expected = applied.get(migration.component, 0) + 1
            if migration.number != expected or migration.component in {e.component for e in ENGINE}:
                raise ApplicationError(
                    f"migration {migration.number} of '{migration.component}' is out of order",
                    place=self.name,
                    remedy="Count each component's migrations from 1 on; 'engine' is taken.",
                )
            applied[migration.component] = expected

    @property
    def lifecycles(self) -> list[AnyLifecycle]:
        """The tables of its workflows, in their order."""
        return [one.lifecycle for one in self.workflows]


@asynccontextmanager
async def open_app(
    app: Application,
    data_dir: os.PathLike[str] | str,
    *,
    clock: Clock | None = None,
    probe: Probe = no_probe,
) -> AsyncGenerator[Engine, None]:
    """Run an application on this data directory for as long as the ``async with`` lasts.

    Takes up whatever was under way and answers the commands of other processes. ``clock`` is the
    machine's when none is given. Raises ``DirectoryLockedError`` when another process has the
    directory, ``StatesRemovedError`` when instances are in states that their tables do not have,
    ``DataDirectoryError`` when the directory cannot be used.
    """
    folder = Path(data_dir)
    async with _holding(app, folder, clock or SystemClock(), probe) as engine:
        await engine.start()
        # Who asks lives in the machine's time, whatever clock the application has.
        async with serving(Inbox(folder), partial(deliver, engine), SystemClock()):
            yield engine


async def answer_once(app: Application, data_dir: Path, inbox: Inbox) -> None:
    """Hold an application's directory for as long as it takes to answer what waits; start nothing.

    Raises ``DirectoryLockedError`` when another process has it.
    """
    async with _holding(app, data_dir, SystemClock(), no_probe) as engine:
        await drain(inbox, partial(deliver, engine))


@asynccontextmanager
async def _holding(
    app: Application, data_dir: Path, clock: Clock, probe: Probe
) -> AsyncGenerator[Engine, None]:
    """An engine on a directory that nobody else has; it is stopped before the journal is closed.

    Whoever is cancelled meanwhile, perhaps once more, still waits for the end of it.
    """
    held = hold(data_dir, app.name, app.migrations, clock.now(), probe=probe)
    try:
        engine = Engine(held.journal, clock, app.workflows)
        try:
            yield engine
        finally:
            await ended(asyncio.create_task(engine.stop()))
    finally:
        held.close()


async def deliver(engine: Engine, command: Command) -> Outcome:
    """Send the event that a command names. Raises ``UnknownEventError`` and what sending does."""
    return await engine.send(
        command.lifecycle,
        command.instance,
        Request(
            engine.event_named(command.lifecycle, command.event),
            command.actor,
            command_id=command.id,
        ),
    )


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """An application as a process sees it that does not hold its directory.

    ``holder`` says who does, empty when nobody runs.
    """

    app: Application
    journal: ReadOnlyJournal
    holder: str

    def workflow(self, lifecycle: str) -> AnyWorkflow:
        """The workflow of a lifecycle that it has."""
        return next(one for one in self.app.workflows if one.name == lifecycle)

    def find(self, tx: Transaction, text: str) -> Reference:
        """An instance by its id, the beginning of its id, or ``lifecycle:id``.

        Raises ``UnknownInstanceError`` when there is none, or when several are meant.
        """
        names = [one.name for one in self.app.workflows]
        lifecycle, colon, id = text.partition(":")
        if colon and lifecycle in names:
            names, text = [lifecycle], id
        asked = (text, json.dumps(names), AMBIGUOUS + 1)
        rows = tx.execute(CALLED, asked).fetchall() or tx.execute(BEGINS, asked).fetchall()
        found = [Reference(str(lifecycle), str(id)) for lifecycle, id in rows]
        if not found:
            raise UnknownInstanceError(f"there is no {' or '.join(names)} '{text}'", place=text)
        if len(found) > 1:
            told = ", ".join(f"{one.lifecycle}:{one.id}" for one in found[:AMBIGUOUS])
            raise UnknownInstanceError(
                f"several are meant by '{text}': {told}",
                place=text,
                remedy="Write more of the id, or the lifecycle, a colon and the id.",
            )
        return found[0]


def view_app(app: Application, data_dir: Path) -> ApplicationView:
    """The journal of an application, read-only. Raises ``DataDirectoryError``."""
    journal = ReadOnlyJournal(data_dir / JOURNAL, (*ENGINE, *app.migrations))
    return ApplicationView(app, journal, holder_of(data_dir))
