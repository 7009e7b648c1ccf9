"""Generations of files, and the archives that each of them brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

from workflow.adapters.store.announcements import see_signature
from workflow.archive.index import IndexEntry
from workflow.errors import UnknownCommunityError
from workflow.ports.records import ArchiveState, Choice, Generation
from workflow.ports.work import Transaction, Value

GENERATION: Final = (
    "SELECT g.community, g.number, g.lineage, g.locator, g.data_length, g.is_own, g.info_hash"
    " FROM community c JOIN generation g ON g.community = c.id"
)
GENERATIONS: Final = GENERATION + " WHERE c.id = ? ORDER BY g.number"
CURRENT_GENERATION: Final = GENERATION + " AND g.number = c.generation WHERE c.id = ?"
CANDIDATE: Final = GENERATION + " AND g.number = c.candidate WHERE c.id = ?"

INSERT_ARCHIVE: Final = (
    'INSERT OR IGNORE INTO archive (instance, community, lineage, id, entry, "offset",'
    " is_here, is_done, is_locked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ARCHIVE_STATES: Final = (
    "SELECT a.instance, a.entry, a.is_here, a.is_locked, coalesce(i.state, ''),"
    " coalesce(h.held, 0)"
    " FROM archive a LEFT JOIN instance i ON i.lifecycle = 'archive' AND i.id = a.instance"
    " LEFT JOIN (SELECT archive, count(*) AS held FROM archived GROUP BY archive) h"
    " ON h.archive = a.number"
    " WHERE a.community = ?1"
    " AND a.lineage = (SELECT max(lineage) FROM generation WHERE community = ?1)"
    ' ORDER BY a."offset"'
)
IMPORTS: Final = (
    "SELECT count(*), coalesce(sum(is_done = 0 AND is_locked = 0), 0) FROM archive"
    " WHERE community = ?1"
    " AND lineage = (SELECT max(lineage) FROM generation WHERE community = ?1)"
    " AND (is_here = 1 OR is_done = 0)"  # Others are not chosen.
)
UNFINISHED: Final = (
    "SELECT a.number, a.instance FROM community c"
    " JOIN generation g ON g.community = c.id AND g.number = c.generation"
    " JOIN archive a ON a.community = c.id AND a.lineage = g.lineage"
    ' WHERE c.id = ? AND a."offset" >= g.data_length'
)
RELEASE_ONE: Final = (
    "INSERT INTO unarchived SELECT m.community, m.time, m.topic, m.sequence, m.weight"
    " FROM archived h JOIN message m USING (sequence)"
    " WHERE h.archive = ? AND m.encoded IS NOT NULL"
)
RELEASED: Final = (
    " FROM archive a JOIN archived h ON h.archive = a.number JOIN message m USING (sequence)"
    " WHERE a.community = ? AND a.lineage <> ? AND m.encoded IS NOT NULL"
)
RELEASE: Final = (
    "INSERT INTO unarchived SELECT m.community, m.time, m.topic, m.sequence, m.weight" + RELEASED
)
FORGET_RELEASED: Final = (
    "DELETE FROM archived WHERE sequence IN (SELECT m.sequence"  # noqa: S608 - written above.
    + RELEASED
    + ")"
)


class SqliteGenerations:
    """The rows of generations and archives."""

    def instance_of(self, community: str, lineage: int, archive: str) -> str:
        """The id under which the import of an archive is run."""
        return f"{community}/{lineage}/{archive}"

    def generation(self, tx: Transaction, community: str) -> Generation | None:
        """The newest complete generation."""
        return _generation(tx.execute(CURRENT_GENERATION, (community,)).fetchone())

    def candidate(self, tx: Transaction, community: str) -> Generation | None:
        """The generation that is being downloaded."""
        return _generation(tx.execute(CANDIDATE, (community,)).fetchone())

    def generations(self, tx: Transaction, community: str) -> list[Generation]:
        """All generations that there ever were, oldest first."""
        rows = tx.execute(GENERATIONS, (community,)).fetchall()
        return [one for one in map(_generation, rows) if one is not None]

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

    def forget_unfinished(self, tx: Transaction, community: str) -> None:
        """What lies behind the current generation in its lineage was never completed: it is over.

        Its bytes are written over. Messages that came with it are to be archived again.
        """
        for number, instance in tx.execute(UNFINISHED, (community,)).fetchall():
            tx.execute(RELEASE_ONE, (number,))
            tx.execute("DELETE FROM archived WHERE archive = ?", (number,))
            tx.execute("DELETE FROM archive WHERE number = ?", (number,))
            tx.execute("DELETE FROM instance WHERE lifecycle = 'archive' AND id = ?", (instance,))

    def add_generation(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A complete generation of our own making, with the archives that are new in it."""
        self._insert_generation(tx, generation, missing=0)
        self._insert_archives(tx, generation, entries, is_here=True, is_done=True)
        self._set_generation(tx, generation)

    def adopt_generation(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A complete generation of somebody else's making; its archives are yet to be imported."""
        self._insert_generation(tx, generation, missing=0)
        self._insert_archives(tx, generation, entries, is_here=True, is_done=False)
        self._set_generation(tx, generation)

    def unstarted_imports(self, tx: Transaction) -> list[str]:
        """The instance ids of archives that are here, and whose imports do not know it yet."""
        rows = tx.execute(
            "SELECT a.instance FROM archive a JOIN instance i"
            " ON i.lifecycle = 'archive' AND i.id = a.instance AND i.state = 'WANTED'"
            " WHERE a.is_done = 0 AND a.is_here = 1 ORDER BY a.number",
            (),
        )
        return [str(row[0]) for row in rows.fetchall()]

    def add_candidate(
        self, tx: Transaction, generation: Generation, entries: Iterable[IndexEntry]
    ) -> None:
        """A generation of which the chosen archives that are not here must be downloaded."""
        entries = list(entries)
        wanted = self.missing_archives(tx, generation.community, generation.lineage, entries)
        self._insert_archives(tx, generation, entries, is_here=False, is_done=True)
        self._want(tx, generation.community, generation.lineage, wanted)
        self._insert_generation(tx, generation, len(wanted))
        # Nobody will ever bring the bytes that an abandoned lineage still lacks.
        tx.execute(
            "UPDATE archive SET is_done = 1"
            " WHERE community = ? AND lineage < ? AND is_here = 0 AND is_done = 0",
            (generation.community, generation.lineage),
        )
        tx.execute(
            "UPDATE community SET candidate = ? WHERE id = ?",
            (generation.number, generation.community),
        )

    def missing_archives(
        self, tx: Transaction, community: str, lineage: int, entries: Iterable[IndexEntry]
    ) -> list[IndexEntry]:
        """Those of the entries that are chosen, and whose bytes are not on this disk yet."""
        entries = list(entries)
        chosen = self.choice(tx, community).of(entries)
        rows = tx.execute(
            "SELECT id FROM archive WHERE community = ? AND lineage = ? AND is_here = 1",
            (community, lineage),
        ).fetchall()
        here = {row[0] for row in rows}
        return [entry for entry in entries if entry.id in chosen and entry.id not in here]

    def set_archive_here(self, tx: Transaction, instance: str) -> None:
        """The archive's bytes are checked and on this disk, yet to be imported."""
        tx.execute("UPDATE archive SET is_here = 1, is_done = 0 WHERE instance = ?", (instance,))

    def choice(self, tx: Transaction, community: str) -> Choice:
        """Which archives are fetched."""
        row = tx.execute(
            "SELECT chosen_since, chosen_until, chosen_latest FROM community WHERE id = ?",
            (community,),
        ).fetchone()
        since, until, is_latest = cast("tuple[int | None, int | None, int]", row or (None, None, 0))
        return Choice(since, until, bool(is_latest))

    def choose(self, tx: Transaction, community: str, choice: Choice) -> None:
        """From now on these are fetched; of a known index they are on their way, others not."""
        tx.execute(
            "UPDATE community SET chosen_since = ?, chosen_until = ?, chosen_latest = ?"
            " WHERE id = ?",
            (choice.since, choice.until, choice.is_latest, community),
        )
        for generation in (self.generation(tx, community), self.candidate(tx, community)):
            if generation is not None:
                entries = self.archives_of(tx, generation)
                wanted = self.missing_archives(tx, community, generation.lineage, entries)
                self._want(tx, community, generation.lineage, wanted)

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

    def drop_candidate(self, tx: Transaction, community: str) -> None:
        """Nothing is being downloaded any more; what has come of it stays."""
        tx.execute("UPDATE community SET candidate = 0 WHERE id = ?", (community,))

    def complete_candidate(self, tx: Transaction, community: str) -> None:
        """All that is chosen of the candidate is here: it is the generation now."""
        before, after = self.generation(tx, community), self.candidate(tx, community)
        if before is not None and after is not None and before.lineage != after.lineage:
            self._release(tx, community, after.lineage)
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
        see_signature(tx, community)

    def set_seeded(self, tx: Transaction, community: str, locator: str, at: float) -> None:
        """The generation was live at this moment, under this locator."""
        tx.execute(
            "UPDATE generation SET locator = ?1, seeded_at = ?2 WHERE community = ?3"
            " AND number = (SELECT generation FROM community WHERE id = ?3)",
            (locator, at, community),
        )

    def archives(self, tx: Transaction, community: str, lineage: int) -> list[IndexEntry]:
        """The archives of a lineage by offset, here or not."""
        rows = tx.execute(
            'SELECT entry FROM archive WHERE community = ? AND lineage = ? ORDER BY "offset"',
            (community, lineage),
        )
        return [IndexEntry.decode(cast("bytes", row[0])) for row in rows.fetchall()]

    def archives_of(self, tx: Transaction, generation: Generation) -> list[IndexEntry]:
        """The archives of a generation by offset, here or not."""
        found = self.archives(tx, generation.community, generation.lineage)
        return [one for one in found if one.offset < generation.data_length]

    def archives_here(self, tx: Transaction, generation: Generation) -> list[IndexEntry]:
        """The archives of a generation that are on this disk, by offset."""
        rows = tx.execute(
            "SELECT entry FROM archive WHERE community = ? AND lineage = ?"
            ' AND "offset" < ? AND is_here = 1 ORDER BY "offset"',
            (generation.community, generation.lineage, generation.data_length),
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

    def archive_states(self, tx: Transaction, community: str) -> list[ArchiveState]:
        """How far every archive of the newest lineage has come, by offset."""
        rows = tx.execute(ARCHIVE_STATES, (community,)).fetchall()
        return [
            ArchiveState(instance, IndexEntry.decode(entry), bool(here), bool(locked), state, count)
            for instance, entry, here, locked, state, count in cast("list[tuple[Any, ...]]", rows)
        ]

    def imports(self, tx: Transaction, community: str) -> tuple[int, int]:
        """How many archives of the newest lineage are done with, and how many on their way.

        Those that wait for a key are done with.
        """
        row = tx.execute(IMPORTS, (community,)).fetchone()
        whole, under_way = cast("tuple[int, int]", row)
        return whole - under_way, under_way

    def set_archive_done(self, tx: Transaction, instance: str, *, is_done: bool) -> None:
        """The archive is on its way no more: imported, or put aside."""
        tx.execute("UPDATE archive SET is_done = ? WHERE instance = ?", (is_done, instance))

    def archive_instances(self, tx: Transaction, community: str) -> list[str]:
        """The instance ids of all archives there ever were, in every lineage."""
        rows = tx.execute("SELECT instance FROM archive WHERE community = ?", (community,))
        return [str(row[0]) for row in rows.fetchall()]

    def open_archives(self, tx: Transaction, community: str) -> list[str]:
        """The instance ids of archives that are still on their way."""
        rows = tx.execute(
            "SELECT instance FROM archive WHERE community = ? AND is_done = 0", (community,)
        ).fetchall()
        return [str(row[0]) for row in rows]

    def set_archive_locked(self, tx: Transaction, instance: str) -> None:
        """The archive is encrypted with a key that is not here."""
        tx.execute("UPDATE archive SET is_locked = 1 WHERE instance = ?", (instance,))

    def _release(self, tx: Transaction, community: str, lineage: int) -> None:
        """What only other lineages hold is to be archived again.

        But for messages whose bytes were let go: they stay where they can still be read.
        """
        tx.execute(RELEASE, (community, lineage))
        tx.execute(FORGET_RELEASED, (community, lineage))

    def _want(
        self, tx: Transaction, community: str, lineage: int, wanted: Iterable[IndexEntry]
    ) -> None:
        """Of the archives of a lineage that are not here, exactly these are on their way."""
        tx.execute(
            "UPDATE archive SET is_done = 1 WHERE community = ? AND lineage = ? AND is_here = 0",
            (community, lineage),
        )
        for one in wanted:
            tx.execute(
                "UPDATE archive SET is_done = 0 WHERE instance = ?",
                (self.instance_of(community, lineage, one.id),),
            )

    def _set_generation(self, tx: Transaction, generation: Generation) -> None:
        tx.execute(
            "UPDATE community SET generation = ?, candidate = 0, archive_open = 0 WHERE id = ?",
            (generation.number, generation.community),
        )

    def _insert_generation(self, tx: Transaction, generation: Generation, missing: int) -> None:
        tx.execute(
            "INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                generation.community,
                generation.number,
                generation.lineage,
                generation.locator,
                generation.data_length,
                generation.is_own,
                generation.info_hash,
                missing,
            ),
        )

    def _insert_archives(
        self,
        tx: Transaction,
        generation: Generation,
        entries: Iterable[IndexEntry],
        *,
        is_here: bool,
        is_done: bool,
    ) -> None:
        rows: list[Sequence[Value]] = [
            (
                self.instance_of(generation.community, generation.lineage, entry.id),
                generation.community,
                generation.lineage,
                entry.id,
                entry.encode(),
                entry.offset,
                is_here,
                is_done,
                0,
            )
            for entry in entries
        ]
        if rows:
            tx.executemany(INSERT_ARCHIVE, rows)


def _generation(row: Sequence[Value] | None) -> Generation | None:
    return None if row is None else Generation(*row)  # type: ignore[arg-type]
