"""The one place that knows the engine and the adapters: settings in, a node out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from states import ARCHIVE_IMPORT, COMMUNITY, archive_import, community
from states.instance import Backoff, Instance
from states.node import NODE, Facts, Signal
from workflow.actions.create_archives import create_archives
from workflow.actions.download_archives import download_archives
from workflow.actions.drop_torrent import drop_torrent
from workflow.actions.fetch_index import fetch_index
from workflow.actions.import_messages import import_messages
from workflow.actions.seed_torrent import seed_torrent
from workflow.actions.send_link import send_link
from workflow.actions.tools import Tools
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.store.facts import (
    CommunityFacts,
    Timing,
    read_archive_facts,
    stirred_archives,
)
from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.defaults import key_files, local_messages, torrents
from workflow.engine.engine import Engine
from workflow.engine.history import remembered
from workflow.engine.holding import FILE, hold, holder_of
from workflow.engine.journal import Probe, no_probe
from workflow.engine.migrations import ENGINE
from workflow.engine.reading import ReadOnlyJournal, kept, recorded_facts
from workflow.engine.workflow import Workflow
from workflow.files.folder import ArchiveFolder
from workflow.links import Links
from workflow.node import Node
from workflow.ports.carrier import Carrier
from workflow.ports.clock import Clock
from workflow.ports.keys import Keys
from workflow.ports.messaging import Messaging
from workflow.ports.store import Store
from workflow.ports.work import Json, Transaction

JOURNAL: Final = FILE
ARCHIVES: Final = "archives"
WITH_TIMES: Final = {
    community.Signal.CREATED,
    community.Signal.NONE_CREATED,
    archive_import.Signal.DOWNLOADED,
}


def open_node(
    data_dir: str | os.PathLike[str],
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    carrier: Carrier | None = None,
    messaging: Messaging | None = None,
    keys: Keys | None = None,
    timing: Timing | None = None,
    backoff: Backoff | None = None,
    probe: Probe = no_probe,
) -> Node:
    """A node on this data directory, which it holds; ready for ``async with``.

    What is not given is what ``community-archives run`` has by default: the machine's clock, rows
    in the journal (SQLite), BitTorrent and messages between the nodes of this machine, and private
    keys in files of the data directory. A ``store`` of your own keeps its rows in the tables of
    the shipped one, from which the guards' facts are read.

    Raises ``DirectoryLockedError`` when another process has it, ``DataDirectoryError`` when it
    cannot be used.
    """
    data_dir = Path(data_dir)
    clock, store = clock or SystemClock(), store or SqliteStore()
    carrier, messaging = carrier or torrents(data_dir), messaging or local_messages(clock)
    keys = keys or key_files(data_dir)
    timing, backoff = timing or Timing(), backoff or Backoff()
    began_at = clock.now()
    held = hold(data_dir, "node", STORE, began_at, probe=probe)
    try:
        device = held.journal.run_blocking(
            lambda tx: remembered(tx, "device", lambda: keys.random(16).hex())
        )
    except BaseException:
        held.close()
        raise
    read_facts = CommunityFacts(
        keys, carrier, timing, device=device, run=held.run, started_at=began_at
    )
    tools = Tools(
        store=store,
        carrier=carrier,
        messaging=messaging,
        keys=keys,
        clock=clock,
        folder=ArchiveFolder(data_dir / ARCHIVES),
        facts=lambda tx, id: facts_of(read_facts, tx, id, clock.now()),
        grace=timing.grace,
    )
    engine = Engine(held.journal, clock, workflows(tools, read_facts, backoff))
    return Node(
        engine,
        tools,
        Links(engine, tools, held.run),
        device=device,
        catch_up=timing.catch_up,
        close=held.close,
    )


@dataclass(frozen=True, slots=True)
class View:
    """A data directory as a process sees it that does not hold it.

    ``holder`` says who does, empty when nobody runs. What is live is known to that process alone:
    the facts say what was true when it took its last step, and that nothing is live without it.
    """

    journal: ReadOnlyJournal
    tools: Tools
    community: Workflow[Any, Any, Any, Any, Any]
    holder: str


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
    journal = ReadOnlyJournal(data_dir / JOURNAL, (*ENGINE, *STORE))
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

    def facts(tx: Transaction, id: str) -> community.Facts:
        read = facts_of(read_facts, tx, id, clock.now())
        then = recorded_facts(tx, COMMUNITY.name, id)
        was_live = bool(then.get("torrent_is_live")) and then.get("locator") == read.locator
        # An encrypted key is open to that process alone.
        holds_key = read.holds_control_key or (bool(who) and bool(then.get("holds_control_key")))
        return replace(read, torrent_is_live=bool(who) and was_live, holds_control_key=holds_key)

    tools = Tools(
        store=SqliteStore(),
        carrier=carrier,
        messaging=messaging,
        keys=keys,
        clock=clock,
        folder=ArchiveFolder(data_dir / ARCHIVES),
        facts=facts,
        grace=(timing or Timing()).grace,
    )
    return View(journal, tools, workflows(tools, read_facts, Backoff())[0], who)


def workflows(
    tools: Tools, read_facts: CommunityFacts, backoff: Backoff
) -> tuple[Workflow[Any, Any, Any, Any, Any], ...]:
    """The lifecycles with their actions."""
    act = community.Action
    return (
        Workflow(
            COMMUNITY,
            read_facts,
            {
                act.DROP_TORRENT: partial(drop_torrent, tools),
                act.CREATE_ARCHIVES: partial(create_archives, tools),
                act.SEED_TORRENT: partial(seed_torrent, tools),
                act.SEND_LINK: partial(send_link, tools),
                act.FETCH_INDEX: partial(fetch_index, tools),
                act.DOWNLOAD_ARCHIVES: partial(download_archives, tools),
            },
            form_signal=reference_signal,
            stirred=read_facts.stirred,
            backoff=backoff,
        ),
        Workflow(
            ARCHIVE_IMPORT,
            read_archive_facts,
            {archive_import.Action.IMPORT_MESSAGES: partial(import_messages, tools)},
            form_signal=reference_signal,
            stirred=stirred_archives,
            backoff=backoff,
        ),
        Workflow(NODE, lambda _tx, instances, _now: [Facts() for _ in instances],
                 form_signal=node_signal),
    )  # fmt: skip


def reference_signal(
    id: str, signal: community.Signal | archive_import.Signal, details: Mapping[str, Json]
) -> Mapping[str, Json]:
    """A signal as the reference's clients know it: names, keys and units (seconds)."""
    event: dict[str, Json] = {"communityId": id.partition("/")[0]}
    if signal in WITH_TIMES:
        event |= {"from": details.get("from", 0), "to": details.get("to", 0)}
    return {"type": signal.value, "event": event}


def node_signal(_: str, signal: Signal, __: Mapping[str, Json]) -> Mapping[str, Json]:
    """The node's own signals say nothing but their name."""
    return {"type": signal.value, "event": None}


def facts_of(
    read_facts: Callable[[Transaction, list[Instance[Any]], float], list[community.Facts]],
    tx: Transaction,
    id: str,
    now: float,
) -> community.Facts:
    """The facts of one community outside of any step."""
    row = tx.execute(
        "SELECT attempts FROM instance WHERE lifecycle = ? AND id = ?", (COMMUNITY.name, id)
    ).fetchone()
    attempts = cast("int", row[0]) if row else 0
    instance = Instance(id=id, state=community.State.IDLE, attempts=attempts)
    return read_facts(tx, [instance], now)[0]
