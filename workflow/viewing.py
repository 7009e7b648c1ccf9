"""A data directory as who does not hold it sees it; who only looks loads no engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from states import COMMUNITY, community
from states.instance import Instance
from workflow.actions.tools import Tools
from workflow.adapters.store.facts import CommunityFacts, Timing
from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.engine import file_name
from workflow.engine.holding import holder_of
from workflow.engine.migrations import ENGINE
from workflow.engine.reading import ReadOnlyJournal, kept, recorded_facts
from workflow.files.folder import ArchiveFolder
from workflow.ports.carrier import Carrier
from workflow.ports.clock import Clock
from workflow.ports.keys import Keys
from workflow.ports.messaging import Messaging
from workflow.ports.work import Transaction

JOURNAL: Final = file_name.JOURNAL
ARCHIVES: Final = "archives"
ATTEMPTS: Final = (
    "SELECT i.id, i.attempts FROM json_each(?2) asked"
    # The other way round SQLite would read all instances once for each community.
    " CROSS JOIN instance i ON i.lifecycle = ?1 AND i.id = asked.value"
)


@dataclass(frozen=True, slots=True)
class View:
    """A data directory as a process sees it that does not hold it.

    ``holder`` says who does, empty when nobody runs. What is live is known to that process alone:
    the facts say what was true when it took its last step, and that nothing is live without it.
    """

    journal: ReadOnlyJournal
    tools: Tools
    holder: str


def read_journal(path: Path) -> ReadOnlyJournal:
    """A journal at any place, read-only. Raises ``DataDirectoryError``."""
    return ReadOnlyJournal(path, (*ENGINE, *STORE))


def open_view(
    data_dir: Path,
    *,
    clock: Clock,
    carrier: Carrier,
    messaging: Messaging,
    keys: Keys,
    timing: Timing | None = None,
) -> View:
    """The journal of this data directory, read-only; both networks are left closed.

    Raises ``DataDirectoryError`` when there is no journal or it cannot be read.
    """
    journal = read_journal(data_dir / JOURNAL)
    who = holder_of(data_dir)
    device, run, began_at = journal.run(
        lambda tx: (
            kept(tx, "device"),
            int(kept(tx, "run") or 0),
            float(kept(tx, "began_at") or 0),
        )
    )
    read_facts = CommunityFacts(
        keys, carrier, timing or Timing(), device=device, run=run, started_at=began_at
    )

    def facts(tx: Transaction, ids: Sequence[str]) -> list[community.Facts]:
        read = facts_of(read_facts, tx, ids, clock.now())
        if not who:  # Then nothing is live, and no encrypted key is open.
            return [replace(one, torrent_is_live=False) for one in read]
        recorded = recorded_facts(tx, COMMUNITY.name, ids)
        return [_as_held(one, recorded.get(id, {})) for id, one in zip(ids, read, strict=True)]

    tools = Tools(
        store=SqliteStore(),
        carrier=carrier,
        messaging=messaging,
        keys=keys,
        clock=clock,
        folder=ArchiveFolder(data_dir / ARCHIVES),
        facts_of=facts,
        grace=(timing or Timing()).grace,
    )
    return View(journal, tools, who)


def facts_of(
    read_facts: Callable[[Transaction, list[Instance[Any]], float], list[community.Facts]],
    tx: Transaction,
    ids: Sequence[str],
    now: float,
) -> list[community.Facts]:
    """The facts of communities, in their order, outside of any step."""
    rows = tx.execute(ATTEMPTS, (COMMUNITY.name, json.dumps(ids))).fetchall()
    attempts = dict(cast("list[tuple[str, int]]", rows))
    idle = community.State.IDLE
    instances = [Instance(id=id, state=idle, attempts=attempts.get(id, 0)) for id in ids]
    return read_facts(tx, instances, now)


def _as_held(read: community.Facts, then: Mapping[str, Any]) -> community.Facts:
    """What another process that holds the directory knew at the community's last step."""
    was_live = bool(then.get("torrent_is_live")) and then.get("locator") == read.locator
    # An encrypted key is open to that process alone.
    holds_key = read.holds_control_key or bool(then.get("holds_control_key"))
    return replace(read, torrent_is_live=was_live, holds_control_key=holds_key)
