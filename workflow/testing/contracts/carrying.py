"""What the carriers' contract works with: a generation of three archives, nodes, time."""

# ruff: noqa: S101
# An assertion is how a contract speaks.

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from workflow.files.torrents import seal_generation, write_info
from workflow.ports.carrier import Carrier, Content, HealthListener, Range

T = TypeVar("T")

PIECE: Final = 100 * 1024
RANGES: Final = (
    Range("archive-a", 0, PIECE),
    Range("archive-b", PIECE, 2 * PIECE),
    Range("archive-c", 3 * PIECE, PIECE),
)
LENGTH: Final = 4 * PIECE
INDEX: Final = b"an index that only its owner understands" * 20
IDS: Final = [one.archive for one in RANGES]


def some_bytes(length: int, seed: str = "history") -> bytes:
    """Bytes that look random and are the same each time."""
    blocks = (sha256(f"{seed}{number}".encode()).digest() for number in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def content_in(directory: Path) -> Content:
    """Where a node keeps its generation; nothing is written yet."""
    directory.mkdir(exist_ok=True)
    return Content(
        "0x02community", directory / "data", LENGTH, directory / "index.1", directory / "1.torrent"
    )


def written(directory: Path, seed: str = "history") -> Content:
    """A sealed generation of three archives, with bytes of the next one behind it."""
    content = content_in(directory)
    content.data.write_bytes(some_bytes(LENGTH, seed) + b"not part of this generation")
    content.index.write_bytes(INDEX)
    seal_generation(content)
    return content


def flip(path: Path, offset: int) -> None:
    """Damage one byte where it lies."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


class CarrierHarness(ABC):
    """How to connect and how to let time pass is for the subclass to say."""

    pytestmark = pytest.mark.asyncio
    patience: float = 60.0
    step: float = 0.5

    @abstractmethod
    async def connect(self) -> Carrier:
        """One more node on the network of this test, not opened yet; it finds the others."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Return after so many seconds of the carrier's time."""

    async def done(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of something that takes time, which must pass meanwhile."""
        task = asyncio.create_task(work)
        waited = 0.0
        while not task.done() and waited < self.patience:
            await self.wait(self.step)
            waited += self.step
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            pytest.fail(f"not done after {self.patience} s")
        return task.result()

    async def opened(self, listener: HealthListener = lambda _: None) -> Carrier:
        """A node that is open."""
        carrier = await self.connect()
        await self.done(carrier.open(listener))
        return carrier

    async def close(self, *carriers: Carrier) -> None:
        """Close them all."""
        for carrier in carriers:
            await self.done(carrier.close())

    async def fetched(
        self, carrier: Carrier, locator: str, content: Content, ranges: Sequence[Range] = RANGES
    ) -> list[str]:
        """The ids that ``fetch`` yields; at each its bytes are looked at."""

        async def fetch() -> list[str]:
            ids = []
            async with aclosing(fetching(carrier, locator, content, ranges)) as archives:
                async for archive in archives:
                    self.assert_is_here(content, archive)
                    ids.append(archive)
            return ids

        return await self.done(fetch())

    async def described(self, carrier: Carrier, locator: str, content: Content) -> None:
        """Put index and .torrent beside the data, as ``fetch_index`` gives them."""
        fetched = await self.done(carrier.fetch_index(locator))
        content.index.write_bytes(fetched.index)
        write_info(content, fetched.info)

    def assert_is_here(self, content: Content, archive: str) -> None:
        """Every byte of this archive can be read from the disk."""
        one = next(one for one in RANGES if one.archive == archive)
        with content.data.open("rb") as file:
            file.seek(one.offset)
            assert file.read(one.size) == some_bytes(LENGTH)[one.offset :][: one.size]


def fetching(carrier: Carrier, locator: str, content: Content, ranges: Sequence[Range]) -> Any:
    """``fetch`` as the generator that it is, so that it can be closed."""
    return carrier.fetch(locator, content, ranges)
