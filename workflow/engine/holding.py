"""A data directory, held: its lock, its journal, and the number of this opening."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from workflow.engine.file_name import JOURNAL
from workflow.engine.history import begin_run
from workflow.engine.journal import Journal, Probe, no_probe
from workflow.engine.lock import DirectoryLock, holder, is_held
from workflow.engine.migrations import ENGINE
from workflow.errors import JournalWriteError
from workflow.ports.work import Migration, Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """The journal of a data directory that nobody else has; ``run`` counts its openings from 1."""

    journal: Journal
    run: int
    lock: DirectoryLock

    def commit(self, query: Callable[[Transaction], T]) -> T:
        """Run a query in one transaction, blocking. Raises ``JournalWriteError``."""
        try:
            return self.journal.run_blocking(query)
        except sqlite3.Error as error:
            raise JournalWriteError(f"nothing was committed: {error}") from error

    def close(self) -> None:
        """Commit what is queued, close the journal and let go; again does nothing."""
        self.journal.close()
        self.lock.release()


def hold(
    data_dir: Path,
    what: str,
    migrations: Sequence[Migration],
    now: float,
    *,
    probe: Probe = no_probe,
) -> Held:
    """Take a data directory, and bring its journal up to date with these and the engine's tables.

    ``what`` tells others who holds it. Raises ``DirectoryLockedError`` when another process does,
    ``DataDirectoryError`` when it cannot be used.
    """
    lock = DirectoryLock(data_dir, what)
    journal: Journal | None = None
    try:
        journal = Journal(data_dir / JOURNAL, (*ENGINE, *migrations), probe=probe)
        return Held(journal, journal.run_blocking(lambda tx: begin_run(tx, now)), lock)
    except BaseException:
        if journal is not None:
            journal.close()
        lock.release()
        raise


def holder_of(data_dir: Path) -> str:
    """Who holds a data directory now, in words; empty when nobody does."""
    with suppress(OSError):  # In a directory that cannot be written nobody runs.
        return holder(data_dir) if is_held(data_dir) else ""
    return ""
