"""A BitTorrent node comes, is looked at, and goes without a trace."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.adapters.swarms import (
    PIECE,
    World,
    bytes_of,
    content_in,
    fetched,
    open_below,
    ranges_of,
    sealed,
    threads,
)
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Network, Settings
from workflow.errors import CarrierError, ListenError

# ------------------------------------------------------------------------------- ports and closing


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """libtorrent would silently take the next one, where nobody looks for us."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = BitTorrentCarrier(Settings(port=port), tmp_path / "scratch")
        with pytest.raises(ListenError, match="in use") as caught:
            await node.open(lambda _: None)
        assert caught.value.place == f"127.0.0.1:{port}"
    await node.open(lambda _: None)
    assert node.port == port
    await node.close()


async def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    settings = Settings(network=Network.PRIVATE, interface="192.0.2.7", port=5001)
    node = BitTorrentCarrier(settings, tmp_path / "scratch")
    with pytest.raises(ListenError) as caught:
        await node.open(lambda _: None)
    assert caught.value.place == "192.0.2.7:5001"


async def test_folders_that_fail_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = BitTorrentCarrier(Settings(), tmp_path / "file" / "scratch")
    with pytest.raises(CarrierError, match="Not a directory"):
        await node.open(lambda _: None)
    node = BitTorrentCarrier(Settings(meeting=tmp_path / "file" / "m"), tmp_path / "scratch")
    with pytest.raises(CarrierError, match="neighbours' folder"):
        await node.open(lambda _: None)
    with pytest.raises(CarrierError, match="not open"):
        await node.fetch_index("magnet:?xt=urn:btih:" + "a" * 40)
    await node.close()


async def test_closing_lets_go_of_everything(world: World) -> None:
    """Threads, files, sockets, the folder for what is half done; and it can be opened again."""
    before = threads(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not listed.
    node, content, locator = await world.seeder()
    member = await world.node()
    await fetched(member, locator, content_in(world.folder / "member"))
    assert open_below(world.folder / "seeder")
    await asyncio.gather(node.close(), member.close())
    assert open_below(world.folder) == []
    assert (threads(), len(os.listdir("/proc/self/fd"))) == before  # noqa: PTH208 - the same.
    assert list(world.folder.glob("scratch*")) == []
    assert list((world.folder / "meeting").iterdir()) == []
    assert not node.is_live(locator)
    await node.open(world.heard.append)
    assert not node.is_live(locator)
    assert await node.publish(content, locator) == locator


async def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    (scratch / ("ab" * 20)).mkdir(parents=True)
    (scratch / ("ab" * 20) / "index").write_bytes(b"half")
    (scratch / "letters").mkdir()
    (scratch / "diary").touch()
    node = BitTorrentCarrier(Settings(), scratch)
    await node.open(lambda _: None)
    assert {path.name for path in scratch.iterdir()} == {"letters", "diary"}
    await node.close()
    assert {path.name for path in scratch.iterdir()} == {"letters", "diary"}


async def test_withdrawing_lets_go_of_the_files(world: World) -> None:
    node, content, locator = await world.seeder()
    member = await world.node()
    await fetched(member, locator, content_in(world.folder / "member"))
    assert open_below(world.folder / "seeder")
    await node.withdraw(locator)
    assert open_below(world.folder / "seeder") == []
    assert content.data.read_bytes() == bytes_of(4)


async def test_a_tracker_that_never_answers_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    """libtorrent says goodbye to its trackers when it is closed, and waits for them a while."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        tracker = f"http://127.0.0.1:{hole.getsockname()[1]}/announce"
        node = BitTorrentCarrier(Settings(trackers=(tracker,)), tmp_path / "scratch")
        await node.open(lambda _: None)
        locator = await node.publish(sealed(tmp_path / "a"))
        assert f"&tr=http%3A%2F%2F127.0.0.1%3A{hole.getsockname()[1]}%2Fannounce" in locator
        await asyncio.sleep(0.2)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        begun = asyncio.get_running_loop().time()
        await node.close()
        took = asyncio.get_running_loop().time() - begun
        ticking.cancel()
        assert ticks >= took / 0.005 / 10


# ----------------------------------------------------------------------------------------- looking


async def test_what_moves_is_shown(world: World) -> None:
    node, _, locator = await world.seeder()
    here = node.traffic(locator)
    assert here is not None
    assert (here.peers, here.done, here.total) == (0, here.total, here.done)
    assert here.total > 4 * PIECE
    member = await world.node()
    content = content_in(world.folder / "member")
    seen = []
    async for _ in member.fetch(locator, content, ranges_of(content)):
        moving = member.traffic(locator)
        assert moving is not None
        seen.append((moving, member.peers(locator)))
    moving, peers = seen[-1]
    assert (moving.done, moving.total, moving.peers) == (4 * PIECE, 4 * PIECE, 1)
    assert [(one.address, one.progress) for one in peers] == [(f"127.0.0.1:{node.port}", 1.0)]
    assert peers[0].client.startswith("libtorrent")
    assert member.traffic(locator) is None
    assert member.peers(locator) == ()
