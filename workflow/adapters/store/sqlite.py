"""The store in SQLite: plain statements with bound parameters, nothing clever.

Every method runs in the engine's transaction, in the journal's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from workflow.archive.index import IndexEntry
from workflow.archive.ratchet import RatchetKey
from workflow.archive.windows import Window, window_containing
from workflow.errors import UnknownCommunityError
from workflow.ports.store import (
    Announcement,
    Community,
    Generation,
    Link,
    NewMessage,
    StoredMessage,
)
from workflow.ports.work import Transaction, Value

COMMUNITY: Final = (
    "SELECT id, name, control_key, control_device, control_epoch, claimed_epoch, interval, anchor,"
    " reannounce_after, is_enabled, generation, candidate, condition FROM community"
)
COMMUNITY_BY_ID: Final = COMMUNITY + " WHERE id = ?"
COMMUNITY_BY_NAME: Final = COMMUNITY + " WHERE name = ?1 OR substr(id, 1, length(?1)) = ?1"
COMMUNITIES: Final = COMMUNITY + " ORDER BY name, id"
GENERATION: Final = (
    "SELECT g.community, g.number, g.lineage, g.locator, g.data_length, g.is_own"
    " FROM community c JOIN generation g ON g.community = c.id"
)
CURRENT_GENERATION: Final = GENERATION + " AND g.number = c.generation WHERE c.id = ?"
CANDIDATE: Final = GENERATION + " AND g.number = c.candidate WHERE c.id = ?"
MESSAGE: Final = "SELECT sequence, time, topic, encoded, weight, archive FROM message"
UNARCHIVED: Final = (
    MESSAGE + " WHERE community = ? AND archive IS NULL AND time >= ? AND time < ?"
    " ORDER BY time, topic, sequence"
)
MESSAGES: Final = MESSAGE + " WHERE community = ? ORDER BY time, topic, sequence"


class SqliteStore:
    """The domain's rows; see the port for what each method promises."""

    def instance_of(self, community: str, lineage: int, archive: str) -> str:
        """The id under which the import of an archive is run."""
        return f"{community}/{lineage}/{archive}"

    def add_community(self, tx: Transaction, community: Community) -> None:
        """Add a community; one that is known keeps its rows."""
        tx.execute(
            "INSERT OR IGNORE INTO community (id, name, control_key, control_device,"
            " control_epoch, claimed_epoch, interval, anchor, reannounce_after, is_enabled,"
            " generation, candidate, condition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                community.id,
                community.name,
                community.control_key,
                community.control_device,
                community.control_epoch,
                community.claimed_epoch,
                community.interval,
                community.anchor,
                community.reannounce_after,
                community.is_enabled,
                community.generation,
                community.candidate,
                community.condition,
            ),
        )

    def community(self, tx: Transaction, id: str) -> Community:
        """One community. Raises ``UnknownCommunityError``."""
        row = tx.execute(COMMUNITY_BY_ID, (id,)).fetchone()
        if row is None:
            raise UnknownCommunityError(f"no community has the id {id}")
        return _community(row)

    def communities(self, tx: Transaction) -> list[Community]:
        """All communities, by name."""
        return [_community(row) for row in tx.execute(COMMUNITIES, ()).fetchall()]

    def find_community(self, tx: Transaction, text: str) -> Community:
        """By name, id or unique prefix of the id. Raises ``UnknownCommunityError``."""
        rows = [_community(row) for row in tx.execute(COMMUNITY_BY_NAME, (text,)).fetchall()]
        exact = [row for row in rows if text in (row.id, row.name)]
        found = exact or rows
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownCommunityError(f"no community is called '{text}'")
        names = ", ".join(f"{row.name} ({row.id[:12]})" for row in found)
        raise UnknownCommunityError(f"'{text}' may mean: {names}", remedy="Give more of the id.")

    def set_enabled(self, tx: Transaction, community: str, *, is_enabled: bool) -> None:
        """Remember whether the community is meant to be on."""
        tx.execute("UPDATE community SET is_enabled = ? WHERE id = ?", (is_enabled, community))

    def set_condition(self, tx: Transaction, community: str, condition: str) -> None:
        """Name a condition that a person should know of; empty when there is none."""
        tx.execute("UPDATE community SET condition = ? WHERE id = ?", (condition, community))

    def claim_control(self, tx: Transaction, community: str, key: bytes, device: str) -> None:
        """This device takes control in a new epoch."""
        tx.execute(
            "UPDATE community SET control_key = ?, control_device = ?, condition = '',"
            " control_epoch = control_epoch + 1, claimed_epoch = control_epoch + 1 WHERE id = ?",
            (key, device, community),
        )

    def hand_over(self, tx: Transaction, community: str, key: bytes) -> None:
        """Somebody else has control from now on: a new epoch that nobody here has claimed."""
        tx.execute(
            "UPDATE community SET control_key = ?, control_device = '',"
            " control_epoch = control_epoch + 1 WHERE id = ?",
            (key, community),
        )

    def set_caught_up(self, tx: Transaction, community: str, run: int) -> None:
        """What was missed before this run is here."""
        tx.execute("UPDATE community SET caught_up_run = ? WHERE id = ?", (run, community))

    def set_catch_up_deadline(self, tx: Transaction, community: str, deadline: float) -> None:
        """Until when archives wait for what was missed."""
        tx.execute("UPDATE community SET catch_up_deadline = ? WHERE id = ?", (deadline, community))

    def add_topic(self, tx: Transaction, community: str, topic: bytes) -> None:
        """A channel's topic (4 bytes); again is once."""
        tx.execute(
            "INSERT OR IGNORE INTO topic SELECT ?1, count(*), ?2 FROM topic WHERE community = ?1",
            (community, topic),
        )

    def topics(self, tx: Transaction, community: str) -> tuple[bytes, ...]:
        """The topics of a community in the order in which they were added."""
        rows = tx.execute(
            "SELECT topic FROM topic WHERE community = ? ORDER BY position", (community,)
        )
        return tuple(cast("bytes", row[0]) for row in rows.fetchall())

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
                "UPDATE message SET archive = ? WHERE community = ? AND digest = ?"
                " AND archive IS NULL",
                [(archive, community, m.digest) for m in batch],
            )
        oldest = min(m.time for m in batch)
        tx.execute(
            "UPDATE community SET anchor = ? WHERE id = ? AND anchor IS NULL", (oldest, community)
        )
        return added

    def due_windows(self, tx: Transaction, community: str, before: float) -> list[Window]:
        """Windows with unarchived messages that have ended by this moment, oldest first."""
        known = self.community(tx, community)
        windows: list[Window] = []
        time = -(2**62)
        while True:
            row = tx.execute(
                "SELECT min(time) FROM message"
                " WHERE community = ? AND archive IS NULL AND time >= ?",
                (community, time),
            ).fetchone()
            if row is None or row[0] is None or known.anchor is None:
                return windows
            window = window_containing(cast("int", row[0]), known.anchor, known.interval)
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

    def generation(self, tx: Transaction, community: str) -> Generation | None:
        """The newest complete generation."""
        return _generation(tx.execute(CURRENT_GENERATION, (community,)).fetchone())

    def candidate(self, tx: Transaction, community: str) -> Generation | None:
        """The generation that is being downloaded."""
        return _generation(tx.execute(CANDIDATE, (community,)).fetchone())

    def next_generation(self, tx: Transaction, community: str) -> int:
        """The number that the next generation will have."""
        row = tx.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM generation WHERE community = ?", (community,)
        ).fetchone()
        return cast("int", row[0]) if row else 1

    def newest_lineage(self, tx: Transaction, community: str) -> int:
        """The highest lineage there ever was; 0 when there was none."""
        row = tx.execute(
            "SELECT coalesce(max(lineage), 0) FROM generation WHERE community = ?", (community,)
        ).fetchone()
        return cast("int", row[0]) if row else 0

    def add_generation(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A complete generation of our own making, with the archives that are new in it."""
        self._insert_generation(tx, generation, missing=0)
        self._insert_archives(tx, generation, entries, is_own=True)
        tx.execute(
            "UPDATE community SET generation = ?, candidate = 0 WHERE id = ?",
            (generation.number, generation.community),
        )

    def add_candidate(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A generation whose archives (those that are new in its lineage) must be downloaded."""
        wanted = self.missing_archives(tx, generation.community, generation.lineage, entries)
        self._insert_archives(tx, generation, wanted, is_own=False)
        self._insert_generation(tx, generation, len(wanted))
        tx.execute(
            "UPDATE community SET candidate = ? WHERE id = ?",
            (generation.number, generation.community),
        )

    def missing_archives(
        self, tx: Transaction, community: str, lineage: int, entries: Iterable[IndexEntry]
    ) -> list[IndexEntry]:
        """Those of the entries whose bytes are not on this disk yet."""
        rows = tx.execute(
            "SELECT id FROM archive WHERE community = ? AND lineage = ? AND is_here = 1",
            (community, lineage),
        ).fetchall()
        here = {row[0] for row in rows}
        return [entry for entry in entries if entry.id not in here]

    def set_archive_here(self, tx: Transaction, instance: str) -> None:
        """The archive's bytes are checked and on this disk."""
        tx.execute("UPDATE archive SET is_here = 1 WHERE instance = ?", (instance,))

    def communities_of(self, tx: Transaction, locator: str) -> list[str]:
        """The ids of the communities that have a generation with this locator."""
        rows = tx.execute(
            "SELECT DISTINCT community FROM generation WHERE locator = ?", (locator,)
        ).fetchall()
        return [str(row[0]) for row in rows]

    def older_locators(self, tx: Transaction, community: str) -> list[str]:
        """Locators of all generations but the current one."""
        rows = tx.execute(
            "SELECT g.locator FROM community c JOIN generation g ON g.community = c.id"
            " AND g.number != c.generation WHERE c.id = ? AND g.locator != ''",
            (community,),
        ).fetchall()
        return [str(row[0]) for row in rows]

    def complete_candidate(self, tx: Transaction, community: str) -> None:
        """All bytes of the candidate are here: it is the generation now."""
        tx.execute(
            "UPDATE generation SET missing = 0 WHERE community = ?1"
            " AND number = (SELECT candidate FROM community WHERE id = ?1)",
            (community,),
        )
        tx.execute(
            "UPDATE community SET generation = candidate, candidate = 0"
            " WHERE id = ? AND candidate > 0",
            (community,),
        )

    def set_seeded(self, tx: Transaction, community: str, locator: str, at: float) -> None:
        """The generation was live at this moment, under this locator."""
        tx.execute(
            "UPDATE generation SET locator = ?1, seeded_at = ?2 WHERE community = ?3"
            " AND number = (SELECT generation FROM community WHERE id = ?3)",
            (locator, at, community),
        )

    def archives(self, tx: Transaction, community: str, lineage: int) -> list[IndexEntry]:
        """The archives of a lineage by offset."""
        rows = tx.execute(
            'SELECT entry FROM archive WHERE community = ? AND lineage = ? ORDER BY "offset"',
            (community, lineage),
        )
        return [IndexEntry.decode(cast("bytes", row[0])) for row in rows.fetchall()]

    def archive(self, tx: Transaction, instance: str) -> tuple[str, int, IndexEntry]:
        """Community, lineage and entry of the archive with this instance id."""
        row = tx.execute(
            "SELECT community, lineage, entry FROM archive WHERE instance = ?", (instance,)
        ).fetchone()
        if row is None:
            raise UnknownCommunityError(f"no archive is called {instance}")
        community, lineage, entry = cast("tuple[str, int, bytes]", row)
        return community, lineage, IndexEntry.decode(entry)

    def set_archive_done(self, tx: Transaction, instance: str, *, is_done: bool) -> None:
        """The archive is on its way no more: imported, or put aside."""
        tx.execute("UPDATE archive SET is_done = ? WHERE instance = ?", (is_done, instance))

    def open_archives(self, tx: Transaction, community: str) -> list[str]:
        """The instance ids of archives that are still on their way."""
        rows = tx.execute(
            "SELECT instance FROM archive WHERE community = ? AND is_done = 0", (community,)
        ).fetchall()
        return [str(row[0]) for row in rows]

    def set_archive_locked(self, tx: Transaction, instance: str) -> None:
        """The archive is encrypted with a key that is not here."""
        tx.execute("UPDATE archive SET is_locked = 1 WHERE instance = ?", (instance,))

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

    def link(self, tx: Transaction, community: str) -> Link | None:
        """The newest verified link."""
        row = tx.execute(
            "SELECT community, clock, locator, payload, first_at, last_at FROM link"
            " WHERE community = ?",
            (community,),
        ).fetchone()
        return None if row is None else Link(*row)  # type: ignore[arg-type]

    def set_link(self, tx: Transaction, link: Link) -> None:
        """Replace the newest verified link."""
        tx.execute(
            "INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?, ?, ?, 0)",
            (link.community, link.clock, link.locator, link.payload, link.first_at, link.last_at),
        )

    def set_link_locked(self, tx: Transaction, community: str) -> None:
        """The link's index is encrypted with a key that is not here."""
        tx.execute("UPDATE link SET is_locked = 1 WHERE community = ?", (community,))

    def count_refusal(self, tx: Transaction, community: str, reason: str) -> None:
        """One more message was refused for this reason."""
        tx.execute(
            "INSERT INTO refusal VALUES (?, ?, 1)"
            " ON CONFLICT (community, reason) DO UPDATE SET count = count + 1",
            (community, reason),
        )

    def refusals(self, tx: Transaction, community: str) -> dict[str, int]:
        """How often what was refused."""
        rows = tx.execute(
            "SELECT reason, count FROM refusal WHERE community = ? ORDER BY reason", (community,)
        ).fetchall()
        return dict(cast("list[tuple[str, int]]", rows))

    def add_ratchet_key(self, tx: Transaction, community: str, key: RatchetKey) -> None:
        """Keep a key of an encrypted community; whatever was locked is tried again."""
        tx.execute(
            "INSERT OR IGNORE INTO ratchet_key VALUES (?, ?, ?, ?)",
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

    def _insert_generation(self, tx: Transaction, generation: Generation, missing: int) -> None:
        tx.execute(
            "INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                generation.community,
                generation.number,
                generation.lineage,
                generation.locator,
                generation.data_length,
                generation.is_own,
                missing,
            ),
        )

    def _insert_archives(
        self,
        tx: Transaction,
        generation: Generation,
        entries: Iterable[IndexEntry],
        *,
        is_own: bool,
    ) -> None:
        rows: list[Sequence[Value]] = [
            (
                self.instance_of(generation.community, generation.lineage, entry.id),
                generation.community,
                generation.lineage,
                entry.id,
                entry.encode(),
                entry.offset,
                is_own,
                is_own,
                0,
            )
            for entry in entries
        ]
        if rows:
            tx.executemany("INSERT OR IGNORE INTO archive VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _community(row: Sequence[Value]) -> Community:
    return Community(*row)  # type: ignore[arg-type]


def _generation(row: Sequence[Value] | None) -> Generation | None:
    return None if row is None else Generation(*row)  # type: ignore[arg-type]


def _message(row: Sequence[Value]) -> StoredMessage:
    return StoredMessage(*row)  # type: ignore[arg-type]
