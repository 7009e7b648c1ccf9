"""What one would write without this project: a registered model, or a job, for each community."""

from __future__ import annotations

import importlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.base import STATE_RUNNING, BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger
from transitions import EventData, Machine

from states import COMMUNITY
from states.community import Event, Facts, State
from workflow.engine.journal import connect

logging.getLogger("apscheduler").setLevel(logging.WARNING)
logging.getLogger("transitions").setLevel(logging.WARNING)

OVERDUE: Final = timedelta(hours=1)


class Model:
    """One community as transitions wants it: an object that is registered."""

    trigger: Callable[[str], bool]
    """Given by the machine."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.state = State.IDLE.name


def machine() -> Machine:
    """The shipped table as an ordinary machine, guards and all."""
    made = Machine(
        model=None,
        states=[state.name for state in State],
        initial=State.IDLE.name,
        auto_transitions=False,
        send_event=True,
        ignore_invalid_triggers=True,
    )
    for rule in COMMUNITY.rules:
        for event in rule.on:
            for source in rule.within:
                made.add_transition(
                    event.name,
                    source.name,
                    rule.target(source).name if rule.is_entry else None,
                    conditions=[_condition(guard) for guard in rule.given],
                )
    return made


def _condition(guard: Callable[[Facts], bool]) -> Callable[[EventData], bool]:
    def condition(event: EventData) -> bool:
        return guard(cast("Model", event.model).facts)

    return condition


def register(count: int) -> tuple[Machine, list[Model]]:
    """So many models, one after the other, as communities come."""
    made = machine()
    facts = Facts()
    models = [Model(facts) for _ in range(count)]
    for model in models:
        made.add_model(model)
    return made, models


def nothing(_: str) -> None:
    """A job that leaves everything to somebody else."""


@dataclass
class Rows:
    """Where a job that decides for itself finds its model, and where it writes."""

    models: dict[str, Model]
    connection: sqlite3.Connection


ROWS: Final[list[Rows]] = []
"""A stored job is a function's name and plain arguments, so what it works on lies here."""


def decide_and_commit(id: str) -> None:
    """A job that triggers its community's model and keeps the step, in one commit."""
    rows = ROWS[-1]
    model = rows.models[id]
    source = model.state
    model.trigger(Event.WINDOW_CLOSED.name)
    rows.connection.execute("BEGIN IMMEDIATE")
    rows.connection.execute("UPDATE instance SET state = ? WHERE id = ?", (model.state, id))
    rows.connection.execute("INSERT INTO history VALUES (NULL, ?, ?, ?)", (id, source, model.state))
    rows.connection.execute("COMMIT")


@contextmanager
def rows_for(path: Path, total: int, facts: Facts) -> Iterator[None]:
    """Registered models for all communities, and a table with their states."""
    made = machine()
    models = {name(number): Model(facts) for number in range(total)}
    made.add_model(list(models.values()))
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE instance (id TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID")
        connection.execute("CREATE TABLE history (seq INTEGER PRIMARY KEY, id, source, target)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO instance VALUES (?, ?)", ((id, State.IDLE.name) for id in models)
        )
        connection.execute("COMMIT")
        ROWS.append(Rows(models, connection))
        try:
            yield
        finally:
            ROWS.pop()


def name(number: int) -> str:
    return f"0x{number:066x}"


class Scheduler(BaseScheduler):  # type: ignore[misc]  # It has no types.
    """APScheduler without its thread: what a wake costs, and no waiting."""

    database: Any = None

    def wakeup(self) -> None:
        pass

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)

    def close(self) -> None:
        self.shutdown()
        if self.database is not None:
            self.database.dispose()

    def wake(self) -> None:
        """Run all that is due, in this thread, which is the cheapest of its executors."""
        self.state = STATE_RUNNING
        self._process_jobs()


def jobs_in_memory() -> Scheduler:
    return _scheduler(MemoryJobStore())


def has_job_files() -> bool:
    try:
        importlib.import_module("sqlalchemy")
    except ImportError:
        return False
    return True


def jobs_in_file(path: Path, *, is_durable: bool = True) -> Scheduler:
    """Jobs in SQLite with the journal's own settings: WAL, and FULL unless it is being built."""
    sqlalchemy = importlib.import_module("sqlalchemy")
    stores = importlib.import_module("apscheduler.jobstores.sqlalchemy")
    database = sqlalchemy.create_engine(f"sqlite:///{path}")

    def connected(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'OFF'}")

    sqlalchemy.event.listen(database, "connect", connected)
    scheduler = _scheduler(stores.SQLAlchemyJobStore(engine=database))
    scheduler.database = database
    return scheduler


def _scheduler(store: object) -> Scheduler:
    scheduler = Scheduler(timezone=UTC)
    scheduler.add_jobstore(store)
    scheduler.add_executor(DebugExecutor())
    scheduler.start(paused=True)
    return scheduler


def add_jobs(
    scheduler: Scheduler, total: int, due: int = 0, job: Callable[[str], None] = nothing
) -> None:
    """One weekly job for each community; the first of them are overdue."""
    now = datetime.now(UTC)
    for number in range(total):
        scheduler.add_job(
            job,
            IntervalTrigger(weeks=1, timezone=UTC),
            args=[name(number)],
            id=name(number),
            next_run_time=now - OVERDUE if number < due else now + timedelta(days=1),
            misfire_grace_time=None,
            coalesce=True,
        )
