"""What strangers send and links say: refused by name, nothing written, nobody called."""

from __future__ import annotations

import asyncio
import csv
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.adapters.swarms import (
    CAPS,
    PIECE,
    Stranger,
    World,
    content_in,
    fetched,
    recorder,
    sealed,
)
from workflow.archive.bencode import Value, decode, encode
from workflow.archive.torrent import MAX_TORRENT_SIZE, decode_torrent
from workflow.errors import (
    CarrierError,
    LocatorInvalidError,
    NoPeersError,
    TorrentInvalidError,
)

CORPUS: Final = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "torrents"
HASHES: Final = bytes(range(20)) * 5


def info(**changes: Any) -> dict[bytes, Any]:
    """The info of four pieces of data and one of index, with something wrong in it."""
    ours: dict[bytes, Any] = {
        b"files": [{b"length": 4 * PIECE, b"path": [b"data"]}, {b"length": 9, b"path": [b"index"]}],
        b"name": b"0x02c0ffee",
        b"piece length": PIECE,
        b"pieces": HASHES,
    }
    for name, value in changes.items():
        ours[name.replace("_", " ").encode()] = value
    return ours


def files(*paths: list[bytes], **more: Any) -> list[dict[bytes, Any]]:
    extra = {key.encode(): value for key, value in more.items()}
    return [{b"length": 2 * PIECE, b"path": path, **extra} for path in paths]


def link(target: list[bytes]) -> list[dict[bytes, Any]]:
    return [
        {b"length": 5 * PIECE, b"path": [b"data"]},
        {b"length": 0, b"path": [b"index"], b"attr": b"l", b"symlink path": target},
    ]


HOSTILE: Final[dict[str, dict[bytes, Any]]] = {
    "other names": info(files=files([b"data"], [b"readme"])),
    "the other order": info(files=files([b"index"], [b"data"])),
    "one file more": info(files=files([b"data"], [b"index"], [b"more"])),
    "a single file": {b"length": 5, b"name": b"data", b"piece length": PIECE, b"pieces": HASHES},
    "up and out": info(files=files([b"..", b"..", b"data"], [b"index"])),
    "an absolute path": info(files=files([b"/tmp/data"], [b"index"])),
    "nested folders": info(files=files([b"a"] * 50 + [b"data"], [b"index"])),
    "the name is a path": info(name=b"/etc/cron.d/x", files=files([b"data"], [b"passwd"])),
    "the name has no end": info(name=b"x" * 5000),
    "the name is not text": info(name=b"\xff\xfe"),
    "the name moves the cursor": info(name=b"\x1b[2J"),
    "a link": info(files=link([b"..", b"..", b"etc", b"passwd"])),
    "a link within": info(files=link([b"data"])),
    "padding": info(files=files([b"data"], [b"index"], attr=b"p")),
    "a program": info(files=files([b"data"], [b"index"], attr=b"x")),
    "hidden": info(files=files([b"data"], [b"index"], attr=b"h")),
    "a key more": info(private=1),
    "version 2": info(meta_version=2, file_tree={b"data": {b"": {b"length": 5}}}),
    "pieces of 256 KiB": info(piece_length=256 * 1024),
    "pieces of one byte": info(piece_length=1),
    "pieces of nothing": info(piece_length=0),
    "pieces of 1 GiB": info(piece_length=1 << 30),
    "half a piece of data": info(
        files=[{b"length": 99, b"path": [b"data"]}, {b"length": 9, b"path": [b"index"]}],
        pieces=HASHES[:20],
    ),
    "no data": info(
        files=[{b"length": 0, b"path": [b"data"]}, {b"length": 9, b"path": [b"index"]}],
        pieces=HASHES[:20],
    ),
    "no index": info(
        files=[{b"length": 5 * PIECE, b"path": [b"data"]}, {b"length": 0, b"path": [b"index"]}]
    ),
    "an index of 100 MB": info(
        files=[
            {b"length": PIECE, b"path": [b"data"]},
            {b"length": PIECE << 10, b"path": [b"index"]},
        ],
        pieces=HASHES[:20] * 1025,
    ),
    "sizes without end": info(
        files=[{b"length": 1 << 62, b"path": [b"data"]}, {b"length": 9, b"path": [b"index"]}]
    ),
    "less than nothing": info(
        files=[{b"length": -PIECE, b"path": [b"data"]}, {b"length": 9, b"path": [b"index"]}]
    ),
    "too few hashes": info(pieces=HASHES[:-20]),
    "too many hashes": info(pieces=HASHES * 2),
    "a torn hash": info(pieces=HASHES[:-1]),
    "ten thousand files": info(files=files(*([b"f%d" % n] for n in range(10_000)))),
    "nothing at all": {},
}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_hostile_metadata_is_refused_before_any_file_exists(world: World) -> None:
    """Every case by its error's name, at once, and the disk is as it was."""
    stranger = Stranger(b"")
    hashes = {name: stranger.add(encode(value)) for name, value in HOSTILE.items()}
    member = await world.node(peers=(await stranger.open(),), meeting=None)
    before = tree(world.folder)
    content = content_in(world.folder / "own")

    async def meet(name: str) -> tuple[str, str]:
        locator = f"magnet:?xt=urn:btih:{hashes[name]}"
        reasons = []
        for attempt in (member.fetch_index, lambda at: fetched(member, at, content)):
            try:
                await attempt(locator)
            except TorrentInvalidError as error:
                reasons.append(error.code if error.place == hashes[name] else str(error))
        return name, " ".join(reasons)

    met = await asyncio.gather(*map(meet, hashes))
    assert dict(met) == dict.fromkeys(HOSTILE, "torrent-invalid torrent-invalid")
    assert stranger.asked >= 2 * len(HOSTILE)
    assert tree(world.folder) - before == {"own"}
    await stranger.close()


@pytest.mark.parametrize("name", ["..", "/etc/cron.d/x", "a\\\\b", "con", " ", "data"])
async def test_a_torrents_name_is_shown_and_never_used(world: World, name: str) -> None:
    """Whatever it is, the bytes come to our own files, and to no other place."""
    ours = sealed(world.folder / "origin")
    right = decode_torrent(ours.torrent.read_bytes()).info
    whole = ours.data.read_bytes() + ours.index.read_bytes()
    named = replace(right, name=name)
    stranger = Stranger(named.encode(), lambda n: whole[n * PIECE :][:PIECE], len(HASHES) // 20)
    member = await world.node(peers=(await stranger.open(),), meeting=None)
    before = tree(world.folder)
    assert (await member.fetch_index(stranger.locator)).index == ours.index.read_bytes()
    own = content_in(world.folder / "own")
    assert len(await fetched(member, stranger.locator, own)) == 4
    assert tree(world.folder) - before == {"own", "own/data"}
    await stranger.close()


@pytest.mark.parametrize("size", [MAX_TORRENT_SIZE + 1, 64 << 20])
async def test_metadata_without_end_is_not_taken(world: World, size: int) -> None:
    """Nobody's memory is filled: whoever claims so much is nobody."""
    stranger = Stranger(b"d" + b"0" * (size - 2) + b"e")
    member = await world.node(peers=(await stranger.open(),), metadata_patience=0.5)
    with pytest.raises((NoPeersError, TorrentInvalidError)):
        await member.fetch_index(stranger.locator)
    await stranger.close()


async def test_metadata_of_another_torrent_is_a_peers_fault(world: World) -> None:
    """It has another hash than was asked for: nobody is believed, and nothing is remembered."""
    content = sealed(world.folder / "origin")
    right = decode_torrent(content.torrent.read_bytes()).info
    liar = Stranger(encode(info()))
    liar.name = right.info_hash
    liar.infos = {liar.name: encode(info())}
    member = await world.node(peers=(await liar.open(),), metadata_patience=1.0)
    with pytest.raises(NoPeersError):
        await member.fetch_index(liar.locator)
    await liar.close()
    node = await world.node()
    locator = await node.publish(content)
    assert (await member.fetch_index(locator)).index == content.index.read_bytes()


# ------------------------------------------------------------------------------------------- calls


async def test_nobody_is_called_whom_a_link_or_torrent_names(world: World) -> None:
    """Trackers, web seeds, peers, nodes, by TCP and UDP, while it is fetched and while offered."""
    node, content, locator = await world.seeder()
    async with recorder() as trap:
        at = trap.host()
        url = f"http%3A%2F%2F{at}%2Fannounce"
        bait = (
            f"{locator}&tr={url}&tr=udp%3A%2F%2F{at}%2Fannounce&ws={url}&as={url}&xs={url}"
            f"&x.pe={at}&dht={at}&mt={url}"
        )
        member = await world.node()
        assert (await member.fetch_index(bait)).index == content.index.read_bytes()
        own = content_in(world.folder / "member")
        assert len(await fetched(member, bait, own)) == 4
        own.index.write_bytes(content.index.read_bytes())
        torrent = decode(content.torrent.read_bytes(), CAPS)
        assert isinstance(torrent, dict)
        port = trap.port
        baited: dict[bytes, Value] = {
            **torrent,
            b"announce": f"http://{at}/announce".encode(),
            b"announce-list": [[f"http://{at}/announce".encode()], [f"udp://{at}".encode()]],
            b"url-list": [f"http://{at}/".encode()],
            b"httpseeds": [f"http://{at}/".encode()],
            b"nodes": [[b"127.0.0.1", port]],
        }
        own.torrent.write_bytes(encode(baited))
        assert await member.publish(own, bait) == bait
        assert member.is_live(bait)
        assert member.is_live(locator)
        await node.close()
        last = await world.node()
        assert len(await fetched(last, bait, content_in(world.folder / "last"))) == 4
        await asyncio.sleep(0.3)
        assert trap.visits == []


async def test_the_trap_works(world: World) -> None:
    """A tracker and a peer that are configured are called: the recorder would have seen them."""
    async with recorder() as web, recorder() as datagrams, recorder() as other:
        trackers = (f"http://{web.host()}/announce",), (f"udp://{datagrams.host()}/announce",)
        for one in trackers:
            node = await world.node(trackers=one, peers=(other.host(),), metadata_patience=0.5)
            with pytest.raises(NoPeersError):
                await node.fetch_index("magnet:?xt=urn:btih:" + "a" * 40)
            await node.close()
        assert set(web.visits) == {"tcp"}
        assert set(datagrams.visits) == {"udp"}
        assert set(other.visits) == {"tcp"}


async def test_a_peer_that_names_others_is_not_followed(world: World) -> None:
    """Peer exchange is off, and a request to meet somebody half-way is not granted."""
    content = sealed(world.folder / "origin")
    right = decode_torrent(content.torrent.read_bytes()).info
    async with recorder() as trap:
        gossip = Stranger(right.encode())
        gossip.gossip = trap.port
        member = await world.node(peers=(await gossip.open(),), patience=0.7, metadata_patience=2.0)
        with pytest.raises(NoPeersError):
            await member.fetch_index(gossip.locator)
        assert "ut_metadata" in gossip.speaks
        assert "ut_pex" not in gossip.speaks
        assert trap.visits == []
        await gossip.close()


# ------------------------------------------------------------------------------------------ corpus


def rows(name: str) -> list[dict[str, str]]:
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"there are no collected torrents in {CORPUS}")
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


async def test_collected_torrents_are_all_refused(world: World) -> None:
    """None of them is one of archives, however valid."""
    stranger = Stranger(b"")
    hashes = []
    for row in rows("violations.tsv"):
        with suppress(TorrentInvalidError, OSError, KeyError, TypeError):
            torrent = decode((CORPUS / row["file"]).read_bytes(), CAPS._replace(length=4 << 20))
            hashes.append(stranger.add(encode(torrent[b"info"])))  # type: ignore[index, call-overload]
    assert len(hashes) > 10
    member = await world.node(peers=(await stranger.open(),), meeting=None, metadata_patience=2.0)
    before = tree(world.folder)

    async def meet(name: str) -> str:
        try:
            await member.fetch_index(f"magnet:?xt=urn:btih:{name}")
        except (TorrentInvalidError, NoPeersError) as error:
            return error.code
        return "taken"

    codes = await asyncio.gather(*map(meet, hashes))
    assert set(codes) <= {"torrent-invalid", "no-peers"}
    assert codes.count("no-peers") <= 1  # One is of version 2, which this info-hash cannot name.
    assert tree(world.folder) == before
    await stranger.close()


async def test_collected_links_are_refused_or_name_one_hash(world: World) -> None:
    """Whatever else they say, nobody is called, and nobody has it."""
    node = await world.node(metadata_patience=0.3)
    accepted, refused = set(), 0
    for row in rows("magnets.tsv"):
        try:
            node.check_locator(row["uri"])
        except LocatorInvalidError:
            refused += 1
        else:
            accepted.add(row["uri"])
    assert refused
    assert accepted

    async def ask(locator: str) -> str:
        try:
            await node.fetch_index(locator)
        except CarrierError as error:
            return error.code
        return "found"

    assert set(await asyncio.gather(*map(ask, accepted))) == {"no-peers"}
