"""What a BitTorrent node fetches: in any order of accidents, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from tests.adapters.swarms import (
    PIECE,
    Stranger,
    World,
    bytes_of,
    collect,
    content_in,
    damage,
    eventually,
    fetched,
    open_below,
    ranges_of,
    sealed,
)
from workflow.adapters.carrier.bittorrent import carrier, pieces, session
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Network, Settings
from workflow.archive.torrent import Info, decode_torrent
from workflow.errors import CarrierError, ContentDamagedError, NoPeersError, NoPeerSourceError
from workflow.ports.carrier import Content, Range


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.close()


def info_of(content: Content) -> Info:
    return decode_torrent(content.torrent.read_bytes()).info


def stranger(content: Content, first: int = 0, behind: int | None = None) -> Stranger:
    """A peer that has the pieces from ``first`` to ``behind`` of a generation, index and all."""
    info = info_of(content)
    whole = content.data.read_bytes()[: content.data_length] + content.index.read_bytes()
    end = info.index_pieces.stop if behind is None else behind

    def piece(number: int) -> bytes | None:
        return whole[number * PIECE :][:PIECE] if first <= number < end else None

    return Stranger(info.encode(), piece, info.index_pieces.stop)


# -------------------------------------------------------------------------------------- the bytes


async def rush(world: World, times: int) -> None:
    """Many small downloads: whenever an id comes, its bytes are there for anybody who reads."""
    _, _, locator = await world.seeder("seeder", 3)
    member = await world.node()
    for number in range(times):
        content = content_in(world.folder / f"m{number}", 3)
        for one in (ranges_of(content), ranges_of(content, 3)):
            content.data.unlink(missing_ok=True)
            async for archive in member.fetch(locator, content, one):
                wanted = next(range for range in one if range.archive == archive)
                with content.data.open("rb") as file:
                    got = os.pread(file.fileno(), wanted.size, wanted.offset)
                assert got == bytes_of(3)[wanted.offset :][: wanted.size]


async def test_what_is_yielded_can_be_read(world: World) -> None:
    await rush(world, 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_what_is_yielded_can_be_read_a_thousand_times(world: World) -> None:
    await rush(world, 500)


async def test_bytes_that_cannot_be_read_yet_are_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libtorrent has said that a piece is here, and the disk does not show it: or never will."""
    _, _, locator = await world.seeder()
    member = await world.node()
    real, hidden = pieces.lacking, 3
    monkeypatch.setattr(carrier, "READ_BACK_AFTER", 0.001)

    def late(path: Path, info: Info, numbers: list[int]) -> list[int]:
        nonlocal hidden
        missing = real(path, info, numbers)
        if not missing and hidden:
            hidden -= 1
            return list(numbers)
        return missing

    monkeypatch.setattr(pieces, "lacking", late)
    content = content_in(world.folder / "member")
    assert len(await fetched(member, locator, content)) == 4
    assert hidden == 0
    hidden = 1_000_000
    with pytest.raises(CarrierError, match="does not show"):
        await fetched(member, locator, content_in(world.folder / "other"))


async def test_files_are_their_owners_alone_and_nothing_else_is_left(world: World) -> None:
    _, _, locator = await world.seeder()
    member = await world.node()
    content = content_in(world.folder / "member")
    await member.fetch_index(locator)
    await fetched(member, locator, content)
    assert os.listdir(content.data.parent) == ["data"]  # noqa: PTH208 - names are compared.
    assert content.data.stat().st_mode & 0o777 == 0o600
    assert list((world.folder / "scratch1").iterdir()) == []
    assert (world.folder / "scratch1").stat().st_mode & 0o777 == 0o700


async def test_a_link_in_the_place_of_data_is_not_followed(world: World) -> None:
    _, _, locator = await world.seeder()
    member = await world.node()
    content = content_in(world.folder / "member")
    victim = world.folder / "victim"
    victim.write_bytes(b"mine")
    content.data.symlink_to(victim)
    with pytest.raises(ContentDamagedError, match="no file is there"):
        await fetched(member, locator, content)
    assert victim.read_bytes() == b"mine"


async def test_ranges_of_any_kind(world: World) -> None:
    """Not on pieces, sharing a piece, empty, twice, outside."""
    _, _, locator = await world.seeder()
    member = await world.node()
    content = content_in(world.folder / "member")
    ranges = [Range("x", 10, PIECE), Range("y", PIECE - 1, 2), Range("z", 5, 0)]
    assert sorted(await fetched(member, locator, content, ranges * 2)) == ["x", "y", "z"]
    assert content.data.read_bytes()[: 2 * PIECE] == bytes_of(2)
    for offset, size in ((-1, 5), (0, 4 * PIECE + 1), (4 * PIECE, 1), (5, -1)):
        with pytest.raises(CarrierError, match="are not within"):
            await fetched(member, locator, content, [Range("a", offset, size)])


async def test_what_is_here_comes_first_and_needs_nobody(world: World) -> None:
    seeder, _, locator = await world.seeder()
    member = await world.node(patience=0.3, metadata_patience=0.3)
    content = content_in(world.folder / "member")
    await fetched(member, locator, content)
    damage(content.data, PIECE)
    await seeder.close()
    got: list[str] = []
    with pytest.raises(NoPeersError):
        await collect(got, member.fetch(locator, content, ranges_of(content)))
    assert got == ["archive 0", "archive 2", "archive 3"]


async def test_what_lies_behind_a_generation_is_not_cut_off(world: World) -> None:
    """libtorrent cuts a file to the length of the torrent that it fetches into it."""
    _, _, one = await world.seeder()
    node, second, two = await world.seeder("newer", 6)
    member = await world.node()
    content = sealed(world.folder / "member", 6)
    assert await member.publish(content, two) == two
    damage(content.data, 0)
    older = content_in(world.folder / "member", 4, 9)
    assert sorted(await fetched(member, one, older)) == [one.archive for one in ranges_of(older)]
    assert content.data.read_bytes() == bytes_of(6)
    assert member.is_live(two)
    assert node.is_live(two)
    assert second.data_length == 6 * PIECE


async def test_half_an_archive_before_newer_bytes_is_kept(world: World) -> None:
    """What has come of it is copied, too, when the fetch is broken off."""
    newer = sealed(world.folder / "newer", 6)
    older = sealed(world.folder / "older")
    short = stranger(older, behind=2)
    address = await short.open()
    member = await world.node(peers=(address,), patience=0.5)
    content = replace(older, data=newer.data, torrent=world.folder / "none")
    for number in range(4):
        damage(newer.data, number * PIECE)
    with pytest.raises(NoPeersError):
        await fetched(member, short.locator, content, ranges_of(content, 4))
    expected = bytearray(bytes_of(6))
    for number in (2, 3):
        expected[number * PIECE] ^= 0xFF
    assert newer.data.read_bytes() == expected
    await short.close()


async def test_damage_of_what_is_offered_is_repaired(world: World) -> None:
    """It is taken out of the offer first, and can be offered again."""
    _, _, locator = await world.seeder()
    member = await world.node()
    content = sealed(world.folder / "member")
    await member.publish(content, locator)
    damage(content.data, 2 * PIECE)
    damage(content.index, 0)
    assert await member.fetch_index(locator) != content.index.read_bytes()
    assert not member.is_live(locator)
    content.index.write_bytes(await member.fetch_index(locator))
    assert len(await fetched(member, locator, content)) == 4
    assert content.data.read_bytes() == bytes_of(4)
    assert await member.publish(content, locator) == locator
    assert await member.fetch_index(locator) == content.index.read_bytes()


async def test_a_repair_takes_out_what_was_offered(world: World) -> None:
    _, _, locator = await world.seeder()
    member = await world.node()
    content = sealed(world.folder / "member")
    await member.publish(content, locator)
    heard = len(world.heard)
    assert len(await fetched(member, locator, content)) == 4
    assert member.is_live(locator)
    damage(content.data, 0)
    assert len(await fetched(member, locator, content)) == 4
    assert not member.is_live(locator)
    assert world.heard[heard:] == [locator]


# ----------------------------------------------------------------------------------- interruptions


async def test_a_seeder_that_dies_at_any_piece_is_replaced(world: World) -> None:
    """The one who has the first k pieces goes; another comes, and the same fetch goes on."""
    content = sealed(world.folder / "origin")
    end = info_of(content).index_pieces.stop

    async def one(k: int) -> None:
        apart = World(world.folder / str(k))  # Or they would help each other out.
        apart.folder.mkdir()
        first = stranger(content, behind=k)
        member = await apart.node(peers=(await first.open(),))
        own = content_in(apart.folder / "member")
        got: list[str] = []
        archives = member.fetch(first.locator, own, ranges_of(own))
        fetching = asyncio.create_task(collect(got, archives))
        await eventually(lambda: first.asked > 0 and len(got) == min(k, 4))
        await first.close()
        node = await apart.node()
        await node.publish(content)
        await fetching
        assert sorted(got) == [one.archive for one in ranges_of(own)]
        assert own.data.read_bytes() == bytes_of(4)
        await apart.close()

    await asyncio.gather(*(one(k) for k in range(end)))


async def test_a_member_that_is_broken_off_at_any_piece_goes_on(world: World) -> None:
    """What is finished stays, the carrier is free at once, and no file is open in between."""
    _, _, locator = await world.seeder()
    member = await world.node()
    for k in range(1, 5):
        content = content_in(world.folder / f"m{k}")
        async with aclosing(member.fetch(locator, content, ranges_of(content))) as archives:
            got = [await anext(archives) for _ in range(k)]
        assert open_below(world.folder / f"m{k}") == []
        for archive in got:
            one = next(one for one in ranges_of(content) if one.archive == archive)
            with content.data.open("rb") as file:
                there = os.pread(file.fileno(), one.size, one.offset)
            assert there == bytes_of(4)[one.offset :][: one.size]
        assert sorted(await fetched(member, locator, content)) == [
            one.archive for one in ranges_of(content)
        ]


async def test_a_member_that_is_cancelled_at_any_moment_goes_on(world: World) -> None:
    _, _, locator = await world.seeder("seeder", 8)
    member = await world.node()
    content = content_in(world.folder / "member", 8)
    for number in range(12):
        fetching = asyncio.create_task(fetched(member, locator, content))
        await asyncio.sleep(number * 0.002)
        fetching.cancel()
        await asyncio.wait([fetching])
        assert open_below(world.folder / "member") == []
        content.data.unlink(missing_ok=True)
    assert len(await fetched(member, locator, content)) == 8


async def test_a_newer_link_takes_over_what_is_finished(world: World) -> None:
    """Nothing that came for the old one is asked for again."""
    first = sealed(world.folder / "one")
    second = sealed(world.folder / "one", 6, generation=2)
    old, new = stranger(first, behind=3), stranger(second)
    member = await world.node(peers=(await old.open(), await new.open()))
    own = content_in(world.folder / "member")
    async with aclosing(member.fetch(old.locator, own, ranges_of(own))) as archives:
        assert {await anext(archives) for _ in range(3)} == {"archive 0", "archive 1", "archive 2"}
    later = content_in(world.folder / "member", 6, 2)
    assert len(await fetched(member, new.locator, later)) == 6
    assert later.data.read_bytes() == bytes_of(6)
    assert new.sent == 3 * PIECE
    await old.close()
    await new.close()


async def test_a_fetch_ends_when_its_carrier_is_closed(world: World) -> None:
    node = await world.node()
    locator = "magnet:?xt=urn:btih:" + "a" * 40
    waiting = [
        asyncio.create_task(node.fetch_index(locator)),
        asyncio.create_task(fetched(node, locator, content_in(world.folder / "m"))),
    ]
    await asyncio.sleep(0.1)
    await node.close()
    for one in waiting:
        with pytest.raises(CarrierError, match="not open"):
            await one


async def test_nothing_rests_on_an_alert_that_may_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a single alert most are lost, and everything is found out by asking."""
    monkeypatch.setattr(session, "QUEUED_PER_TORRENT", 0)
    lost: list[str] = []
    sink = logger.add(
        lambda line: lost.append(str(line)), filter=lambda one: "more" in one["message"]
    )
    settings = Settings(meeting=tmp_path / "meeting")
    nodes = [BitTorrentCarrier(settings, tmp_path / name) for name in ("a", "b")]
    for node in nodes:
        node._session._chosen["alert_queue_size"] = 1
        await node.open(lambda _: None)
    one, two = nodes
    content = sealed(tmp_path / "one", 8)
    locator = await one.publish(content)
    assert one.is_live(locator)
    assert await two.fetch_index(locator) == content.index.read_bytes()
    own = content_in(tmp_path / "two", 8)
    for _ in range(2):
        assert len(await fetched(two, locator, own)) == 8
        assert own.data.read_bytes() == bytes_of(8)
        own.data.unlink()
    for node in nodes:
        await node.close()
    logger.remove(sink)
    assert lost


async def test_two_who_want_the_same_take_turns(world: World) -> None:
    _, seeded, locator = await world.seeder()
    member = await world.node()
    content = content_in(world.folder / "member")
    index, one, two = await asyncio.gather(
        member.fetch_index(locator),
        fetched(member, locator, content),
        fetched(member, locator, content),
    )
    assert index == seeded.index.read_bytes()
    assert sorted(one) == sorted(two) == [one.archive for one in ranges_of(content)]


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
    assert await two.fetch_index(locator) == content.index.read_bytes()
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
        assert await two.fetch_index(locator) == content.index.read_bytes()
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
    assert await member.fetch_index(locator)
