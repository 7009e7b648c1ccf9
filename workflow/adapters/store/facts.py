"""Where the guards' facts come from: one query for many communities, plus what lives in memory.

Read in the deciding transaction, after the writes of the event, so that a step sees what it brings.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from states import archive_import, community
from states.instance import Instance
from workflow.archive.windows import window_containing
from workflow.ports.carrier import Carrier
from workflow.ports.keys import Keys
from workflow.ports.work import Transaction, Value

FACTS: Final = """
    SELECT c.id, c.control_key, c.control_device, c.control_epoch, c.claimed_epoch,
           c.interval, c.anchor, c.reannounce_after, c.caught_up_run, c.catch_up_deadline,
           c.generation, g.locator, g.seeded_at,
           c.is_enabled AND EXISTS (SELECT 1 FROM instance
                                    WHERE lifecycle = 'node' AND state = 'ENABLED'),
           n.missing,
           l.clock, l.locator, l.first_at, l.last_at, l.is_locked,
           (SELECT max(clock) FROM announcement WHERE community = c.id AND sent_at IS NOT NULL),
           EXISTS (SELECT 1 FROM archive WHERE community = c.id AND is_done = 0),
           a.sent_at, a.clock,
           m.time, m.stored_at,
           EXISTS (SELECT 1 FROM archive WHERE community = c.id AND is_here = 0
                   AND lineage = g.lineage AND "offset" < g.data_length),
           EXISTS (SELECT 1 FROM archive WHERE community = c.id AND is_here = 0 AND is_done = 0
                   AND lineage = g.lineage AND "offset" < g.data_length),
           c.archive_asked_at, c.archive_open, c.announce_asked_at
    FROM json_each(?) AS asked
    JOIN community c ON c.id = asked.value
    LEFT JOIN generation g ON g.community = c.id AND g.number = c.generation
    LEFT JOIN generation n ON n.community = c.id AND n.number = c.candidate
    LEFT JOIN link l ON l.community = c.id
    LEFT JOIN announcement a ON a.community = c.id AND a.clock = (
        SELECT max(clock) FROM announcement
        WHERE community = c.id AND epoch = c.control_epoch AND locator = g.locator)
    LEFT JOIN message m ON m.sequence = (
        SELECT sequence FROM unarchived WHERE community = c.number ORDER BY time LIMIT 1)
"""
STIRRED: Final = """
    WITH RECURSIVE waiting(number) AS (  -- From one community to the next, past all its messages.
        SELECT min(community) FROM unarchived
        UNION ALL
        SELECT (SELECT min(community) FROM unarchived WHERE community > number)
        FROM waiting WHERE number IS NOT NULL)
    SELECT id FROM waiting JOIN community USING (number)
    UNION SELECT id FROM community WHERE generation > 0
    UNION SELECT community FROM link
"""
OPEN_ARCHIVES: Final = "SELECT instance FROM archive WHERE is_done = 0"
ARCHIVE_FACTS: Final = """
    SELECT a.is_locked,
           EXISTS (SELECT 1 FROM archive o WHERE o.community = a.community AND o.is_done = 0
                   AND o.instance != a.instance)
    FROM archive a WHERE a.instance = ?
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """The product's times, all in seconds.

    ``grace`` is how long after its end a window stays open for stragglers, ``spread`` over how
    long many communities' windows are spread, ``settle_*`` how links come to rest.
    """

    grace: float = 3600.0
    spread: float = 300.0
    settle_quiet: float = 20.0
    settle_limit: float = 120.0
    catch_up: float = 600.0
    own_history: float = 7 * 86_400.0
    attempts: int = 3


class CommunityFacts:
    """Reads ``states.community.Facts`` for many communities at once."""

    def __init__(
        self,
        keys: Keys,
        carrier: Carrier,
        timing: Timing,
        *,
        device: str,
        run: int,
        started_at: float,
    ) -> None:
        self._keys = keys
        self._carrier = carrier
        self._device = device
        self._timing = timing
        self._run = run
        self._started_at = started_at

    def __call__(
        self, tx: Transaction, instances: Sequence[Instance[Any]], now: float
    ) -> list[community.Facts]:
        """The facts of these instances, in their order."""
        ids = json.dumps([instance.id for instance in instances])
        rows = {str(row[0]): row for row in tx.execute(FACTS, (ids,)).fetchall()}
        return [self._facts(rows[one.id], one.attempts, now) for one in instances]

    def stirred(self, tx: Transaction) -> Iterable[str]:
        """Whose facts a restart has changed: nothing is live, nothing is caught up."""
        return [str(row[0]) for row in tx.execute(STIRRED, ()).fetchall()]

    def _facts(self, row: Sequence[Value], attempts: int, now: float) -> community.Facts:
        (
            id, control_key, control_device, control_epoch, claimed_epoch,
            interval, anchor, reannounce_after, caught_up_run, catch_up_deadline,
            generation, locator, seeded_at,
            is_meant_to_be_on,
            missing,
            link_clock, link_locator, link_first_at, link_last_at, link_is_locked,
            announced_clock, has_open_imports,
            sent_at, current_clock,
            oldest_time, oldest_stored_at,
            is_part, lacks_chosen,
            archive_asked_at, archive_open, announce_asked_at,
        ) = cast("tuple[Any, ...]", row)  # fmt: skip
        timing = self._timing
        window_due_at: float | None = None
        # What is only a part can be neither continued nor announced.
        if oldest_time is not None and anchor is not None and not is_part:
            end = window_containing(oldest_time, anchor, interval).end
            # A message that came late waits for others that may come with it.
            window_due_at = max(end, oldest_stored_at) + timing.grace + self._share(id)
            is_open_asked = archive_open and oldest_time < int(archive_asked_at)
            if oldest_stored_at <= archive_asked_at and (end <= archive_asked_at or is_open_asked):
                window_due_at = min(end, archive_asked_at)  # Somebody does not want to wait.
        announce_due_at: float | None = None
        if generation and not is_part:
            if current_clock is None or sent_at is None or sent_at > now:
                announce_due_at = 0.0  # Never sent, or by a clock that was wrong.
            elif sent_at < announce_asked_at:
                announce_due_at = announce_asked_at
            elif reannounce_after is not None:
                announce_due_at = sent_at + reannounce_after
        deadline = max(catch_up_deadline, self._started_at + timing.catch_up)
        if (link_clock or 0) > (announced_clock or 0) and link_locator != locator:
            # A control node waits longer for archives of its own than for mere messages.
            deadline = max(deadline, link_first_at + timing.own_history)
        return community.Facts(
            now=now,
            is_meant_to_be_on=bool(is_meant_to_be_on),
            holds_control_key=self._keys.holds(control_key),
            is_control_device=control_device == self._device,
            epoch_matches=claimed_epoch == control_epoch,
            generation=generation,
            locator=locator or "",
            torrent_is_live=bool(locator) and self._carrier.is_live(locator),
            torrent_was_seeded=seeded_at is not None,
            announced_clock=announced_clock or 0,
            announce_due_at=announce_due_at,
            # An unsigned link (0) is newer than none at all, and older than all that were signed.
            link_clock=0 if link_clock is None else max(link_clock, 1),
            link_locator=link_locator or "",
            link_first_at=link_first_at or 0.0,
            link_last_at=link_last_at or 0.0,
            link_key_is_missing=bool(link_is_locked),
            settle_quiet=timing.settle_quiet,
            settle_limit=timing.settle_limit,
            window_due_at=window_due_at,
            is_caught_up=caught_up_run == self._run and not has_open_imports,
            catch_up_deadline=deadline,
            lacks_chosen=bool(lacks_chosen),
            new_archives=missing or 0,
            attempts=attempts,
            attempts_allowed=timing.attempts,
        )

    def _share(self, id: str) -> float:
        return self._timing.spread * zlib.crc32(id.encode()) / 0xFFFF_FFFF


def stirred_archives(tx: Transaction) -> Iterable[str]:
    """The imports that a restart may have changed something for."""
    return [str(row[0]) for row in tx.execute(OPEN_ARCHIVES, ()).fetchall()]


def read_archive_facts(
    tx: Transaction, instances: Sequence[Instance[Any]], now: float
) -> list[archive_import.Facts]:
    """``states.archive_import.Facts`` for the imports of archives."""
    facts = []
    for instance in instances:
        row = tx.execute(ARCHIVE_FACTS, (instance.id,)).fetchone() or (0, 0)
        facts.append(
            archive_import.Facts(
                now=now, key_is_here=not row[0], others_unfinished=cast("int", row[1])
            )
        )
    return facts
