"""The schema grows by numbered migrations, each applied once, in one transaction with its number.

Components (the engine, the store of an application) have migrations of their own in the same file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from workflow.errors import JournalForeignError, JournalNewerError, JournalWriteError
from workflow.ports.work import Migration


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], place: str) -> None:
    """Bring the schema up to date.

    Raises ``JournalNewerError`` when it is ahead of this program, and ``JournalForeignError`` when
    it has tables of a component that is not among these: another application's.

    Everything happens in one transaction: a crash leaves the old schema or the new one, and so
    does a statement that fails, with ``JournalWriteError``.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        _apply(connection, migrations, place)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _undo(connection)
        raise JournalWriteError(
            f"the schema could not be brought up to date: {error}", place=place
        ) from error
    except BaseException:
        _undo(connection)
        raise


def _apply(connection: sqlite3.Connection, migrations: Sequence[Migration], place: str) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, number INT)"
    )
    applied = dict(connection.execute("SELECT component, number FROM schema_version"))
    refuse_others(applied, migrations, place)
    for component, newest in newest_numbers(migrations).items():
        if applied.get(component, 0) > newest:
            raise JournalNewerError(
                f"the journal's '{component}' tables have version {applied[component]}, "
                f"this program knows version {newest}",
                place=place,
            )
    for migration in migrations:
        if migration.number > applied.get(migration.component, 0):
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(
                "INSERT OR REPLACE INTO schema_version VALUES (?, ?)",
                (migration.component, migration.number),
            )


def refuse_others(applied: Iterable[str], migrations: Iterable[Migration], place: str) -> None:
    """Raises ``JournalForeignError`` when a component of the journal has none of the migrations."""
    others = sorted(set(applied) - set(newest_numbers(migrations)))
    if others:
        raise JournalForeignError(
            f"this journal is another application's: it has tables of '{', '.join(others)}'",
            place=place,
            remedy="Choose the data directory of this application, or the application of this one.",
        )


def _undo(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # A full disk: SQLite has undone everything already.
        connection.execute("ROLLBACK")


def newest_numbers(migrations: Iterable[Migration]) -> dict[str, int]:
    """The highest number of each component: the version that this program knows."""
    newest: dict[str, int] = {}
    for migration in migrations:
        newest[migration.component] = max(newest.get(migration.component, 0), migration.number)
    return newest


ENGINE: Final = (
    Migration(
        "engine",
        1,
        (
            """
            CREATE TABLE instance (
                lifecycle TEXT NOT NULL,
                id        TEXT NOT NULL,
                state     TEXT NOT NULL,
                version   INT  NOT NULL,
                entry     INT  NOT NULL,
                attempts  INT  NOT NULL,
                answered  INT  NOT NULL,
                due_at    REAL,
                setbacks  TEXT NOT NULL,
                PRIMARY KEY (lifecycle, id)
            ) WITHOUT ROWID
            """,
            "CREATE INDEX instance_due ON instance (due_at) WHERE due_at IS NOT NULL",
            "CREATE INDEX instance_open ON instance (lifecycle, id) WHERE answered = 0",
            """
            CREATE TABLE history (
                seq        INTEGER PRIMARY KEY,
                lifecycle  TEXT NOT NULL,
                id         TEXT NOT NULL,
                event      TEXT NOT NULL,
                source     TEXT NOT NULL,
                target     TEXT NOT NULL,
                entry      INT  NOT NULL,
                words      TEXT NOT NULL,
                facts      TEXT NOT NULL,
                guards     TEXT NOT NULL,
                signals    TEXT,
                details    TEXT,
                reason     TEXT NOT NULL,
                actor      TEXT NOT NULL,
                at         REAL NOT NULL,
                command_id TEXT
            )
            """,
            "CREATE INDEX history_instance ON history (lifecycle, id, seq)",
            "CREATE INDEX history_signals ON history (seq) WHERE signals IS NOT NULL",
            """
            CREATE TABLE command (
                id      TEXT PRIMARY KEY,
                request TEXT NOT NULL,
                outcome TEXT NOT NULL,
                at      REAL NOT NULL
            ) WITHOUT ROWID
            """,
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        ),
    ),
)
