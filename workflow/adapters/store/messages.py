"""Messages as archives hold them, each with the archive that holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from workflow.archive.windows import Window, window_containing
from workflow.ports.store import (
    NewMessage,
    StoredMessage,
)
from workflow.ports.work import Transaction, Value

MESSAGE: Final = "SELECT sequence, time, topic, encoded, weight, archive FROM message"
UNARCHIVED: Final = (
    MESSAGE + " WHERE community = ? AND archive IS NULL AND time >= ? AND time < ?"
    " ORDER BY time, topic, sequence"
)
MESSAGES: Final = MESSAGE + " WHERE community = ? ORDER BY time, topic, sequence"


class SqliteMessages:
    """The rows of messages."""

    def add_messages(
        self,
        tx: Transaction,
        community: str,
        messages: Iterable[NewMessage],
        now: float,
        archive: str | None = None,
    ) -> int:
        """Store messages; a known digest is known. With ``archive``, that archive holds them."""
        batch = list(messages)
        if not batch:
            return 0
        added = tx.executemany(
            "INSERT OR IGNORE INTO message"
            " (community, time, topic, encoded, weight, digest, archive, stored_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (community, m.time, m.topic, m.encoded, m.weight, m.digest, archive, now)
                for m in batch
            ],
        ).rowcount
        if archive is not None:
            tx.executemany(
                "UPDATE message SET archive = ? WHERE community = ? AND digest = ?",
                [(archive, community, m.digest) for m in batch],
            )
        oldest = min(m.time for m in batch)
        tx.execute(
            "UPDATE community SET anchor = ? WHERE id = ? AND anchor IS NULL", (oldest, community)
        )
        return added

    def due_windows(self, tx: Transaction, community: str, before: float) -> list[Window]:
        """Windows with unarchived messages that have ended by this moment, oldest first."""
        anchor, interval = _grid(tx, community)
        windows: list[Window] = []
        time = -(2**62)
        while True:
            row = tx.execute(
                "SELECT min(time) FROM message"
                " WHERE community = ? AND archive IS NULL AND time >= ?",
                (community, time),
            ).fetchone()
            if row is None or row[0] is None or anchor is None:
                return windows
            window = window_containing(cast("int", row[0]), anchor, interval)
            if window.end > before:
                return windows
            windows.append(window)
            time = window.end

    def unarchived(self, tx: Transaction, community: str, window: Window) -> list[StoredMessage]:
        """The unarchived messages of a window in archive order (time, topic, sequence)."""
        rows = tx.execute(UNARCHIVED, (community, window.start, window.end)).fetchall()
        return [_message(row) for row in rows]

    def messages(self, tx: Transaction, community: str) -> list[StoredMessage]:
        """All messages in archive order."""
        return [_message(row) for row in tx.execute(MESSAGES, (community,)).fetchall()]

    def mark_archived(self, tx: Transaction, sequences: Sequence[int], archive: str) -> None:
        """These messages are held by this archive."""
        tx.executemany(
            "UPDATE message SET archive = ? WHERE sequence = ?",
            [(archive, sequence) for sequence in sequences],
        )


def _message(row: Sequence[Value]) -> StoredMessage:
    return StoredMessage(*row)  # type: ignore[arg-type]


def _grid(tx: Transaction, community: str) -> tuple[int | None, int]:
    """Anchor and interval of a community's windows, in seconds."""
    row = tx.execute("SELECT anchor, interval FROM community WHERE id = ?", (community,)).fetchone()
    return cast("tuple[int | None, int]", row or (None, 0))
