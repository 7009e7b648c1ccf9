"""Bad peers, dead trackers, full disks: a fetch ends well, or says why it did not."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.adapters.swarms import (
    PIECE,
    Stranger,
    World,
    bytes_of,
    collect,
    content_in,
    fetched,
    info_of,
    open_below,
    ranges_of,
    sealed,
)
from workflow.adapters.carrier.bittorrent.settings import Network
from workflow.errors import CarrierError, NoPeersError, NoPeerSourceError

# ------------------------------------------------------------------------------------------ others


async def test_bad_bytes_are_not_taken(world: World) -> None:
    """The one who sends them is given up; the one who has the right ones is found."""
    content = sealed(world.folder / "origin")
    info = info_of(content)
    evil = Stranger(info.encode(), lambda _: bytes(PIECE), info.index_pieces.stop)
    member = await world.node(peers=(await evil.open(),), patience=1.5)
    own = content_in(world.folder / "member")
    with pytest.raises(NoPeersError):
        await fetched(member, evil.locator, own)
    assert evil.sent > 0
    assert not any(own.data.read_bytes())  # Nothing, or zeros, which are nobody's.
    node = await world.node()
    await node.publish(content)
    assert len(await fetched(member, evil.locator, own)) == 4
    assert own.data.read_bytes() == bytes_of(4)
    await evil.close()


async def test_a_peer_that_stalls_is_said_to_be_nobody(world: World) -> None:
    """It has everything, it says, and sends half of it."""
    content = sealed(world.folder / "origin")
    info = info_of(content)
    whole = content.data.read_bytes()

    def piece(number: int) -> bytes | None:
        return whole[number * PIECE :][:PIECE] if number < 2 else None

    half = Stranger(info.encode(), piece, info.index_pieces.stop, boasts=True)
    member = await world.node(peers=(await half.open(),), patience=1.0)
    got: list[str] = []
    own = content_in(world.folder / "m")
    with pytest.raises(NoPeersError) as caught:
        await collect(got, member.fetch(half.locator, own, ranges_of(own)))
    assert sorted(got) == ["archive 0", "archive 1"]
    assert caught.value.place == half.name
    await half.close()


async def test_without_any_source_nobody_is_waited_for(world: World) -> None:
    """And what is here already is nevertheless here."""
    _, _, locator = await world.seeder()
    lonely = await world.node(meeting=None)
    with pytest.raises(NoPeerSourceError):
        await lonely.fetch_index(locator)
    content = sealed(world.folder / "member")
    with pytest.raises(NoPeerSourceError):
        await fetched(lonely, locator, content_in(world.folder / "none"))
    assert len(await fetched(lonely, locator, content)) == 4
    assert await lonely.publish(content, locator) == locator


async def test_private_nodes_reach_whom_they_are_told(world: World) -> None:
    """No meeting: only the peer that is named; a name that is nobody's does no harm."""
    private = {"network": Network.PRIVATE, "interface": "127.0.0.1", "meeting": None}
    one = await world.node(**private)
    content = sealed(world.folder / "one")
    locator = await one.publish(content)
    two = await world.node(**private, peers=(f"localhost:{one.port}", "no..name:1"))
    assert (await two.fetch_index(locator)).index == content.index.read_bytes()
    assert len(await fetched(two, locator, content_in(world.folder / "two"))) == 4


@pytest.mark.parametrize("kind", ["refusing", "silent", "udp"])
async def test_dead_trackers_hinder_nobody(world: World, kind: str) -> None:
    """One that refuses, one that never answers: the peer that is known is enough."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]
        if kind == "refusing":
            hole.close()
        scheme = "udp" if kind == "udp" else "http"
        trackers = (f"{scheme}://127.0.0.1:{port}/announce",)
        one = await world.node(trackers=trackers)
        content = sealed(world.folder / "one")
        locator = await one.publish(content)
        two = await world.node(trackers=trackers)
        assert (await two.fetch_index(locator)).index == content.index.read_bytes()
        assert len(await fetched(two, locator, content_in(world.folder / "two"))) == 4
        assert one.is_live(locator)
        await asyncio.gather(one.close(), two.close())


# ------------------------------------------------------------------------------------------- disks


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for three pieces."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


async def test_a_full_disk_is_said_so_and_room_heals_it(world: World, mounted: Path) -> None:
    _, _, locator = await world.seeder("seeder", 6)
    member = await world.node()
    content = content_in(mounted / "member", 6)
    with pytest.raises(CarrierError, match="No space left on device") as caught:
        await fetched(member, locator, content)
    assert not isinstance(caught.value, NoPeersError)
    assert open_below(mounted) == []
    remount(mounted, "size=4m")
    assert len(await fetched(member, locator, content)) == 6
    assert content.data.read_bytes() == bytes_of(6)


async def test_a_disk_that_became_read_only_is_said_so(world: World, mounted: Path) -> None:
    _, _, locator = await world.seeder()
    member = await world.node()
    content = content_in(mounted / "member", 4)
    content.data.write_bytes(b"")
    remount(mounted, "ro")
    with pytest.raises(CarrierError, match="Read-only file system"):
        await fetched(member, locator, content)
    remount(mounted, "rw,size=4m")
    assert len(await fetched(member, locator, content)) == 4


async def test_a_folder_in_the_place_of_data(world: World) -> None:
    _, _, locator = await world.seeder()
    member = await world.node()
    content = content_in(world.folder / "member")
    content.data.mkdir()
    with pytest.raises(CarrierError, match="no file is there"):
        await fetched(member, locator, content)


async def test_a_scratch_folder_that_fails_is_said_so(world: World) -> None:
    """The index goes there; a file where a folder belongs is as bad as a disk that fails."""
    _, _, locator = await world.seeder()
    member = await world.node()
    scratch = world.folder / "scratch1"
    scratch.rmdir()
    scratch.touch()
    with pytest.raises(CarrierError):
        await member.fetch_index(locator)
    with suppress(FileNotFoundError):
        scratch.unlink()
    assert (await member.fetch_index(locator)).index
