"""A journal as it is at one moment, copied whole into a file of its own."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from workflow.errors import JournalDamagedError
from workflow.files.folder import sync_folder


def copy_database(connection: sqlite3.Connection, target: Path) -> None:
    """Copy a database, whoever writes it meanwhile; the file appears whole and synced, or not.

    Raises ``sqlite3.Error`` and ``OSError``.
    """
    draft = target.with_name(target.name + ".draft")
    draft.unlink(missing_ok=True)
    # Its owner's alone from the first byte: it holds messages and keys.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        copy = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # One file, without a log beside it.
        finally:
            copy.close()
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)  # It may be what fills the disk.
        raise
    sync_folder(target.parent)


def check_copy(path: Path, application_id: int) -> None:
    """Read a copy through and through. Raises ``JournalDamagedError`` when it is no whole one."""
    try:
        copy = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            application = copy.execute("PRAGMA application_id").fetchone()[0]
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        finally:
            copy.close()
    except sqlite3.Error as error:
        raise JournalDamagedError(f"the copy is damaged: {error}", place=str(path)) from error
    if application != application_id or found != "ok":
        raise JournalDamagedError(f"the copy is damaged: {found}", place=str(path))
