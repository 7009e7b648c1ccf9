"""Messages as archives hold them, and which archive that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Final, TypeAlias, cast

from workflow.archive.codec import Filling, Measure, frame
from workflow.archive.index import IndexEntry
from workflow.archive.message import EncodedMessage
from workflow.archive.windows import Window, window_containing
from workflow.errors import ArchiveInvalidError
from workflow.ports.records import Page, Place, StoredMessage, Tally
from workflow.ports.work import Transaction

Due: TypeAlias = tuple[int, int, bytes, int, int, int]

START: Final = Place(-(2**62), b"", 0)
INSERT: Final = (  # From time on, the fields of an EncodedMessage in their order.
    "INSERT OR IGNORE INTO message"
    " (community, stored_at, time, topic, encoded, digest, weight, origin)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
DUE: Final = (
    "FROM unarchived u {} WHERE u.community = ?"
    " AND (u.time, u.topic, u.sequence) > (?, ?, ?) AND u.time < ? AND u.sequence <= ?"
    " ORDER BY u.time, u.topic, u.sequence"
)
ENCODED: Final = f"SELECT m.encoded {DUE.format('JOIN message m USING (sequence)')}"
WEIGHTS: Final = f"SELECT u.weight {DUE.format('')} LIMIT ?"
WEIGHT: Final = f"SELECT sum(weight) FROM ({WEIGHTS})"  # noqa: S608 - written above.
PLACE: Final = f"SELECT u.time, u.topic, u.sequence {DUE.format('')} LIMIT 1 OFFSET ?"
MESSAGES: Final = (
    "SELECT m.sequence, m.time, m.topic, m.encoded, m.weight, a.instance, m.digest"
    " FROM message m LEFT JOIN archived h USING (sequence)"
    " LEFT JOIN archive a ON a.number = h.archive"
    " WHERE m.community = ? AND m.time >= ? AND m.time < ?"
    " AND (m.time, m.topic, m.sequence) > (?, ?, ?) ORDER BY m.time, m.topic, m.sequence"
)
KNOWN: Final = "SELECT 1 FROM message WHERE community = ? AND time = ? AND digest = ?"
TALLIES: Final = (  # Division cuts towards zero, so all times are first moved behind it.
    "SELECT min(m.time), m.topic, count(*), count(h.sequence), sum(m.encoded IS NULL)"
    " FROM message m LEFT JOIN archived h USING (sequence) WHERE m.community = ?1"
    " GROUP BY (m.time - ?2 + 1000000 * ?3) / ?3, m.topic ORDER BY min(m.time), m.topic"
)
BETWEEN: Final = (
    " FROM unarchived WHERE community = ? AND (time, topic, sequence) > (?, ?, ?)"
    " AND (time, topic, sequence) <= (?, ?, ?) AND sequence <= ?"
)
MARK_ARCHIVED: Final = "INSERT INTO archived SELECT sequence, ?" + BETWEEN + " ORDER BY sequence"
FORGET_UNARCHIVED: Final = "DELETE" + BETWEEN


class SqliteMessages:
    """The rows of messages."""

    def add_messages(
        self,
        tx: Transaction,
        community: str,
        messages: Iterable[EncodedMessage],
        now: float,
        archive: str | None = None,
    ) -> int:
        """Store messages; a known digest is known. With ``archive``, that archive holds them."""
        batch = list(messages)
        if not batch:
            return 0
        number, before = _number(tx, community), self.newest_sequence(tx)
        added = tx.executemany(INSERT, map((number, now).__add__, batch)).rowcount
        if archive is None:
            tx.execute(
                "INSERT INTO unarchived SELECT community, time, topic, sequence, weight"
                " FROM message WHERE sequence > ?",
                (before,),
            )
        else:
            self._hold(tx, number, batch, archive, before, all_are_new=added == len(batch))
        tx.execute(
            "UPDATE community SET anchor = ? WHERE number = ? AND anchor IS NULL",
            (min(m.time for m in batch), number),
        )
        return added

    def tallies(self, tx: Transaction, community: str) -> list[Tally]:
        """How many messages there are, by window and topic."""
        anchor, interval = _grid(tx, community)
        rows = tx.execute(TALLIES, (_number(tx, community), anchor or 0, interval))
        return [Tally(*row) for row in rows]  # type: ignore[arg-type]

    def unknown_messages(
        self, tx: Transaction, community: str, messages: Iterable[EncodedMessage]
    ) -> list[EncodedMessage]:
        """Those of these that are not stored."""
        number = _number(tx, community)
        return [
            one
            for one in messages
            if tx.execute(KNOWN, (number, one.time, one.digest)).fetchone() is None
        ]

    def known_origins(self, tx: Transaction, community: str, origins: Iterable[str]) -> set[str]:
        """Those of these foreign ids whose messages are stored."""
        number = _number(tx, community)
        return {
            origin
            for origin in origins
            if tx.execute(
                "SELECT 1 FROM message WHERE community = ? AND origin = ?", (number, origin)
            ).fetchone()
        }

    def newest_sequence(self, tx: Transaction) -> int:
        """The sequence of the message that was stored last; 0 before the first."""
        row = tx.execute("SELECT coalesce(max(sequence), 0) FROM message", ()).fetchone()
        return cast("int", row[0]) if row else 0

    def due_windows(self, tx: Transaction, community: str, before: float) -> list[Window]:
        """Windows with unarchived messages that have ended by this moment, oldest first.

        Or by the moment at which somebody asked for archives; then perhaps the open one, too, as
        far as it had come.
        """
        number, (anchor, interval) = _number(tx, community), _grid(tx, community)
        asked_at, is_open_asked = cast(
            "tuple[float, int]",
            tx.execute(
                "SELECT archive_asked_at, archive_open FROM community WHERE id = ?", (community,)
            ).fetchone(),
        )
        before = max(before, asked_at)
        windows: list[Window] = []
        time = START.time
        while True:
            row = tx.execute(
                "SELECT min(time) FROM unarchived WHERE community = ? AND time >= ?",
                (number, time),
            ).fetchone()
            if row is None or row[0] is None or anchor is None:
                return windows
            window = window_containing(cast("int", row[0]), anchor, interval)
            if window.end > before:
                if is_open_asked and cast("int", row[0]) < int(asked_at):
                    windows.append(Window(window.start, int(asked_at)))
                return windows
            windows.append(window)
            time = window.end

    def unarchived(
        self,
        tx: Transaction,
        community: str,
        window: Window,
        *,
        after: Place,
        through: int,
        at_least: int,
        filling: Filling,
    ) -> Page:
        """A page of a window's unarchived messages in archive order, no more than fit."""
        due = (_number(tx, community), *after, window.end, through)
        framed = bytearray()
        lengths: list[int] = []
        # Done a million times: of one column, and no row outlives its turn.
        for (encoded,) in cast("Iterable[tuple[bytes | None]]", tx.execute(ENCODED, due)):
            if encoded is None:
                raise ArchiveInvalidError(
                    "the bytes of an unarchived message are gone",
                    place=f"message {_place(tx, due, len(lengths)).sequence}",
                )
            lengths.append(length := len(encoded))
            framed += frame(length)
            framed += encoded
            if len(framed) >= at_least:
                break
        if not lengths:
            return Page(framed, filling, after)
        filled = _filled(tx, due, filling, lengths)
        count = filled.count - filling.count
        if filled.count == 0:
            raise ArchiveInvalidError(
                "a stored message is too large for any archive",
                place=f"message {_place(tx, due, 0).sequence}",
            )
        del framed[sum(len(frame(length)) + length for length in lengths[:count]) :]
        return Page(framed, filled, _place(tx, due, count - 1) if count else after)

    def messages(
        self,
        tx: Transaction,
        community: str,
        window: Window,
        *,
        after: Place | None,
        at_least: int,
    ) -> list[StoredMessage]:
        """A page of all messages in archive order, whichever archive holds them."""
        behind = after or START
        start = max(window.start, behind.time)  # Else each page would walk over all before it.
        rows = tx.execute(MESSAGES, (_number(tx, community), start, window.end, *behind))
        page: list[StoredMessage] = []
        size = 0
        for row in rows:
            page.append(StoredMessage(*row))  # type: ignore[arg-type]
            # Bytes that were let go come back when the page is filled.
            size += 100 + (cast("int", row[4]) if row[3] is None else len(cast("bytes", row[3])))
            if size >= at_least:
                break
        return page

    def archived_digests(self, tx: Transaction, community: str) -> dict[str, set[bytes]]:
        """By the instance ids of archives, the digests of the messages that each holds."""
        rows = tx.execute(
            "SELECT a.instance, m.digest FROM message m JOIN archived h USING (sequence)"
            " JOIN archive a ON a.number = h.archive WHERE m.community = ?",
            (_number(tx, community),),
        )
        found: defaultdict[str, set[bytes]] = defaultdict(set)
        for instance, digest in cast("Iterable[tuple[str, bytes]]", rows):
            found[instance].add(digest)
        return found

    def mark_archived(
        self,
        tx: Transaction,
        community: str,
        after: Place,
        last: Place,
        *,
        through: int,
        archive: str,
    ) -> int:
        """The unarchived messages behind a place, up to the last, are held by this archive."""
        between = (_number(tx, community), *after, *last, through)
        (number,) = cast(
            "tuple[int]",
            tx.execute("SELECT number FROM archive WHERE instance = ?", (archive,)).fetchone(),
        )
        tx.execute(MARK_ARCHIVED, (number, *between))
        return tx.execute(FORGET_UNARCHIVED, between).rowcount

    def let_go(self, tx: Transaction, community: str, before: float) -> int:
        """Forget the bytes of network messages that lie in archives which ended by this moment.

        Their rows stay, so that a message which comes again is known.
        """
        number = _number(tx, community)
        rows = tx.execute(
            "SELECT a.number, a.entry FROM community c"
            " JOIN generation g ON g.community = c.id AND g.number = c.generation"
            " JOIN archive a ON a.community = c.id AND a.lineage = g.lineage"
            " AND a.is_here = 1 AND a.is_done = 1"
            ' AND a."offset" < g.data_length AND a.is_let_go = 0 WHERE c.id = ?',
            (community,),
        ).fetchall()
        let_go = 0
        for archive, entry in cast("list[tuple[int, bytes]]", rows):
            window = _window(entry)
            if window.end > before:
                continue
            let_go += tx.execute(
                "UPDATE message SET encoded = NULL WHERE community = ? AND time >= ? AND time < ?"
                " AND origin IS NULL AND encoded IS NOT NULL"
                " AND (SELECT archive FROM archived h WHERE h.sequence = message.sequence) = ?",
                (number, window.start, window.end, archive),
            ).rowcount
            tx.execute("UPDATE archive SET is_let_go = 1 WHERE number = ?", (archive,))
        return let_go

    def _hold(
        self,
        tx: Transaction,
        number: int,
        batch: list[EncodedMessage],
        archive: str,
        before: int,
        *,
        all_are_new: bool,
    ) -> None:
        tx.execute(
            "INSERT INTO archived SELECT sequence, (SELECT number FROM archive WHERE instance = ?)"
            " FROM message WHERE sequence > ?",
            (archive, before),
        )
        if all_are_new:
            return
        known = [(archive, number, m.time, m.digest, before) for m in batch]
        tx.executemany(
            "INSERT OR REPLACE INTO archived"
            " SELECT sequence, (SELECT number FROM archive WHERE instance = ?) FROM message"
            " WHERE community = ? AND time = ? AND digest = ? AND sequence <= ?",
            known,
        )
        tx.executemany(
            "DELETE FROM unarchived WHERE community = ?1 AND time = ?2 AND topic = ?3"
            " AND sequence = (SELECT sequence FROM message"
            " WHERE community = ?1 AND time = ?2 AND digest = ?4)",
            [(number, m.time, m.topic, m.digest) for m in batch],
        )


def _number(tx: Transaction, community: str) -> int:
    row = tx.execute("SELECT number FROM community WHERE id = ?", (community,)).fetchone()
    return cast("int", row[0]) if row else 0


def _place(tx: Transaction, due: Due, number: int) -> Place:
    """Where the message stands that has so many due ones before it."""
    row = tx.execute(PLACE, (*due, number)).fetchone()
    return Place(*cast("tuple[int, bytes, int]", row))


def _filled(tx: Transaction, due: Due, filling: Filling, lengths: list[int]) -> Filling:
    """How full an archive is with as many as it takes of the messages of these lengths."""
    filled, count = replace(filling), len(lengths)
    (weight,) = cast("tuple[int]", tx.execute(WEIGHT, (*due, count)).fetchone())
    together = Measure(weight, sum(lengths))
    if filled.takes(together, count):
        filled.add(together, count)
    else:
        weights = cast("Iterable[tuple[int]]", tx.execute(WEIGHTS, (*due, count)))
        filled.fill(map(Measure, chain.from_iterable(weights), lengths))
    return filled


def _grid(tx: Transaction, community: str) -> tuple[int | None, int]:
    """Anchor and interval of a community's windows, in seconds."""
    row = tx.execute("SELECT anchor, interval FROM community WHERE id = ?", (community,)).fetchone()
    return cast("tuple[int | None, int]", row or (None, 0))


def _window(entry: bytes) -> Window:
    return IndexEntry.decode(entry).window
