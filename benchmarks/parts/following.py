from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final, cast

import libtorrent as lt
from loguru import logger

from benchmarks.parts.processes import Worker
from benchmarks.parts.report import note, row, span, table
from benchmarks.parts.stores import messages
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.session import session_settings
from workflow.adapters.carrier.bittorrent.settings import LOOPBACK, Settings
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import Timing
from workflow.archive.message import ArchivedMessage
from workflow.assembly import open_node
from workflow.engine.journal import Probe, connect, no_probe
from workflow.engine.rows import Recorded
from workflow.node import Node

SIZE: Final = 190_000
"""Bytes of messages: with their framing and padding two pieces, 204,800 bytes."""
START: Final = 1_704_067_200
WITHIN: Final = 60.0
"""Seconds after which something is wrong."""
WARM: Final = 3
"""Rounds that are not counted: connections, files and modules are new to them."""


async def run(directory: Path, times: int) -> None:
    logger.remove()
    owner: Worker[Owner] = Worker(partial(Owner, directory))
    port = owner.do(Owner.start).result
    member = Member(directory)
    await member.start()
    plain = Plain(directory / "plain", port)
    ours: list[float] = []
    theirs: list[float] = []
    try:
        for number in range(times + WARM):
            id, line, magnet = owner.do(Owner.keep, number).result
            fetches = [partial(member.follow, id, line), partial(plain.fetch, magnet)]
            if number % 2:  # In turns: who comes second finds the owner's files in memory.
                fetches.reverse()
            took = {one.func: await one() for one in fetches}
            if number >= WARM:
                ours.append(took[member.follow])
                theirs.append(took[plain.fetch])
            else:
                member.forget()
    finally:
        await member.stop()
        owner.kill()
    _tell(member, ours, theirs, _bare_commits(directory, max(times, 40)))


def _tell(member: Member, ours: list[float], theirs: list[float], bare: list[float]) -> None:
    commits = len(member.commits) / len(ours)
    table(f"From a link to its messages, {len(ours)} times", "median", "half within", "slowest")
    _row("magnet to files, libtorrent alone", theirs)
    _row(f"a bare commit; {commits:.1f} of them are made", bare)
    _row("a link to its messages", ours)
    rest = median(ours) - median(theirs) - commits * median(bare)
    row("... beyond libtorrent and bare commits", span(rest), "", "")
    for step, at in member.steps.items():
        row(f"   until {step}", span(median(at)), "", "")
    inside = sum(member.commits) / len(ours)
    note(f"COMMIT itself took {span(inside)} of each, with all that it wrote")


def _row(name: str, seconds: list[float]) -> None:
    low, _, high = quantiles(seconds, n=4)
    row(name, span(median(seconds)), f"{span(low)} - {span(high)}", span(max(seconds)))


class Owner:
    """A control node in a process of its own."""

    def __init__(self, directory: Path) -> None:
        logger.remove()
        self._directory = directory

    async def start(self) -> int:
        self._node, carrier = _node(self._directory / "owner", self._directory / "meeting")
        await self._node.start()
        await self._node.enable()
        return carrier.port

    async def keep(self, number: int) -> tuple[str, str, str]:
        """One more community with an archive of 200 KB: its id, announcement and magnet link."""
        node = self._node
        announced = asyncio.Event()
        off = node.engine.on_step(
            lambda step: announced.set() if step.event == "LINK_SENT" else None
        )
        id = await node.create_community(f"measured {number}")
        topic = bytes((1, 2, 3, 4))
        await node.add_topic(id, topic)
        await node.add_messages(id, list(_messages(topic, number)))
        await node.archive_now(id)
        async with asyncio.timeout(WITHIN):
            await announced.wait()
        off()
        return id, await node.announcement(id), (await node.snapshot(id)).locator

    _node: Node


class Member:
    """``steps`` are seconds since the link by step, ``commits`` the seconds of each commit."""

    def __init__(self, directory: Path) -> None:
        self.steps: dict[str, list[float]] = defaultdict(list)
        self.commits: list[float] = []
        self._directory = directory
        self._began = 0.0
        self._commit_began = 0.0
        self._committed = asyncio.Event()
        self._imported = asyncio.Event()
        self._rested = asyncio.Event()
        self._took = 0.0

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        place = self._directory / "member"
        self._node, _ = _node(place, self._directory / "meeting", self._note_commit)
        self._node.engine.on_step(self._hear)
        await self._node.start()
        await self._node.enable()

    async def stop(self) -> None:
        await self._node.stop()

    async def follow(self, id: str, line: str) -> float:
        """Seconds from the link to the commit of its messages."""
        await self._node.join(id)
        self._committed.clear()
        while not (await self._node.snapshot(id)).is_at_rest:
            await self._committed.wait()  # It asks the network for what it missed; not timed yet.
            self._committed.clear()
        self._imported.clear()
        self._rested.clear()
        self._began = time.perf_counter()
        await self._node.receive_announcement(line)
        async with asyncio.timeout(WITHIN):
            await self._imported.wait()
            took, self._began = self._took, 0.0
            await self._rested.wait()
        return took

    def forget(self) -> None:
        self.steps.clear()
        self.commits.clear()

    def _hear(self, step: Recorded) -> None:
        if self._began:
            since = time.perf_counter() - self._began
            self.steps[f"{step.source.lower()} --{step.event.lower()}-->"].append(since)
            if step.event == "IMPORT_COMMITTED":
                self._took = since
                self._imported.set()
        if step.event == "TORRENT_SEEDED":
            self._rested.set()

    def _note_commit(self, moment: str) -> None:
        now = time.perf_counter()
        if moment == "before commit":
            self._commit_began = now
            return
        self._loop.call_soon_threadsafe(self._committed.set)
        if self._began:
            self.commits.append(now - self._commit_began)

    _node: Node


class Plain:
    """libtorrent by itself, with the carrier's settings, which are tuned for loopback."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._owner = (LOOPBACK, port)
        chosen = session_settings(Settings())
        self._session = lt.session(cast("lt.settings_pack", chosen))
        self._pipe = os.pipe2(os.O_NONBLOCK)
        self._session.set_alert_fd(self._pipe[1])

    async def fetch(self, magnet: str) -> float:
        """Seconds from adding a magnet link to the end of its files."""
        params = lt.parse_magnet_uri(magnet)
        params.save_path = str(self._folder)
        params.peers = [self._owner]
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe[0], self._drain, done)
        began = time.perf_counter()
        handle = self._session.add_torrent(params)
        async with asyncio.timeout(WITHIN):
            await done.wait()
        took = time.perf_counter() - began
        loop.remove_reader(self._pipe[0])
        self._session.remove_torrent(handle)
        return took

    def _drain(self, done: asyncio.Event) -> None:
        os.read(self._pipe[0], 4096)
        if any(isinstance(one, lt.torrent_finished_alert) for one in self._session.pop_alerts()):
            done.set()


def _node(place: Path, meeting: Path, probe: Probe = no_probe) -> tuple[Node, BitTorrentCarrier]:
    clock = SystemClock()
    carrier = BitTorrentCarrier(Settings(meeting=meeting), place / "carrier")
    node = open_node(
        place,
        clock=clock,
        carrier=carrier,
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=KeyFiles(place / "keys"),
        timing=Timing(settle_quiet=0.0, settle_limit=0.0),
        probe=probe,
    )
    return node, carrier


def _messages(topic: bytes, number: int) -> list[ArchivedMessage]:
    """Some 345 messages, of another week for each number, until there are enough bytes."""
    made: list[ArchivedMessage] = []
    size = 0
    for one in messages(1000, START + number, 86_400):
        if size >= SIZE:
            break
        message = ArchivedMessage(
            sig=bytes(65),
            timestamp=one.time,
            topic=topic,
            payload=one.encoded[:400],
            padding=b"\x01",
            hash=one.digest + one.digest,
        )
        made.append(message)
        size += len(message.packed().encoded)
    return made


def _bare_commits(directory: Path, times: int) -> list[float]:
    """Seconds of each commit of one row of 400 bytes, as the journal is opened."""
    seen = []
    with closing(connect(directory / "bare.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE step (seq INTEGER PRIMARY KEY, said BLOB)")
        for _ in range(times):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO step (said) VALUES (randomblob(400))")
            connection.execute("COMMIT")
            seen.append(time.perf_counter() - began)
    return seen
