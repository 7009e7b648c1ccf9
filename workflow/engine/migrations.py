"""The schema grows by numbered migrations, each applied once, in one transaction with its number.

Components (the engine, the store of an application) have migrations of their own in the same file.
A journal that was in use is copied beside itself before anything in it changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from workflow.engine.copying import copy_database
from workflow.errors import JournalForeignError, JournalNewerError, JournalWriteError
from workflow.ports.work import Migration


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Migration], place: str
) -> Path | None:
    """Bring the schema up to date; returns where the journal of before is kept, if there was one.

    Raises ``JournalNewerError`` when it is ahead of this program, and ``JournalForeignError`` when
    it has tables of a component that is not among these, another application's: then nothing was
    changed, and nothing copied.

    Everything happens in one transaction: a crash leaves the old schema or the new one, and so
    does a statement that fails, with ``JournalWriteError``.
    """
    try:
        before = _versions(connection)
        refuse_others(before, migrations, place)
        _refuse_newer(before, migrations, place)
        is_older = any(one.number > before.get(one.component, 0) for one in migrations)
        kept = _keep_copy(connection, before, Path(place)) if before and is_older else None
        connection.execute("BEGIN IMMEDIATE")
        _apply(connection, migrations)
        connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        _undo(connection)
        raise JournalWriteError(
            f"the schema could not be brought up to date: {error}", place=place
        ) from error
    except BaseException:
        _undo(connection)
        raise
    if kept is not None:
        from loguru import logger  # noqa: PLC0415 - who only reads logs nothing.

        logger.info("the journal was brought up to date; the one of before is {}", kept)
    return kept


def _versions(connection: sqlite3.Connection) -> dict[str, int]:
    """The version of each component's tables; none in a new file."""
    if not connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'schema_version'"
    ).fetchone():
        return {}
    return dict(connection.execute("SELECT component, number FROM schema_version"))


def _refuse_newer(applied: Mapping[str, int], migrations: Sequence[Migration], place: str) -> None:
    for component, newest in newest_numbers(migrations).items():
        if applied.get(component, 0) > newest:
            raise JournalNewerError(
                f"the journal's '{component}' tables have version {applied[component]}, "
                f"this program knows version {newest}",
                place=place,
            )


def _keep_copy(
    connection: sqlite3.Connection, versions: Mapping[str, int], journal: Path
) -> Path | None:
    """Copy the journal beside itself, named for its versions: ``....engine-1.store-1``."""
    if not journal.is_file():  # In memory.
        return None
    name = ".".join([journal.name, *(f"{one}-{versions[one]}" for one in sorted(versions))])
    copy_database(connection, journal.with_name(name))
    return journal.with_name(name)


def _apply(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, number INT)"
    )
    applied = _versions(connection)
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
