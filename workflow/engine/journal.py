"""One SQLite file, one writer: every write that returns has been committed.

All work on the database runs in one thread that owns the only writing connection. Work that is
queued while a commit is under way is committed together (each piece in a savepoint of its own), so
that many communities share the price of one ``fsync``. WAL and ``synchronous=FULL``: what was
committed survives the loss of power.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from workflow.engine.migrations import migrate
from workflow.errors import JournalClosedError, JournalDamagedError, JournalForeignError
from workflow.ports.work import Migration, Transaction

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
Query = Callable[[Transaction], T]
Probe = Callable[[str], None]

APPLICATION_ID: Final = 0x434F4D41  # "COMA": SQLite keeps it in the file's header.
SET_PAGE_SIZE: Final = "PRAGMA page_size=16384"
"""In a new file: messages of some hundred bytes are written faster than on SQLite's 4096 bytes."""
SET_CACHE_SIZE: Final = "PRAGMA cache_size=-16384"
"""KiB of pages in memory: bulk imports then write each page about once."""
SET_APPLICATION_ID: Final = "PRAGMA application_id=0x434F4D41"
CHECKED_UP_TO: Final = 64 * 1024 * 1024
"""Bytes: a larger file is not read through at each start."""
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Job:
    query: Query[Any]
    deliver: Callable[[object, BaseException | None], None]


def no_probe(_: str) -> None:
    """Where tests place a crash: called with 'before commit' and 'after commit'."""


class Journal:
    """The database of one data directory, opened for writing.

    ``path`` may be ``":memory:"``. ``kept`` is where the journal of before was copied to, when this
    one was brought up to date. Raises ``JournalForeignError``, ``JournalNewerError`` or
    ``JournalDamagedError`` when the file is not a sound journal of this version or an older one.
    """

    def __init__(
        self, path: Path | str, migrations: Sequence[Migration], *, probe: Probe = no_probe
    ) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._probe = probe
        self._pending = 0
        self._door = threading.Lock()  # Nothing is queued behind the end, where nobody answers.
        self._is_closed = False
        self._connection = connect(path)
        try:
            identify(self._connection, str(path))
            self.kept = migrate(self._connection, migrations, str(path))
        except BaseException:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    async def run(self, query: Query[T]) -> T:
        """Run a query in the writer's transaction; returns once it is committed.

        An exception of the query undoes what it wrote and nothing else. Raises
        ``JournalClosedError`` when the journal is closed first.
        """
        import asyncio  # noqa: PLC0415 - who only reads needs no loop.

        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: object, error: BaseException | None) -> None:
            if error is None:
                future.set_result(cast("T", result))
            else:
                future.set_exception(error)
                future.exception()  # A caller who was cancelled does not hear it, and need not.

        def deliver(result: object, error: BaseException | None) -> None:
            with suppress(RuntimeError):  # The loop is gone: nobody waits for the answer any more.
                loop.call_soon_threadsafe(settle, result, error)

        self._put(_Job(query, deliver))
        self._pending += 1
        try:
            # The commit cannot be taken back, so a caller who is cancelled does not wait for it.
            return await asyncio.shield(future)
        finally:
            self._pending -= 1

    def run_blocking(self, query: Query[T]) -> T:
        """The same for callers without an event loop."""
        from concurrent.futures import Future  # noqa: PLC0415

        future: Future[T] = Future()

        def deliver(result: object, error: BaseException | None) -> None:
            if error is None:
                future.set_result(cast("T", result))
            else:
                future.set_exception(error)

        self._put(_Job(query, deliver))
        return future.result()

    def _put(self, job: _Job) -> None:
        with self._door:
            if self._is_closed:
                raise JournalClosedError
            self._jobs.put(job)

    @property
    def is_busy(self) -> bool:
        """True while work waits for its commit."""
        return self._pending > 0

    def close(self) -> None:
        """Commit what is queued and close the file; calling it again does nothing."""
        with self._door:
            self._is_closed = True
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _write(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            is_last = False
            while len(batch) < BATCH and not is_last:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    is_last = True
                else:
                    batch.append(job)
            try:
                self._commit(batch)
            except BaseException as end:  # noqa: BLE001 - the thread ends, and says so to all.
                self._end(batch, end)
                return
            if is_last:
                break
        self._end([], None)

    def _commit(self, batch: list[_Job]) -> None:
        """Run a batch in one transaction; ordinary errors go to those whose work they undo."""
        connection = self._connection
        results: list[tuple[_Job, object, BaseException | None]] = []
        changes = connection.total_changes
        try:
            connection.execute("BEGIN IMMEDIATE")
            results.extend(self._run_one(job) for job in batch)
            has_changed = connection.total_changes > changes
            if has_changed:
                self._probe("before commit")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            from loguru import logger  # noqa: PLC0415

            logger.warning("nothing of {} pieces of work was committed: {}", len(batch), error)
            for job in batch:
                job.deliver(None, error)
            return
        if has_changed:
            self._probe("after commit")
        for job, result, problem in results:
            job.deliver(result, problem)

    def _run_one(self, job: _Job) -> tuple[_Job, object, BaseException | None]:
        connection = self._connection
        connection.execute("SAVEPOINT work")
        try:
            result = job.query(cast("Transaction", connection))
        except Exception as error:  # it belongs to the caller.
            if not connection.in_transaction:
                raise  # A full disk: SQLite has undone everything already.
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            return job, None, error
        connection.execute("RELEASE work")
        return job, result, None

    def _end(self, batch: list[_Job], error: BaseException | None) -> None:
        with self._door:
            self._is_closed = True
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        remaining = list(batch)
        with suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    remaining.append(job)
        for job in remaining:
            closed = JournalClosedError()
            closed.__cause__ = error
            job.deliver(None, closed)


def connect(path: Path | str, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file with the settings that the promises rest on.

    Raises ``JournalDamagedError`` when it cannot be opened at all.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = _opened(path, read_only=read_only)
        if not read_only:
            connection.execute(SET_PAGE_SIZE)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(SET_CACHE_SIZE)
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        if not isinstance(error, sqlite3.OperationalError):
            words = f"the database is damaged: {error}"
            raise JournalDamagedError(words, place=str(path)) from error
        raise JournalDamagedError(
            f"the database cannot be opened: {error}",
            place=str(path),
            remedy="Check that the directory exists and that you may read and write in it.",
        ) from error
    return connection


def _opened(path: Path | str, *, read_only: bool) -> sqlite3.Connection:
    if read_only:
        uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    # Whether bytes or None must be adapted, sqlite3 finds out by an exception that nobody sees, a
    # third of the time of an insert; an adapter is found at once. These change nothing, for nobody
    # in this process, and an application's own stay.
    sqlite3.adapters.setdefault((bytes, sqlite3.PrepareProtocol), bytes.__bytes__)
    sqlite3.adapters.setdefault((type(None), sqlite3.PrepareProtocol), _unchanged)
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _unchanged(value: T) -> T:
    return value


def identify(connection: sqlite3.Connection, place: str) -> None:
    """Make sure that the file is ours, or empty, and not damaged; only then write to it."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        size = connection.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()[0]
        damage = "ok"
        if size <= CHECKED_UP_TO:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if application == 0 and tables == 0:
            connection.execute(SET_APPLICATION_ID)
            application = APPLICATION_ID
        if application != APPLICATION_ID:
            raise JournalForeignError("this database belongs to another program", place=place)
        if damage != "ok":
            raise JournalDamagedError(f"the database is damaged: {damage}", place=place)
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        raise JournalDamagedError(f"the database is damaged: {error}", place=place) from error
