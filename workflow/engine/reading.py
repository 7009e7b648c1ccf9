"""The journal, read by a process that does not hold the data directory.

It is opened read-only and every query sees one consistent moment, whoever writes meanwhile. What
lives in the memory of the running process only (what is live, what is caught up) cannot be read;
``recorded_facts`` gives what was known of it when the last step was taken.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from workflow.engine.copying import check_copy, copy_database
from workflow.engine.journal import APPLICATION_ID, connect
from workflow.engine.migrations import newest_numbers, refuse_others
from workflow.errors import (
    DataDirectoryError,
    JournalDamagedError,
    JournalForeignError,
    JournalMissingError,
    JournalNewerError,
    JournalOlderError,
)
from workflow.ports.work import Migration, Transaction

T = TypeVar("T")

LAST_FACTS: Final = (
    "SELECT h.id, h.facts FROM json_each(?2) asked JOIN history h ON h.seq ="
    " (SELECT max(seq) FROM history WHERE lifecycle = ?1 AND id = asked.value)"
)


class ReadOnlyJournal:
    """The database of one data directory, opened for reading. One thread at a time.

    Raises ``JournalMissingError``, ``JournalForeignError``, ``JournalNewerError``,
    ``JournalOlderError`` (unless it ``may_be_older``) or ``JournalDamagedError``. Damage is found
    where it is read: the whole file is checked by whoever opens it for writing.
    """

    def __init__(
        self, path: Path, migrations: Sequence[Migration], *, may_be_older: bool = False
    ) -> None:
        self._path = path
        try:
            is_there = path.is_file()
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory cannot be read: {error.strerror}",
                place=str(path.parent),
                remedy="Make it readable for this user, or choose another --data-dir.",
            ) from error
        if not is_there:
            raise JournalMissingError("there is no journal here", place=str(path.parent))
        self._connection = connect(path, read_only=True)
        try:
            self._connection.execute("PRAGMA query_only=ON")
            self.run(lambda tx: self._identify(tx, migrations, may_be_older=may_be_older))
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        """The journal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def run(self, query: Callable[[Transaction], T]) -> T:
        """Run a query; everything that it reads is of one moment."""
        connection = self._connection
        try:
            connection.execute("BEGIN")
            try:
                return query(cast("Transaction", connection))
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise JournalDamagedError(
                f"the database cannot be read: {error}", place=str(self._path)
            ) from error

    def copy_to(self, target: Path) -> None:
        """Copy the journal, as it is at this moment, into a new file, and read that through.

        Raises ``JournalDamagedError``, and ``DataDirectoryError`` when it cannot be written.
        """
        try:
            copy_database(self._connection, target)
        except sqlite3.OperationalError as error:
            raise DataDirectoryError(
                f"the journal cannot be copied: {error}", place=str(target)
            ) from error
        except sqlite3.Error as error:
            raise JournalDamagedError(
                f"the database cannot be read: {error}", place=str(self._path)
            ) from error
        check_copy(target, APPLICATION_ID)

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self._connection.close()

    def _identify(
        self, tx: Transaction, migrations: Sequence[Migration], *, may_be_older: bool
    ) -> None:
        """Make sure that the file is a journal of this version."""
        place = str(self._path)
        application = cast("tuple[int]", tx.execute("PRAGMA application_id", ()).fetchone())[0]
        tables = tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'", ()).fetchall()
        if not tables and application in (0, APPLICATION_ID):
            raise JournalMissingError("the journal is empty", place=place)
        if application != APPLICATION_ID or ("schema_version",) not in tables:
            raise JournalForeignError("this database belongs to another program", place=place)
        applied = dict(
            cast(
                "list[tuple[str, int]]",
                tx.execute("SELECT component, number FROM schema_version", ()).fetchall(),
            )
        )
        refuse_others(applied, migrations, place)
        for component, number in newest_numbers(migrations).items():
            found = applied.get(component, 0)
            if found > number or (found < number and not may_be_older):
                kind = JournalNewerError if found > number else JournalOlderError
                raise kind(
                    f"the journal's '{component}' tables have version {found}, "
                    f"this program knows version {number}",
                    place=place,
                )


def kept(tx: Transaction, key: str) -> str:
    """A value that the journal keeps about itself; empty when there is none."""
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def recorded_facts(
    tx: Transaction, lifecycle: str, ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By the instances' ids, those facts of their newest steps that differ from the defaults."""
    rows = tx.execute(LAST_FACTS, (lifecycle, json.dumps(ids))).fetchall()
    return {str(id): dict(json.loads(str(facts))) for id, facts in rows}
