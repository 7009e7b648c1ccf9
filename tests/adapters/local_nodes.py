"""Nodes that share a folder under a clock that the test moves, and a look into that folder."""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import AsyncIterable
from contextlib import closing
from pathlib import Path

from workflow.adapters.messaging.local import LocalMessaging
from workflow.adapters.messaging.message_file import MESSAGES, MessageFile
from workflow.ports.messaging import Received
from workflow.testing import ManualClock

START = 1_700_000_000.0
DAY = 86_400.0


class Node:
    """A connection that keeps what comes, and when; the first ``fails`` times it raises."""

    def __init__(self, folder: Path, clock: ManualClock, **intervals: float) -> None:
        self.messaging = LocalMessaging(folder, clock, **intervals)
        self.got: list[tuple[bytes, float]] = []
        self.fails = 0
        self._clock = clock
        clock.watch(lambda: self.messaging.is_busy)

    async def open(self, *channels: str) -> Node:
        await self.messaging.open(self.receive)
        for channel in channels:
            await self.messaging.subscribe(channel)
        return self

    async def receive(self, message: Received) -> None:
        self.got.append((message.payload, self._clock.now() - START))
        if self.fails:
            self.fails -= 1
            raise OSError("the disk is full")

    @property
    def payloads(self) -> list[bytes]:
        return [payload for payload, _ in self.got]

    async def stored(self, since: float = 0.0, channel: str = "chat") -> list[bytes]:
        return [message.payload async for message in self.messaging.stored(channel, since)]


class Nodes:
    """All nodes of a test; they are closed at its end."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.folder = folder
        self._clock = clock
        self._made: list[Node] = []

    def make(self, **intervals: float) -> Node:
        self._made.append(Node(self.folder, self._clock, **intervals))
        return self._made[-1]

    async def open(self, *channels: str) -> Node:
        return await self.make().open(*channels)

    async def close(self) -> None:
        for node in self._made:
            await node.messaging.close()


async def collected(answer: AsyncIterable[Received]) -> list[bytes]:
    return [message.payload async for message in answer]


def rows(folder: Path) -> list[object]:
    with closing(sqlite3.connect(folder / MESSAGES)) as other:
        return [row[0] for row in other.execute("SELECT payload FROM message ORDER BY sequence")]


def write(folder: Path, *messages: tuple[object, ...]) -> None:
    """Rows as another program may write them."""
    file = MessageFile(folder)
    file.open()
    file.close()
    with closing(sqlite3.connect(folder / MESSAGES)) as other, other:
        other.executemany("INSERT INTO message (channel, at, payload) VALUES (?, ?, ?)", messages)


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a listing of numbers.


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))
    }
