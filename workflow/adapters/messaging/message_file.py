"""The one file that all nodes of a folder write their messages into and read them from.

``messages.sqlite3`` is a database in WAL mode: one process writes at a time, nobody who reads waits
for it, and a process that is killed leaves neither a lock nor half a message. A commit is on the
disk when it returns. Rows are numbered as they are committed, and no number is given twice, so what
lies behind the last number that was seen is exactly what is new.

Other processes may be other programs: rows that ``append`` would not have written are left out and
logged. A file that is taken away while it is open is noticed before and after each use; a new one
takes its place, and everything in that is new.

A ``MessageFile`` belongs to one thread, as its connection does.
"""

from __future__ import annotations

import math
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loguru import logger

from workflow.errors import MessagingError
from workflow.files.folder import PRIVATE, sync_folder
from workflow.ports.messaging import Received

MESSAGES: Final = "messages.sqlite3"
BESIDE: Final = ("-wal", "-shm", "-journal")
"""SQLite's own files: what was committed last, and the memory that the processes share; until the
file is in WAL mode, how to undo what was not committed."""
MAX_PAYLOAD: Final = 1024 * 1024
"""Bytes in a payload, at most: as much as a message of the Waku network may have."""
MAX_CHANNEL: Final = 1024
"""Characters in a channel's name, at most."""
PATIENCE: Final = 10.0
"""Seconds to wait for another process that is writing."""
AT_ONCE: Final = 500
"""New rows that are asked for in one query."""
FILE_MODE: Final = 0o600
OF_OTHERS: Final = 0o077

APPLICATION_ID: Final = 0x434F4D4D  # "COMM": SQLite keeps it in the file's header.
VERSION: Final = 1
SET_APPLICATION_ID: Final = "PRAGMA application_id=0x434F4D4D"
SET_VERSION: Final = "PRAGMA user_version=1"
TABLE: Final = """
    CREATE TABLE message (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        channel  TEXT NOT NULL,
        at       REAL NOT NULL,
        payload  BLOB NOT NULL
    )
"""
INDEX: Final = "CREATE INDEX message_by_channel ON message (channel, at)"

APPEND: Final = "INSERT INTO message (channel, at, payload) VALUES (?, ?, ?)"
FORGET: Final = "DELETE FROM message WHERE at < ?"
LAST: Final = "SELECT coalesce(max(sequence), 0) FROM message"
# Whatever is too long is never loaded.
NEW: Final = """
    SELECT sequence, CASE WHEN length(channel) <= ? THEN channel END
    FROM message WHERE sequence > ? ORDER BY sequence LIMIT ?
"""
SINCE: Final = "SELECT sequence FROM message WHERE channel = ? AND at >= ? ORDER BY at"
ONE: Final = """
    SELECT at, CASE WHEN length(payload) <= ? THEN payload END
    FROM message WHERE sequence = ? AND channel = ?
"""

DAMAGED: Final = (
    f"End every node that shares this folder, and delete all files whose names begin with"
    f" {MESSAGES}: links that nobody has taken yet are lost until they are announced again."
)
REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "Nothing, it is tried again; look for a process that was stopped.",
    sqlite3.SQLITE_FULL: "Make room on the disk; it is tried again.",
    sqlite3.SQLITE_IOERR: "Look after the disk; it is tried again.",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_ERROR: DAMAGED,  # A table or column is missing.
}
WRITABLE: Final = "Make the folder and what lies in it writable, or choose another folder."

Identity = tuple[int, int]
"""Device and inode."""


class MessageFile:
    """The messages in ``folder``, which comes into being (mode 0700) with the first use.

    All methods raise ``MessagingError``, with the file as its place, when it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / MESSAGES
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._seen = 0  # the last sequence that ``new`` has told
        self._version: int | None = None  # of the data when nothing was new; None when unknown

    def open(self) -> None:
        """Open it; what is in it now is not new."""
        with self._explained():
            self._seen = self._connected().execute(LAST).fetchone()[0]

    def append(self, channel: str, payload: bytes, now: Callable[[], float]) -> None:
        """Add a message; it is on the disk when this returns. Its time is that of the writing."""
        self._check(channel, payload)
        with self._explained():
            connection = self._connected()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(APPEND, (channel, now(), payload))
            self._version = None  # SQLite tells of changes by others only.
            if _identity_of(self._path) != self._identity:
                raise MessagingError(
                    "the file was taken away while a message was written into it",
                    place=str(self._path),
                    remedy="Nothing: it is tried again.",
                )

    def forget(self, before: float) -> None:
        """Delete messages that are older than this moment (seconds, UTC epoch)."""
        with self._explained():
            self._connected().execute(FORGET, (before,))

    def new(self) -> list[tuple[int, str]]:
        """Sequence and channel of messages that came since it was last asked, oldest first.

        They may not be all; an empty list means that there are no more for now. As long as nobody
        writes, asking costs a look at the folder and one at shared memory.
        """
        with self._explained():
            connection = self._connected()
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            while version != self._version:
                rows = connection.execute(NEW, (MAX_CHANNEL, self._seen, AT_ONCE)).fetchall()
                if len(rows) < AT_ONCE:
                    self._version = version
                if rows:
                    self._seen = rows[-1][0]
                sound = [(row[0], row[1]) for row in rows if isinstance(row[1], str)]
                if len(sound) < len(rows):
                    self._left_out(len(rows) - len(sound), "without the name of a channel")
                if sound:
                    return sound
        return []

    def since(self, channel: str, at: float) -> list[int]:
        """The sequences of a channel's messages from this moment on (seconds, UTC epoch)."""
        self._check(channel, b"")
        with self._explained():
            return [row[0] for row in self._connected().execute(SINCE, (channel, at))]

    def read(self, channel: str, sequences: Sequence[int]) -> list[Received]:
        """These messages, without those that were forgotten or are none."""
        with self._explained():
            connection = self._connected()
            rows = [
                row
                for sequence in sequences
                for row in connection.execute(ONE, (MAX_PAYLOAD, sequence, channel))
            ]
        sound = [
            Received(channel, payload, at)
            for at, payload in rows
            if isinstance(payload, bytes) and isinstance(at, float) and math.isfinite(at)
        ]
        if len(sound) < len(rows):
            self._left_out(len(rows) - len(sound), "whose time or payload is none")
        return sound

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- opening ---------------------------------------------------------------------------------

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that lies there now."""
        if self._connection is not None and _identity_of(self._path) == self._identity:
            return self._connection
        connection = self._connect()
        # Only now: as long as the old file is open, no new one can have its inode.
        self.close()
        self._connection = connection
        self._identity = _identity_of(self._path)
        self._seen = 0
        self._version = None
        return connection

    def _connect(self) -> sqlite3.Connection:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        self._look_around()
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
        try:
            if self._path.stat().st_mode & OF_OTHERS:
                self._path.chmod(FILE_MODE)  # The files beside it will have its mode.
            connection.text_factory = _decoded
            connection.execute("PRAGMA synchronous=EXTRA")  # In WAL mode that is FULL.
            self._identify(connection)
            _read_while_others_write(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _look_around(self) -> None:
        """Refuse what SQLite would follow, wait for, or mix with the remains of another file."""
        has_remains = any(Path(f"{self._path}{end}").exists() for end in BESIDE)
        # In this order: another process that makes the file now makes these after it.
        if has_remains and not self._path.exists():
            raise MessagingError(
                "the file of messages was taken away, but not what belongs to it",
                place=str(self._path),
                remedy=DAMAGED,
            )
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise MessagingError(
                "something else lies where the file of messages belongs",
                place=str(self._path),
                remedy="Take it away, or choose another folder.",
            )

    def _identify(self, connection: sqlite3.Connection) -> None:
        """Make the schema in an empty file, unless another process is faster."""
        if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
            if connection.execute("PRAGMA user_version").fetchone()[0] > VERSION:
                raise MessagingError(
                    "the file of messages was written by a newer version",
                    place=str(self._path),
                    remedy="Upgrade community-archives; nothing was changed.",
                )
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            if found == APPLICATION_ID:
                return
            if found or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise MessagingError(
                    "the file is a database, but not one of messages",
                    place=str(self._path),
                    remedy="Choose another folder; nothing was changed.",
                )
            connection.execute(TABLE)
            connection.execute(INDEX)
            connection.execute(SET_APPLICATION_ID)
            connection.execute(SET_VERSION)

    # -- refusals --------------------------------------------------------------------------------

    def _check(self, channel: str, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD:
            raise MessagingError(
                f"a message of {len(payload)} bytes is longer than {MAX_PAYLOAD}", place=channel
            )
        if len(channel) > MAX_CHANNEL or not _is_text(channel):
            raise MessagingError(
                f"a channel's name has at most {MAX_CHANNEL} characters, all of them Unicode's",
                place=ascii(channel[:80]),
            )

    def _left_out(self, rows: int, what: str) -> None:
        logger.warning("{}: {} rows {} were left out", self._path, rows, what)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
            raise MessagingError(
                f"the file of messages cannot be used: {error}",
                place=str(self._path),
                remedy=REMEDIES.get(code, WRITABLE),
            ) from error
        except OSError as error:
            raise MessagingError(
                f"the folder of messages cannot be used: {error.strerror}",
                place=str(self._folder),
                remedy=WRITABLE,
            ) from error


def _read_while_others_write(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode, which stays so for all; does nothing where that is so already.

    SQLite does not wait here for others that have just opened the file. They switch themselves; and
    if nobody can, all promises hold without it, until the next one opens the file.
    """
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise


def _identity_of(path: Path) -> Identity | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _decoded(text: bytes) -> str:
    """Text of a row: what is no UTF-8 becomes a channel that nobody follows, not an error."""
    return text.decode(errors="replace")


def _is_text(channel: str) -> bool:
    try:
        channel.encode()
    except UnicodeEncodeError:
        return False
    return True
