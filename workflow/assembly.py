"""The one place that knows the engine and the adapters: settings in, a node out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from states import ARCHIVE_IMPORT, COMMUNITY, archive_import, community
from states.instance import Backoff
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
from workflow.engine.holding import hold
from workflow.engine.journal import Probe, no_probe
from workflow.engine.workflow import Workflow
from workflow.files.folder import ArchiveFolder
from workflow.links import Links
from workflow.node import Node
from workflow.ports.carrier import Carrier
from workflow.ports.clock import Clock
from workflow.ports.keys import Keys
from workflow.ports.messaging import Messaging
from workflow.ports.store import Store
from workflow.ports.work import Json
from workflow.viewing import ARCHIVES, facts_of

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
        facts_of=lambda tx, ids: facts_of(read_facts, tx, ids, clock.now()),
        grace=timing.grace,
    )
    engine = Engine(held.journal, clock, workflows(tools, read_facts, backoff))
    node = Node(
        engine,
        tools,
        Links(engine, tools, held.run, timing.catch_up),
        device=device,
        catch_up=timing.catch_up,
        close=held.close,
    )
    node.kept_journal = held.journal.kept
    return node


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
