"""Many communities at once: rows as the store and the engine write them, but in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loguru import logger

from states import ARCHIVE_IMPORT, COMMUNITY
from states.community import State
from states.node import NODE
from states.node import State as NodeState
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.store.facts import CommunityFacts, Timing, read_archive_facts
from workflow.adapters.store.schema import STORE
from workflow.engine.engine import Engine
from workflow.engine.history import begin_run
from workflow.engine.journal import Journal, Probe, connect, no_probe
from workflow.engine.migrations import ENGINE
from workflow.engine.workflow import Workflow
from workflow.node import THE_NODE
from workflow.ports.keys import Keys
from workflow.ports.work import Answer, Work

WEEK: Final = 604_800
ANCHOR: Final = 1_700_000_000
BEFORE: Final = float(ANCHOR + WEEK)
"""The first window has just ended; its grace has not."""
AFTER: Final = BEFORE + 2 * 3600.0
"""The grace is over for every community, whatever its share of the spread."""
MUCH_LATER: Final = BEFORE + WEEK
DEVICE: Final = "this device"

logger.remove()  # As in a service that logs warnings; a line for each step is the reader's choice.


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many communities in IDLE. The first ``talking`` hold a message that waits for its
    archive, the next ``seeding`` have archives; every one has a time at which it looks again.
    """

    total: int
    talking: int = 0
    seeding: int = 0


def secret(number: int) -> bytes:
    return (number + 1).to_bytes(32, "big")


def keys_of(fleet: Fleet, directory: Path | None = None) -> Keys:
    """The keys of those who talk, in memory, or in files as the shipped node keeps them."""
    keys = MemoryKeys()
    publics = [keys.add(secret(number)) for number in range(fleet.talking)]
    if directory is None:
        return keys
    directory.mkdir(mode=0o700)
    for number, public in enumerate(publics):
        file = directory / f"{public.hex()}.key"
        file.touch(mode=0o600)
        file.write_text(secret(number).hex())
    return KeyFiles(directory)


def build(path: Path, fleet: Fleet) -> None:
    """A journal with this fleet in it."""
    with closing(Journal(path, (*ENGINE, *STORE))):
        pass
    keys = MemoryKeys()
    publics = [
        keys.add(secret(number)) if number < fleet.talking else b"\x02" + secret(number)
        for number in range(fleet.total)
    ]
    ids = ["0x" + public.hex() for public in publics]
    seeding = ids[fleet.talking : fleet.talking + fleet.seeding]
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO community (id, name, control_key, control_device, control_epoch,"
            " claimed_epoch, interval, anchor, reannounce_after, is_enabled, is_encrypted,"
            " generation, candidate, condition, caught_up_run)"
            " VALUES (?, ?, ?, ?, 2, 2, ?, ?, 28800, 1, 0, ?, 0, '', 1)",
            (
                (id, f"c{number}", public, DEVICE, WEEK, ANCHOR,
                 int(fleet.talking <= number < fleet.talking + fleet.seeding))
                for number, (id, public) in enumerate(zip(ids, publics, strict=True))
            ),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO instance VALUES (?, ?, ?, 3, 2, 0, 1, ?, '[]')",
            (
                (COMMUNITY.name, id, State.IDLE.name,
                 BEFORE + 3600.0 if number < fleet.talking else MUCH_LATER + number)
                for number, id in enumerate(ids)
            ),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO instance VALUES (?, ?, ?, 2, 2, 0, 1, NULL, '[]')",
            (NODE.name, THE_NODE, NodeState.ENABLED.name),
        )
        connection.executemany(
            "INSERT INTO message (community, time, topic, encoded, weight, digest, stored_at)"
            " SELECT number, ?, X'01020304', zeroblob(200), 200, ?, ? FROM community WHERE id = ?",
            (
                (ANCHOR + number % 1000, number.to_bytes(32, "big"), ANCHOR + 1000.0, id)
                for number, id in enumerate(ids[: fleet.talking])
            ),
        )
        connection.execute(
            "INSERT INTO unarchived SELECT community, time, topic, sequence, weight FROM message"
        )
        connection.executemany(
            "INSERT INTO generation VALUES (?, 1, 1, ?, 1000, 1, '', 0, ?)",
            ((id, f"magnet:{id}", float(ANCHOR)) for id in seeding),
        )
        connection.executemany(
            "INSERT INTO announcement VALUES (?, 1, ?, 2, zeroblob(300), ?)",
            ((id, f"magnet:{id}", BEFORE) for id in seeding),
        )
        connection.execute("COMMIT")


@asynccontextmanager
async def opened(
    path: Path, keys: Keys, clock: ManualClock, probe: Probe = no_probe
) -> AsyncIterator[Engine]:
    """The shipped engine, tables and facts; the actions only wait for a clock that stands."""
    journal = Journal(path, (*ENGINE, *STORE), probe=probe)
    run = journal.run_blocking(lambda tx: begin_run(tx, clock.now()))
    carrier = MemoryCarrier(Swarm(clock))
    read_facts = CommunityFacts(
        keys, carrier, Timing(), device=DEVICE, run=run, started_at=clock.now()
    )

    async def act(_: Work) -> Answer[Any]:
        await clock.sleep(1e9)
        raise AssertionError

    engine = Engine(
        journal,
        clock,
        [
            Workflow(
                COMMUNITY,
                read_facts,
                dict.fromkeys(COMMUNITY.actions, act),
                stirred=read_facts.stirred,
            ),
            Workflow(
                ARCHIVE_IMPORT, read_archive_facts, dict.fromkeys(ARCHIVE_IMPORT.actions, act)
            ),
        ],
    )
    clock.watch(lambda: engine.is_busy)
    try:
        yield engine
    finally:
        await engine.stop()
        journal.close()


def copies(original: Path, count: int) -> Iterator[Path]:
    """Fresh copies of a journal, one after the other; each is gone when the next comes."""
    for number in range(count):
        copy = original.with_name(f"copy{number}.sqlite3")
        copy.write_bytes(original.read_bytes())
        yield copy
        for file in original.parent.glob(f"{copy.name}*"):
            file.unlink()
