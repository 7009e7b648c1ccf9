"""Announcements of our own, links of others, and the keys to what is encrypted."""

from __future__ import annotations

from typing import cast

from workflow.archive.ratchet import RatchetKey
from workflow.ports.records import UNSIGNED_LINK, Announcement, Link
from workflow.ports.work import Transaction


class SqliteAnnouncements:
    """The rows of announcements, links and ratchet keys."""

    def due_announcement(self, tx: Transaction, community: str) -> Announcement | None:
        """The unsent announcement of the current generation in the current epoch."""
        row = tx.execute(
            "SELECT a.community, a.clock, a.locator, a.epoch, a.payload, a.sent_at"
            " FROM community c JOIN generation g ON g.community = c.id AND g.number = c.generation"
            " JOIN announcement a ON a.community = c.id AND a.epoch = c.control_epoch"
            " AND a.locator = g.locator WHERE c.id = ? AND a.sent_at IS NULL"
            " ORDER BY a.clock DESC LIMIT 1",
            (community,),
        ).fetchone()
        return None if row is None else Announcement(*row)  # type: ignore[arg-type]

    def newest_clock(self, tx: Transaction, community: str) -> int:
        """The highest clock ever announced or received; 0 before the first."""
        row = tx.execute(
            "SELECT max(coalesce((SELECT max(clock) FROM announcement WHERE community = ?1), 0),"
            " coalesce((SELECT clock FROM link WHERE community = ?1), 0),"
            " coalesce((SELECT description_clock FROM community WHERE id = ?1), 0))",
            (community,),
        ).fetchone()
        return cast("int", row[0]) if row else 0

    def is_own_announcement(self, tx: Transaction, community: str, payload: bytes) -> bool:
        """True when exactly these bytes were signed here."""
        row = tx.execute(
            "SELECT 1 FROM announcement WHERE community = ? AND payload = ?", (community, payload)
        ).fetchone()
        return row is not None

    def add_announcement(self, tx: Transaction, announcement: Announcement) -> None:
        """Keep a signed announcement before it is sent."""
        tx.execute(
            "INSERT INTO announcement VALUES (?, ?, ?, ?, ?, ?)",
            (
                announcement.community,
                announcement.clock,
                announcement.locator,
                announcement.epoch,
                announcement.payload,
                announcement.sent_at,
            ),
        )

    def set_sent(self, tx: Transaction, community: str, clock: int, at: float) -> None:
        """The announcement with this clock was taken by the network."""
        tx.execute(
            "UPDATE announcement SET sent_at = ? WHERE community = ? AND clock = ?",
            (at, community, clock),
        )
        self.raise_description_clock(tx, community, clock)

    def raise_description_clock(self, tx: Transaction, community: str, clock: int) -> None:
        """A description names this clock; older links are not followed."""
        tx.execute(
            "UPDATE community SET description_clock = max(description_clock, ?) WHERE id = ?",
            (clock, community),
        )

    def description_clock(self, tx: Transaction, community: str) -> int:
        """The magnet link clock of the community's description; 0 before the first."""
        row = tx.execute(
            "SELECT description_clock FROM community WHERE id = ?", (community,)
        ).fetchone()
        return cast("int", row[0]) if row else 0

    def newest_announcement(self, tx: Transaction, community: str) -> bytes | None:
        """The newest announcement that was sent from here or came in; None before the first."""
        row = tx.execute(
            "SELECT clock, payload FROM announcement WHERE community = ?1 AND sent_at IS NOT NULL"
            " UNION ALL SELECT clock, payload FROM link WHERE community = ?1 AND payload <> x''"
            " ORDER BY clock DESC LIMIT 1",
            (community,),
        ).fetchone()
        return cast("bytes", row[1]) if row else None

    def link(self, tx: Transaction, community: str) -> Link | None:
        """The newest link."""
        row = tx.execute(
            "SELECT community, clock, locator, payload, first_at, last_at FROM link"
            " WHERE community = ?",
            (community,),
        ).fetchone()
        return None if row is None else Link(*row)  # type: ignore[arg-type]

    def set_link(self, tx: Transaction, link: Link) -> None:
        """Replace the newest link."""
        tx.execute(
            "INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?, ?, 0)",
            (link.community, link.clock, link.locator, link.payload, link.first_at, link.last_at),
        )
        see_signature(tx, link.community)

    def set_link_locked(self, tx: Transaction, community: str) -> None:
        """The link's index is encrypted with a key that is not here."""
        tx.execute("UPDATE link SET is_locked = 1 WHERE community = ?", (community,))

    def add_ratchet_key(self, tx: Transaction, community: str, key: RatchetKey) -> None:
        """Keep a key of an encrypted community; whatever was locked is tried again."""
        tx.execute(
            "INSERT OR IGNORE INTO ratchet_key VALUES (?, ?, ?, ?, 0)",
            (community, key.id, key.key, key.timestamp_ms),
        )
        tx.execute("UPDATE link SET is_locked = 0 WHERE community = ?", (community,))
        tx.execute("UPDATE archive SET is_locked = 0 WHERE community = ?", (community,))

    def ratchet_keys(self, tx: Transaction, community: str) -> list[RatchetKey]:
        """The keys of a community, newest first."""
        rows = tx.execute(
            "SELECT key, timestamp_ms FROM ratchet_key WHERE community = ?"
            " ORDER BY timestamp_ms DESC",
            (community,),
        ).fetchall()
        group = bytes.fromhex(community.removeprefix("0x"))
        return [
            RatchetKey(key, timestamp_ms, group)
            for key, timestamp_ms in cast("list[tuple[bytes, int]]", rows)
        ]

    def last_seq_no(self, tx: Transaction, community: str, key: RatchetKey) -> int:
        """How many messages this node has encrypted with this key."""
        row = tx.execute(
            "SELECT seq_no FROM ratchet_key WHERE community = ? AND id = ?", (community, key.id)
        ).fetchone()
        return cast("int", row[0]) if row else 0

    def set_seq_no(self, tx: Transaction, community: str, key: RatchetKey, seq_no: int) -> None:
        """This node has encrypted so many messages with this key."""
        tx.execute(
            "UPDATE ratchet_key SET seq_no = ? WHERE community = ? AND id = ?",
            (seq_no, community, key.id),
        )


def see_signature(tx: Transaction, community: str) -> None:
    """The condition that nobody has signed for the archives ends when a signed link names them."""
    tx.execute(
        "UPDATE community SET condition = '' WHERE id = ?1 AND condition = ?2 AND EXISTS ("
        " SELECT 1 FROM link l JOIN generation g ON g.community = l.community"
        " AND g.number = generation AND g.locator = l.locator"
        " WHERE l.community = ?1 AND l.clock > 0)",
        (community, UNSIGNED_LINK),
    )
