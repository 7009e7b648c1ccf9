"""Until when the network's chats were heard, and what it could not tell any more."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, cast

from workflow.ports.records import Gap
from workflow.ports.work import Transaction

SET_HEARD: Final = (  # Not for a community that was removed meanwhile.
    "INSERT INTO heard SELECT id, ?2, ?3, ?4 FROM community WHERE id = ?1"
    " ON CONFLICT (community, chat, source) DO UPDATE SET until = excluded.until"
)
NEWEST_TIMES: Final = (
    "SELECT topic, max(time) FROM message"
    " WHERE community = (SELECT number FROM community WHERE id = ?) AND time >= ? GROUP BY topic"
)


class SqliteHeard:
    """The rows of chats that were heard, and of gaps."""

    def set_behind(
        self, tx: Transaction, communities: Sequence[str], run: int, deadline: float
    ) -> None:
        """Something is missed again; of who was caught up in this run, archives wait until then."""
        tx.execute(
            "UPDATE community SET caught_up_run = 0, catch_up_deadline = ?"
            " WHERE caught_up_run = ? AND id IN (SELECT value FROM json_each(?))",
            (deadline, run, json.dumps(communities)),
        )

    def heard(self, tx: Transaction, community: str) -> dict[str, dict[str, float]]:
        """By a chat's id and a source, until when (seconds, UTC epoch) that has told all of it."""
        rows = tx.execute("SELECT chat, source, until FROM heard WHERE community = ?", (community,))
        heard: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for chat, source, until in cast("Iterable[tuple[str, str, float]]", rows):
            heard[chat][source] = until
        return heard

    def set_heard(
        self, tx: Transaction, chats: Iterable[tuple[str, str]], source: str, until: float
    ) -> None:
        """A source has told all of these chats (a community's id, and the chat's) until then."""
        tx.executemany(SET_HEARD, ((community, chat, source, until) for community, chat in chats))

    def gaps(self, tx: Transaction, community: str) -> list[Gap]:
        """What nobody can tell any more, oldest first."""
        rows = tx.execute(
            "SELECT chat, since, until FROM gap WHERE community = ? ORDER BY since, chat",
            (community,),
        )
        return [Gap(*cast("tuple[str, float, float]", row)) for row in rows]

    def add_gap(self, tx: Transaction, community: str, gap: Gap) -> None:
        """The network had forgotten this when it was asked; again is once."""
        tx.execute(
            "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)",
            (community, gap.chat, gap.since, gap.until),
        )

    def forget_gaps(self, tx: Transaction, community: str, after: float) -> None:
        """Gaps that end after this moment were made up while the clock was wrong."""
        tx.execute("DELETE FROM gap WHERE community = ? AND until > ?", (community, after))

    def newest_times(self, tx: Transaction, community: str, since: float) -> dict[bytes, int]:
        """By topic, the time (seconds) of the newest stored message that is no older than this."""
        rows = tx.execute(NEWEST_TIMES, (community, since))
        return dict(cast("Iterable[tuple[bytes, int]]", rows))
