"""What a BitTorrent node offers: only what it has read, and only as long as nothing is wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import libtorrent as lt
import pytest

from tests.adapters.swarms import (
    COMMUNITY,
    PIECE,
    World,
    bytes_of,
    content_in,
    damage,
    eventually,
    fetched,
    sealed,
)
from workflow.adapters.carrier import pieces
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import TRACKERS, Network, Settings
from workflow.archive.magnet import magnet_uri
from workflow.archive.torrent import decode_torrent
from workflow.errors import CarrierError, ContentDamagedError, LocatorInvalidError
from workflow.ports.carrier import Content


def info_hash_of(content: Content) -> str:
    return decode_torrent(content.torrent.read_bytes()).info.info_hash


# ------------------------------------------------------------------------------------------ links


async def test_the_locator_is_the_references_link(world: World) -> None:
    _, content, locator = await world.seeder()
    assert locator == magnet_uri(info_hash_of(content), COMMUNITY, ())


async def test_a_public_link_names_the_references_trackers(tmp_path: Path) -> None:
    """The link only: this session is bound to loopback, and closed before it asks anybody."""
    settings = Settings(network=Network.PRIVATE, interface="127.0.0.1")
    node = BitTorrentCarrier(settings, tmp_path / "scratch")
    await node.open(lambda _: None)
    content = sealed(tmp_path / "a")
    locator = await node.publish(content)
    assert locator == f"magnet:?xt=urn:btih:{info_hash_of(content)}&dn={COMMUNITY}"
    await node.close()
    public = Settings(network=Network.PUBLIC).announced_to
    assert magnet_uri("a" * 40, "c", public).endswith(
        "&dn=c&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce"
        "&tr=udp%3A%2F%2Ftracker.openbittorrent.com%3A6969%2Fannounce"
    )
    assert public == TRACKERS


@pytest.mark.parametrize("text", ["", "magnet:?", "memory:1", "magnet:?xt=urn:btih:" + "0" * 40])
async def test_text_that_names_nothing(world: World, text: str) -> None:
    node, content, _ = await world.seeder()
    with pytest.raises(LocatorInvalidError):
        node.check_locator(text)
    with pytest.raises(LocatorInvalidError):
        await node.fetch_index(text)
    with pytest.raises(LocatorInvalidError):
        await fetched(node, text, content)
    with pytest.raises(LocatorInvalidError):
        await node.publish(content, f"{text} ")
    assert not node.is_live(text)
    await node.withdraw(text)
    assert (node.traffic(text), node.peers(text)) == (None, ())


# ---------------------------------------------------------------------------------------- offering


async def test_a_lost_or_foreign_torrent_is_not_offered(world: World) -> None:
    node, content, locator = await world.seeder()
    await node.withdraw(locator)
    other = sealed(world.folder / "other", seed="other")
    whole = content.torrent.read_bytes()
    for found, words in (
        (other.torrent.read_bytes(), "not that of the locator"),
        (whole[:-1], "the .torrent is damaged"),
        (sealed(world.folder / "long", 5).torrent.read_bytes(), "is over 512000 bytes"),
    ):
        content.torrent.write_bytes(found)
        with pytest.raises(ContentDamagedError, match=words):
            await node.publish(content, locator)
    content.torrent.unlink()
    with pytest.raises(ContentDamagedError, match="no file is there"):
        await node.publish(content, locator)
    content.torrent.mkdir()
    with pytest.raises(CarrierError):
        await node.publish(content, locator)


@pytest.mark.parametrize(("path", "offset", "piece"), [("data", 3 * PIECE, 3), ("index.1", 0, 0)])
async def test_damage_is_named_by_file_and_piece(
    world: World, path: str, offset: int, piece: int
) -> None:
    node, content, locator = await world.seeder()
    damage(content.data.with_name(path), offset)
    with pytest.raises(ContentDamagedError, match=f"piece {piece} is not") as caught:
        await node.publish(content, locator)
    assert caught.value.place == str(content.data.with_name(path))
    assert not node.is_live(locator)
    assert world.heard == [locator, locator]


async def test_a_week_that_is_appended_is_all_that_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the pieces that a live generation proves; without one, everything is read."""
    read: list[int] = []
    real = pieces._read

    def counted(file: int, info: object, numbers: range, first: int) -> object:
        read.extend(numbers)
        return real(file, info, numbers, first)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(pieces, "_read", counted)
    node, _, one = await world.seeder()
    assert read == [0, 1, 2, 3, 4]
    read.clear()
    second = sealed(world.folder / "seeder", 6, generation=2)
    two = await node.publish(second)
    assert read == [4, 5, 6]
    read.clear()
    await node.publish(second, two)
    assert read == [4, 5, 6]  # The first proves them still.
    read.clear()
    await node.withdraw(one)
    await node.publish(second, two)
    assert read == [0, 1, 2, 3, 4, 5, 6]


async def test_what_another_file_or_history_proves_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rewritten beginning, a file that was replaced: nothing is taken for granted."""
    node, content, _ = await world.seeder()
    rewritten = content_in(world.folder / "seeder", 5, generation=2)
    other = sealed(world.folder / "other", 5, seed="other")
    rewritten.index.write_bytes(other.index.read_bytes())
    rewritten.torrent.write_bytes(other.torrent.read_bytes())
    with content.data.open("ab") as file:
        file.write(bytes_of(5, "other")[4 * PIECE :])
    with pytest.raises(ContentDamagedError, match="piece 0 is not"):
        await node.publish(rewritten)
    second = sealed(world.folder / "seeder", 6, generation=3)
    copy = bytearray(content.data.read_bytes())
    copy[0] ^= 1
    replaced = content.data.with_name("copy")
    replaced.write_bytes(copy)
    replaced.replace(content.data)
    with pytest.raises(ContentDamagedError, match="piece 0 is not"):
        await node.publish(second)


async def test_two_generations_are_offered_from_one_file(world: World) -> None:
    node, first, one = await world.seeder()
    second = sealed(world.folder / "seeder", 6, generation=2)
    two = await node.publish(second)
    assert node.is_live(one)
    assert node.is_live(two)
    members = [await world.node(), await world.node()]
    old, new = content_in(world.folder / "m1"), content_in(world.folder / "m2", 6, 2)
    indexes = await asyncio.gather(members[0].fetch_index(one), members[1].fetch_index(two))
    assert [one.index for one in indexes] == [first.index.read_bytes(), second.index.read_bytes()]
    await asyncio.gather(fetched(members[0], one, old), fetched(members[1], two, new))
    assert old.data.read_bytes() == bytes_of(4)
    assert new.data.read_bytes() == bytes_of(6)
    await node.withdraw(one)
    assert not node.is_live(one)
    assert node.is_live(two)


async def test_publishing_again_does_not_send_members_away(world: World) -> None:
    node, content, locator = await world.seeder()
    handle = node._offers.handle_of(node._offers.live(info_hash_of(content)).name)  # type: ignore[union-attr]
    assert await node.publish(content, locator) == locator
    assert node._offers.handle_of(info_hash_of(content)) == handle
    assert handle is not None
    assert handle.is_valid()


# ------------------------------------------------------------------------------------------ health


def happen(change: str, content: Content) -> None:
    match change:
        case "data truncated":
            os.truncate(content.data, PIECE)
        case "data renamed":
            content.data.rename(content.data.with_name("elsewhere"))
        case "data deleted":
            content.data.unlink()
        case "data replaced":
            copy = content.data.with_name("copy")
            copy.write_bytes(content.data.read_bytes())
            copy.replace(content.data)
        case "index deleted":
            content.index.unlink()
        case "index longer":
            with content.index.open("ab") as file:
                file.write(b".")
        case _:
            raise AssertionError(change)


@pytest.mark.parametrize(
    "change",
    [
        "data truncated",
        "data renamed",
        "data deleted",
        "data replaced",
        "index deleted",
        "index longer",
    ],
)
async def test_files_that_change_are_offered_no_longer(world: World, change: str) -> None:
    """The next question finds it, the listener hears of it once, and publishing heals it."""
    node, content, locator = await world.seeder()
    happen(change, content)
    assert [node.is_live(locator), node.is_live(locator)] == [False, False]
    assert world.heard == [locator, locator]
    assert (node.traffic(locator), node.peers(locator)) == (None, ())
    for path in (content.data, content.index):
        path.unlink(missing_ok=True)
    sealed(world.folder / "seeder")
    assert not node.is_live(locator)
    assert await node.publish(content, locator) == locator
    assert node.is_live(locator)


@pytest.mark.parametrize("change", ["truncated", "damaged"])
async def test_a_member_that_is_sent_away_is_noticed(world: World, change: str) -> None:
    """Nobody asks whether it is live: an alert says so, while libtorrent's state says 'seeding'."""
    node, content, locator = await world.seeder()
    match change:
        case "truncated":
            os.truncate(content.data, PIECE)
        case _:
            damage(content.data, 3 * PIECE)
    member = await world.node()
    fetching = asyncio.create_task(fetched(member, locator, content_in(world.folder / "member")))
    await eventually(lambda: world.heard == [locator, locator])
    assert not node.is_live(locator)
    fetching.cancel()
    await asyncio.wait([fetching])


async def test_lost_alerts_are_made_up_for(world: World) -> None:
    """Every torrent is asked anew when libtorrent had more to tell than its queue holds."""
    node, content, locator = await world.seeder()
    offer = node._offers.live(info_hash_of(content))
    assert offer is not None
    offer.look()
    assert node.is_live(locator)
    assert offer.handle is not None
    offer.handle.set_flags(lt.torrent_flags.upload_mode)
    offer.look()
    assert not node.is_live(locator)
    offer.look()
    assert world.heard == [locator, locator]


async def test_a_torrent_that_is_no_seed_any_more_is_found_when_asked(world: World) -> None:
    """libtorrent is told to look at the file again, and what it says of that is lost."""
    node, content, locator = await world.seeder()
    offer = node._offers.live(info_hash_of(content))
    assert offer is not None
    handle = offer.handle
    assert handle is not None
    node._session._listeners.clear()
    damage(content.data, 0)
    handle.force_recheck()
    await eventually(lambda: not handle.status(0).is_seeding)
    assert node.is_live(locator)
    offer.look()
    assert not node.is_live(locator)
