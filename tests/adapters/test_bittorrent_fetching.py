"""What a BitTorrent node fetches: in any order of accidents, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from tests.adapters.swarms import (
    PIECE,
    World,
    bytes_of,
    collect,
    content_in,
    damage,
    eventually,
    fetched,
    info_of,
    open_below,
    ranges_of,
    sealed,
    stranger,
)
from workflow.adapters.carrier import pieces
from workflow.adapters.carrier.bittorrent import carrier, session
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.archive.torrent import Info
from workflow.errors import CarrierError, ContentDamagedError, NoPeersError
from workflow.ports.carrier import Range

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
    assert (await member.fetch_index(locator)).index != content.index.read_bytes()
    assert not member.is_live(locator)
    content.index.write_bytes((await member.fetch_index(locator)).index)
    assert len(await fetched(member, locator, content)) == 4
    assert content.data.read_bytes() == bytes_of(4)
    assert await member.publish(content, locator) == locator
    assert (await member.fetch_index(locator)).index == content.index.read_bytes()


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
    assert (await two.fetch_index(locator)).index == content.index.read_bytes()
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
    assert index.index == seeded.index.read_bytes()
    assert sorted(one) == sorted(two) == [one.archive for one in ranges_of(content)]
