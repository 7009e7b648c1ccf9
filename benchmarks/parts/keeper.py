"""One node as it is when it runs: a journal on the disk, BitTorrent, messages between processes.

Only its clock is not the machine's: weeks pass as they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from benchmarks.parts.passing import PassingClock
from benchmarks.parts.stores import SECRET
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Network, Settings
from workflow.adapters.keys.files import KeyFiles
from workflow.adapters.messaging.local import LocalMessaging
from workflow.adapters.store.facts import Timing
from workflow.assembly import open_node
from workflow.chat.post import Post
from workflow.engine.rows import Recorded
from workflow.exporting import export
from workflow.importing import Item, read_discord
from workflow.node import Node
from workflow.ports.records import Place
from workflow.sources import StoredHistory
from workflow.status import Snapshot
from workflow.viewing import ARCHIVES, open_view

WEEK: Final = 604_800
PATIENCE: Final = 600.0
"""Seconds in which a node that does something takes a step."""
LOOK_EVERY: Final = 0.25
"""Seconds until a node that has not told anything is looked at: imports tell nothing of each."""
SETTLE: Final = 1.0
"""Seconds that members wait after a link: 20 are usual, and would only be waited for."""


class _Ports(TypedDict):
    clock: PassingClock
    carrier: BitTorrentCarrier
    messaging: LocalMessaging
    keys: KeyFiles
    timing: Timing


@dataclass(frozen=True, slots=True)
class Archived:
    """Generations that were made, and the median seconds of the first and last of them."""

    generations: int
    first: float
    last: float
    locator: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes that came over the network, and those of ``data`` and ``index`` that there are now."""

    came: int
    whole: int
    index: int


class Keeper:
    """A data directory, and the node on it once it was started.

    Nodes with the same ``network`` folder hear of each other. ``now`` is in seconds (UTC epoch).
    """

    def __init__(self, directory: Path, network: Path, now: float) -> None:
        self._directory = directory
        self._network = network
        self._clock = PassingClock(now)
        self._came = 0
        self._moved = asyncio.Event()

    async def start(self) -> None:
        ports = self._ports()
        self._carrier = ports["carrier"]
        self._node = open_node(self._directory, **ports)
        self._node.engine.on_step(self._hear)
        await self._node.start()
        await self._node.enable()
        for known in await self._node.communities():
            await self._until_at_rest(known.id)

    async def stop(self) -> None:
        await self._node.stop()

    async def create(self) -> str:
        return await self._node.create_community(
            "history", private_key=SECRET, reannounce_after=WEEK
        )

    async def take_in(self, id: str, exports: Path, first_ms: int, last_ms: int) -> int:
        """Import what was said from one moment on, and before another; returns the messages."""
        report = await self._node.import_items(id, _between(exports, first_ms, last_ms))
        if report.problem_count:
            raise AssertionError(f"{report.problem_count} problems: {report.problems[:3]}")
        return report.new

    async def archive(self, id: str, end: float) -> Archived:
        """Let week after week go by; what is not written yet lies in the future."""
        found = await self._node.snapshot(id)
        before = found.generation
        took: list[float] = []
        while self._clock.now() < end:
            began = time.perf_counter()
            self._clock.jump_to(min(self._clock.now() + WEEK, end))
            found = await self._until_at_rest(id)
            if found.generation > before + len(took):
                took.append(time.perf_counter() - began)
        if not found.is_live:
            raise AssertionError(f"it is not live: {found}")
        return Archived(
            len(took),
            statistics.median(took[:50]),
            statistics.median(took[-50:]),
            found.locator,
        )

    async def join(self, id: str, locator: str) -> Fetched:
        """Follow a community from its id alone, until its archives are here, and offered."""
        await self._node.join(id)
        return await self.follow(id, locator, self._clock.now())

    async def follow(self, id: str, locator: str, now: float) -> Fetched:
        """Wait until what a new announcement leads to is here, and offered."""
        self._clock.jump_to(now)
        await self._until(
            id, lambda seen: seen.is_at_rest and seen.locator == locator and seen.is_live
        )
        came, self._came = self._carrier.downloaded - self._came, self._carrier.downloaded
        return Fetched(came, *self._sizes(id))

    async def adopt(self, id: str, other: Path) -> None:
        """Take over the archives that lie in another's data directory."""
        await self._node.join(id)
        await self._node.adopt(id, other / ARCHIVES / id)
        await self._until_at_rest(id)

    async def verify(self, id: str) -> None:
        """Read every byte and every message."""
        found = await self._node.verify(id)
        imported, waiting = await self._node.imports(id)
        if waiting or not imported or not found.is_complete:
            whys = [one.why for one in found.weeks] + [one.why for one in found.cells]
            told = [*map(str, found.problems), *filter(None, whys)]
            raise AssertionError(f"{imported} imported, {waiting} not, {told[:3]}")

    async def messages(self, id: str) -> list[bytes]:
        """A digest of all that each message says, byte for byte, sorted."""
        found = []
        after: Place | None = None
        while page := await self._node.messages(id, after):
            for one in page:
                assert one.encoded is not None  # noqa: S101 - pages are filled.
                said = one.time.to_bytes(8, "big", signed=True) + one.topic + one.encoded
                found.append(hashlib.sha256(said).digest()[:16])
            after = page[-1].place
        return sorted(found)

    async def export(self, id: str, target: Path) -> int:
        """Write its history as lines, from a data directory that need not run."""
        view = open_view(self._directory, **self._ports())
        source = StoredHistory(view.tools, view.journal.run, id, is_confirmed=True)
        report = await asyncio.to_thread(export, source, "jsonl", target)
        if report.problems or report.unreadable:
            raise AssertionError(f"{report.problems[:3]} {report.unreadable}")
        return report.messages

    def _ports(self) -> _Ports:
        settings = Settings(network=Network.LOCAL, meeting=self._network)
        return {
            "clock": self._clock,
            "carrier": BitTorrentCarrier(settings, self._directory / "carrier"),
            "messaging": LocalMessaging(self._network, self._clock),
            "keys": KeyFiles(self._directory / "keys"),
            "timing": Timing(settle_quiet=SETTLE, settle_limit=6 * SETTLE),
        }

    def _hear(self, step: Recorded) -> None:
        if step.target == "IDLE":
            self._moved.set()

    async def _until_at_rest(self, id: str) -> Snapshot:
        return await self._until(id, lambda seen: seen.is_at_rest)

    async def _until(self, id: str, is_so: Callable[[Snapshot], bool]) -> Snapshot:
        give_up_at = time.monotonic() + PATIENCE
        while True:
            self._moved.clear()
            found = await self._node.snapshot(id)
            if is_so(found):
                return found
            if found.reason or time.monotonic() > give_up_at:
                raise AssertionError(f"it does not come on: {found}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), LOOK_EVERY)

    def _sizes(self, id: str) -> tuple[int, int]:
        """Bytes of the newest lineage's ``data`` and of its one index."""
        data = max((self._directory / ARCHIVES / id).glob("*/data"))
        (index,) = data.parent.glob("index.*")
        return data.stat().st_size, index.stat().st_size

    _node: Node
    _carrier: BitTorrentCarrier


def _between(exports: Path, first_ms: int, last_ms: int) -> Iterator[Item]:
    for item in read_discord([exports]):
        if not isinstance(item, Post) or first_ms <= item.time_ms < last_ms:
            yield item
