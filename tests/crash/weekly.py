"""A community's archives in three generations, made by the real action on a real database.

The engine's part in it is small: it hands out committed rows, and commits what the action answers
in one transaction. Here that happens in memory and in one thread, so that thousands of disks can be
tried; what the database held after each generation is kept as bytes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, cast

from states.community import Event, Facts
from states.errors import CommunityArchivesError
from tests.crash.disk import Kind, Recorder, Step
from workflow.actions.create_archives import create_archives
from workflow.actions.tools import Tools
from workflow.adapters.carrier.memory import MemoryCarrier, Swarm
from workflow.adapters.clock.manual import ManualClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.schema import STORE
from workflow.adapters.store.sqlite import SqliteStore
from workflow.archive.codec import decode_archive
from workflow.archive.index import decode_index
from workflow.archive.torrent import Info, decode_torrent, piece_hashes
from workflow.engine.migrations import ENGINE, migrate
from workflow.files.folder import ArchiveFolder
from workflow.ports.records import Channel, Community
from workflow.ports.work import Json, Transaction, Writes, no_writes
from workflow.testing.world import START, WEEK, text_message

T = TypeVar("T")

ID: Final = "0x02" + "ab" * 32
KEY: Final = bytes.fromhex(ID[2:])
TOPIC: Final = b"\x01\x02\x03\x04"
FOLDER: Final = f"archives/{ID}/1"
WEEKS: Final = (1, 3, 4)
"""How many weeks had ended when each generation was made: the second holds two archives."""
GENERATIONS: Final = len(WEEKS)


@dataclass
class DirectWork:
    """The port ``Work`` without an engine: everything happens at once, in this thread."""

    tx: sqlite3.Connection
    id: str = ID
    entry: int = 1
    attempt: int = 1

    def now(self) -> float:
        raise NotImplementedError

    async def read(self, query: Callable[[Transaction], T]) -> T:
        return query(cast("Transaction", self.tx))

    async def in_thread(self, function: Callable[[], T]) -> T:
        return function()

    async def send(
        self,
        lifecycle: str,
        id: str,
        event: Enum,
        details: Mapping[str, Json],
        writes: Writes = no_writes,
    ) -> None:
        raise NotImplementedError

    def is_cancelled(self) -> bool:
        return False

    def report(self, done: int, total: int, unit: str) -> None:
        pass


class Archiving:
    """Makes one generation after another; ``committed[n]`` is the database after ``n`` of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.committed = [_founded()]

    def next_generation(self, done: int) -> None:
        """What the node does when ``done`` generations are committed, up to the next commit."""
        clock = ManualClock(START + WEEKS[done] * WEEK)
        control = Facts(holds_control_key=True, is_control_device=True, epoch_matches=True)
        tools = Tools(
            store=SqliteStore(),
            carrier=MemoryCarrier(Swarm(clock)),
            messaging=InProcessMessaging(MessageNetwork(clock), "node"),
            keys=MemoryKeys(),
            clock=clock,
            folder=ArchiveFolder(self.root / "archives"),  # As in a process that has just begun.
            facts_of=lambda _tx, ids: [control for _ in ids],
            grace=0.0,
        )
        tx = sqlite3.connect(":memory:", isolation_level=None)
        try:
            tx.deserialize(self.committed[done])
            answer = asyncio.run(create_archives(tools, DirectWork(tx)))
            assert answer.event is Event.ARCHIVES_WRITTEN
            tx.execute("BEGIN IMMEDIATE")
            answer.writes(cast("Transaction", tx))
            tx.execute("COMMIT")
            committed = tx.serialize()
        finally:
            tx.close()
        if done + 1 == len(self.committed):
            self.committed.append(committed)
        assert committed == self.committed[done + 1], "another database than without a crash"

    def row(self, done: int) -> tuple[int, str]:
        """The length of ``data``, and the info-hash."""
        tx = sqlite3.connect(":memory:")
        try:
            tx.deserialize(self.committed[done])
            [row] = tx.execute("SELECT data_length, info_hash FROM generation WHERE number = ?",
                               (done,)).fetchall()  # fmt: skip
            return cast("tuple[int, str]", row)
        finally:
            tx.close()


def record(archiving: Archiving, recorder: Recorder, done: int) -> None:
    """Make the next generation, note all its steps, and the commit as the last."""
    with recorder.watching():
        archiving.next_generation(done)
    recorder.steps.append(Step(Kind.COMMIT))


# -- the messages, and whether files hold them ----------------------------------------------------


def texts(weeks: int) -> list[str]:
    """The messages of the first so many weeks."""
    return [f"week {week}, message {number}" for week in range(weeks) for number in range(3)]


def complaint(data: bytes, index: bytes, torrent: bytes, expected: list[str]) -> str:
    """What is wrong with a generation's files, in words; empty when nothing is.

    Every message must be in them exactly once, and the .torrent must be that of these bytes.
    """
    try:
        entries = decode_index(index)
        if sum(entry.size for entry in entries) != len(data):
            return "the index does not cover the data"
        found = Counter(
            message.payload.decode().rstrip("x")
            for entry in entries
            for message in decode_archive(data[entry.offset : entry.offset + entry.raw_size], entry)
        )
        if found != Counter(expected):
            return "messages twice" if max(found.values(), default=0) > 1 else "messages lost"
        info = Info(ID, len(data), len(index), piece_hashes(data) + piece_hashes(index))
        if decode_torrent(torrent).info.info_hash != info.info_hash:
            return "the .torrent is of other bytes"
    except CommunityArchivesError as error:
        return f"{type(error).__name__}"
    return ""


def _founded() -> bytes:
    """A database with a community and all messages, and nothing archived."""
    tx = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(tx, (*ENGINE, *STORE), "memory")
        rows, store = cast("Transaction", tx), SqliteStore()
        store.add_community(
            rows,
            Community(
                id=ID,
                name="chess",
                control_key=KEY,
                control_device="here",
                control_epoch=1,
                claimed_epoch=1,
                interval=int(WEEK),
                anchor=None,
                reannounce_after=None,
                is_enabled=True,
                is_encrypted=False,
                generation=0,
                candidate=0,
                condition="",
            ),
        )
        store.add_channel(rows, ID, Channel(TOPIC))
        for week in range(WEEKS[-1]):
            messages = [
                text_message(TOPIC, START + week * WEEK + number, text + "x" * 700)
                for number, text in enumerate(texts(week + 1)[-3:])
            ]
            store.add_messages(rows, ID, [one.packed() for one in messages], START)
        return tx.serialize()
    finally:
        tx.close()
