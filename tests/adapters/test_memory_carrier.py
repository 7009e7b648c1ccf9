from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from workflow.adapters.carrier import pieces
from workflow.archive.pieces import PIECE_LENGTH as PIECE
from workflow.errors import CarrierError, ContentDamagedError, NoPeersError
from workflow.files.torrents import seal_generation
from workflow.ports.carrier import Content, Range
from workflow.testing import ManualClock, MemoryCarrier, Swarm

LENGTH = 3 * PIECE
ALL = (Range("a", 0, PIECE), Range("b", PIECE, PIECE), Range("c", 2 * PIECE, PIECE))
INDEX = b"index" * 100


def content_in(directory: Path) -> Content:
    directory.mkdir(exist_ok=True)
    return Content("0x02c", directory / "data", LENGTH, directory / "index", directory / "torrent")


def written(directory: Path) -> Content:
    content = content_in(directory)
    content.data.write_bytes(some_bytes() + b"more")
    content.index.write_bytes(INDEX)
    seal_generation(content)
    return content


def some_bytes() -> bytes:
    return b"".join(sha256(bytes([n % 256, n // 256])).digest() for n in range(LENGTH // 32 + 1))[
        :LENGTH
    ]


def damage(path: Path, offset: int) -> None:
    descriptor = os.open(path, os.O_RDWR)
    byte = os.pread(descriptor, 1, offset)[0]
    os.pwrite(descriptor, bytes([byte ^ 1]), offset)
    os.close(descriptor)


class World:
    """Nodes on one swarm; each node's health reports are kept."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self.swarm = Swarm(self.clock)
        self.clock.watch(lambda: self.swarm.is_busy)
        self.directory = directory
        self.heard: list[str] = []

    async def node(self, *, seconds_per_archive: float = 0.0) -> MemoryCarrier:
        carrier = MemoryCarrier(
            self.swarm,
            self.clock,
            check_seconds=0,
            give_up_after=30,
            seconds_per_archive=seconds_per_archive,
        )
        await carrier.open(self.heard.append)
        return carrier

    async def seeder(self, name: str = "seeder") -> tuple[MemoryCarrier, Content, str]:
        carrier = await self.node()
        content = written(self.directory / name)
        return carrier, content, await carrier.publish(content)

    async def fetched(
        self, carrier: MemoryCarrier, locator: str, content: Content, ranges: Sequence[Range] = ALL
    ) -> list[str]:
        return [archive async for archive in carrier.fetch(locator, content, ranges)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def open_files(below: Path) -> list[str]:
    """The files below a directory that this process has open."""
    paths = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    return [str(path) for path in paths if path.is_relative_to(below)]


async def test_checking_takes_time(world: World) -> None:
    carrier = MemoryCarrier(world.swarm, check_seconds=90.0)
    await carrier.open(world.heard.append)
    publishing = asyncio.create_task(carrier.publish(written(world.directory / "a")))
    await world.clock.advance(89)
    assert (publishing.done(), world.heard) == (False, [])
    await world.clock.advance(1)
    locator = await publishing
    assert len(bytes.fromhex(locator.removeprefix("memory:"))) == 20
    assert carrier.is_live(locator)


@pytest.mark.parametrize("change", ["data gone", "index gone", "cut off", "longer index"])
async def test_changed_while_it_was_checked(world: World, change: str) -> None:
    carrier = MemoryCarrier(world.swarm, check_seconds=90.0)
    await carrier.open(world.heard.append)
    content = written(world.directory / "a")
    publishing = asyncio.create_task(carrier.publish(content))
    await world.clock.advance(10)
    happen(change, content)
    await world.clock.advance(90)
    with pytest.raises(ContentDamagedError, match="while it was checked"):
        await publishing
    assert world.heard == []


def happen(change: str, content: Content) -> None:
    match change:
        case "data gone":
            content.data.unlink()
        case "index gone":
            content.index.unlink()
        case "cut off":
            os.truncate(content.data, LENGTH - 1)
        case "longer index":
            content.index.write_bytes(INDEX + b".")
        case _:
            copy = content.data.read_bytes()
            content.data.rename(content.data.with_name("old"))
            content.data.write_bytes(copy)


@pytest.mark.parametrize(
    "change", ["data gone", "index gone", "cut off", "longer index", "replaced"]
)
async def test_lost_files_are_no_longer_live(world: World, change: str) -> None:
    """Only publishing makes them live again, for nobody has checked what lies there now."""
    carrier, content, locator = await world.seeder()
    happen(change, content)
    assert not carrier.is_live(locator)
    assert not carrier.is_live(locator)
    assert world.heard == [locator, locator]
    written(world.directory / "seeder")
    assert not carrier.is_live(locator)
    assert await carrier.publish(content, locator) == locator
    assert carrier.is_live(locator)
    assert world.heard == [locator] * 3


async def test_data_that_grows_stays_live(world: World) -> None:
    carrier, content, locator = await world.seeder()
    with content.data.open("ab") as file:
        file.write(b"the next generation")
    assert carrier.is_live(locator)


async def test_a_failed_check_ends_what_was_live(world: World) -> None:
    carrier, content, locator = await world.seeder()
    damage(content.data, 7)
    assert carrier.is_live(locator)  # Nobody has noticed yet.
    with pytest.raises(ContentDamagedError):
        await carrier.publish(content, locator)
    assert not carrier.is_live(locator)
    assert world.heard == [locator, locator]


async def test_failures_can_be_injected_and_taken_back(world: World) -> None:
    carrier, content, locator = await world.seeder()
    carrier.fail(locator)
    assert not carrier.is_live(locator)
    with pytest.raises(ValueError, match="not live"):
        carrier.fail(locator)
    carrier.restore(locator)
    assert carrier.is_live(locator)
    carrier.fail(locator)
    assert await carrier.publish(content, locator) == locator
    assert carrier.is_live(locator)
    happen("cut off", content)
    assert not carrier.is_live(locator)
    carrier.restore(locator)
    assert not carrier.is_live(locator)
    assert world.heard == [locator] * 6


async def test_health_may_be_asked_from_many_threads(world: World) -> None:
    """The listener hears of one loss once."""
    carrier, content, locator = await world.seeder()
    happen("data gone", content)
    threads = [threading.Thread(target=carrier.is_live, args=(locator,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.heard == [locator, locator]


async def test_a_damaged_seeder_is_passed_over(world: World) -> None:
    one, damaged, locator = await world.seeder("one")
    await world.seeder("two")
    damage(damaged.data, PIECE + 5)
    node = await world.node()
    content = content_in(world.directory / "node")
    fetching = asyncio.create_task(world.fetched(node, locator, content))
    await world.clock.advance(5)
    assert await fetching == ["a", "b", "c"]
    assert content.data.read_bytes() == some_bytes()
    assert one.is_live(locator)  # It does not know.


async def test_a_damaged_index_is_never_taken(world: World) -> None:
    _, damaged, locator = await world.seeder("one")
    damage(damaged.index, 0)
    node = await world.node()
    fetching = asyncio.create_task(node.fetch_index(locator))
    await world.clock.advance(20)
    assert not fetching.done()
    await world.seeder("two")
    await world.clock.advance(5)
    assert (await fetching).index == INDEX


async def test_patience_ends_and_begins_anew_with_each_byte(world: World) -> None:
    _, damaged, locator = await world.seeder("one")
    damage(damaged.data, 2 * PIECE)
    node = await world.node()
    begun = world.clock.now()
    got: list[tuple[str, float]] = []

    async def fetch() -> None:
        async for archive in node.fetch(locator, content_in(world.directory / "node"), ALL):
            got.append((archive, world.clock.now() - begun))
            await world.clock.sleep(10)

    fetching = asyncio.create_task(fetch())
    await world.clock.advance(49)
    assert not fetching.done()
    await world.clock.advance(1)
    with pytest.raises(NoPeersError):
        await fetching
    assert got == [("a", 0.0), ("b", 10.0)]
    assert world.clock.now() - begun == 50


async def test_carrying_takes_time(world: World) -> None:
    _, _, locator = await world.seeder()
    node = await world.node(seconds_per_archive=60.0)
    content = content_in(world.directory / "node")
    fetching = asyncio.create_task(world.fetched(node, locator, content))
    await world.clock.advance(179)
    assert not fetching.done()
    await world.clock.advance(1)
    assert await fetching == ["a", "b", "c"]
    assert await world.fetched(node, locator, content) == ["a", "b", "c"]


async def test_archives_that_share_pieces_or_are_empty(world: World) -> None:
    _, _, locator = await world.seeder()
    node = await world.node()
    content = content_in(world.directory / "node")
    ranges = [Range("x", 10, PIECE), Range("y", PIECE - 1, 2), Range("z", 5, 0)]
    assert sorted(await world.fetched(node, locator, content, ranges)) == ["x", "y", "z"]
    assert content.data.read_bytes()[10 : PIECE + 10] == some_bytes()[10 : PIECE + 10]
    assert await world.fetched(node, locator, content, [ALL[0], ALL[0]]) == ["a"]


@pytest.mark.parametrize("bad", [(-1, 5), (0, LENGTH + 1), (LENGTH, 1), (5, -1)])
async def test_a_range_outside_is_refused(world: World, bad: tuple[int, int]) -> None:
    _, _, locator = await world.seeder()
    node = await world.node()
    with pytest.raises(CarrierError, match="not within"):
        await world.fetched(node, locator, content_in(world.directory / "n"), [Range("a", *bad)])


async def test_a_disk_that_fails_is_no_lack_of_peers(world: World) -> None:
    _, _, locator = await world.seeder()
    node = await world.node()
    content = content_in(world.directory / "node")
    content.data.mkdir()
    with pytest.raises(CarrierError, match="no file is there"):
        await world.fetched(node, locator, content)
    lost = replace(content, data=world.directory / "nowhere" / "data")
    with pytest.raises(CarrierError, match="no file is there"):
        await world.fetched(node, locator, lost)
    offered = written(world.directory / "offered")
    offered.data.unlink()
    offered.data.mkdir()
    with pytest.raises(CarrierError, match="something else lies where a file belongs"):
        await node.publish(offered)


async def test_the_seeders_lost_file_is_the_seeders_trouble(world: World) -> None:
    one, lost, locator = await world.seeder("one")
    node = await world.node()
    assert (await node.fetch_index(locator)).index == INDEX
    lost.data.unlink()
    fetching = asyncio.create_task(
        world.fetched(node, locator, content_in(world.directory / "node"))
    )
    await world.clock.advance(60)
    with pytest.raises(NoPeersError):
        await fetching
    assert not one.is_live(locator)


async def test_a_file_that_ends_too_early_is_named(world: World) -> None:
    carrier = await world.node()
    content = written(world.directory / "a")
    happen("cut off", content)
    with pytest.raises(ContentDamagedError) as caught:
        await carrier.publish(content)
    assert caught.value.place == str(content.data)


async def test_closing_lets_go_of_all_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while another node is copying from them: closing waits for that."""
    one, _, locator = await world.seeder("one")
    node = await world.node()
    begun, go_on = threading.Event(), threading.Event()
    real = pieces._write

    def slow(file: int, piece: memoryview, offset: int) -> None:
        begun.set()
        assert go_on.wait(10)
        real(file, piece, offset)

    monkeypatch.setattr(pieces, "_write", slow)
    fetching = asyncio.create_task(
        world.fetched(node, locator, content_in(world.directory / "node"))
    )
    assert await asyncio.to_thread(begun.wait, 10)
    assert world.swarm.is_busy
    closing = [asyncio.create_task(one.close()), asyncio.create_task(node.close())]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in closing)
    assert open_files(world.directory)
    go_on.set()
    await asyncio.gather(*closing)
    assert not open_files(world.directory)
    with pytest.raises(CarrierError, match="not open"):
        await fetching
    assert not world.swarm.is_busy


async def test_a_cancelled_fetch_waits_for_its_thread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, locator = await world.seeder("one")
    node = await world.node()
    begun, go_on = threading.Event(), threading.Event()

    def failing(*_: object) -> None:
        begun.set()
        assert go_on.wait(10)
        raise CarrierError("too late to matter")

    monkeypatch.setattr(pieces, "copy", failing)
    fetching = asyncio.create_task(
        world.fetched(node, locator, content_in(world.directory / "node"))
    )
    assert await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):
        fetching.cancel()
        await asyncio.sleep(0.01)
    assert not fetching.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await fetching


async def test_an_abandoned_fetch_has_no_file_open(world: World) -> None:
    _, _, locator = await world.seeder()
    node = await world.node()
    content = content_in(world.directory / "node")
    async with aclosing(node.fetch(locator, content, ALL)) as archives:
        assert await anext(archives) == "a"
        assert not open_files(world.directory)
    assert content.data.read_bytes() == some_bytes()[:PIECE]


async def test_after_a_crash_nothing_is_offered(world: World) -> None:
    one, content, locator = await world.seeder()
    one.crash()
    one.crash()
    assert not one.is_live(locator)
    assert list(world.swarm.offers(locator)) == []
    again = await world.node()
    assert not again.is_live(locator)
    assert await again.publish(content, locator) == locator
    assert len(list(world.swarm.offers(locator))) == 1
