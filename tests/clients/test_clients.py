"""Other people's programs complete from us, and we from them, every byte the same.

``.ci/install-clients`` installs them. A test whose program is not there, or that gets no network of
its own (that takes root), is skipped, or fails when CLIENTS=required. docs/clients.md tells what
was seen.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.clients.network import OUR_PORT, OURS, THEIR_PORT
from tests.clients.programs import (
    Aria2,
    Program,
    QBittorrent,
    RTorrent,
    Transmission,
    TransmissionByUtp,
    WebTorrent,
)
from tests.clients.skipping import skip
from tests.clients.tracker import Tracker
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Network, Settings
from workflow.archive.magnet import magnet_uri
from workflow.archive.pieces import PIECE_LENGTH
from workflow.files.torrents import seal_generation
from workflow.ports.carrier import Carrier, Content
from workflow.testing.contracts.carrying import LENGTH, RANGES, some_bytes

PROGRAMS: Final = (QBittorrent, Transmission, WebTorrent, Aria2, RTorrent)
COMMUNITY: Final = "0x" + "02" * 33
INDEX: Final = some_bytes(PIECE_LENGTH + 4_321, "index")
"""A piece and a part of one."""
PATIENCE: Final = 100.0
"""Seconds; within pytest's own limit, so that a failure shows what the program printed."""

every_program = pytest.mark.parametrize("kind", PROGRAMS, ids=lambda kind: kind.name)


@every_program
@pytest.mark.parametrize("named_by", ["torrent", "magnet"])
async def test_theirs_completes_from_ours(
    kind: type[Program], named_by: str, tracker: Tracker, tmp_path: Path
) -> None:
    await theirs_completes_from_ours(kind, named_by, tracker, tmp_path)


@every_program
async def test_ours_completes_from_theirs(
    kind: type[Program], tracker: Tracker, tmp_path: Path
) -> None:
    skip_without(kind)
    content = sealed(tmp_path / "sealed")
    locator = magnet_uri(seal_generation(content), COMMUNITY, [tracker.url])
    with kind(tmp_path, tracker.url) as program:
        files = program.downloads / COMMUNITY
        files.mkdir()
        shutil.copy(content.data, files / "data")
        shutil.copy(content.index, files / "index")
        await asyncio.to_thread(program.start, str(content.torrent))
        await until(lambda: (THEIR_PORT, "started") in tracker.heard, program)
        async with ours(tracker, tmp_path) as carrier:
            assert (await carrier.fetch_index(locator)).index == INDEX
            fetched = replace(content, data=tmp_path / "data", torrent=tmp_path / "torrent")
            archives = [one async for one in carrier.fetch(locator, fetched, RANGES)]
    assert sorted(archives) == [one.archive for one in RANGES]
    assert fetched.data.read_bytes() == content.data.read_bytes()


@pytest.mark.slow
async def test_transmission_completes_by_utp(tracker: Tracker, tmp_path: Path) -> None:
    """It reads our first words when our next come: after a minute, as a sign of life."""
    await theirs_completes_from_ours(TransmissionByUtp, "torrent", tracker, tmp_path)


async def theirs_completes_from_ours(
    kind: type[Program], named_by: str, tracker: Tracker, folder: Path
) -> None:
    skip_without(kind)
    content = sealed(folder / "sealed")
    async with ours(tracker, folder) as carrier:
        magnet = await carrier.publish(content)
        await until(lambda: (OUR_PORT, "started") in tracker.heard)
        with kind(folder, tracker.url) as program:
            source = magnet if named_by == "magnet" else str(content.torrent)
            await asyncio.to_thread(program.start, source)
            files = program.downloads / COMMUNITY
            await until(lambda: holds(files / "data", content.data), program)
            await until(lambda: holds(files / "index", content.index), program)


def sealed(folder: Path) -> Content:
    """A generation, as a node of ours has it on its disk."""
    folder.mkdir()
    content = Content(COMMUNITY, folder / "data", LENGTH, folder / "index.1", folder / "1.torrent")
    content.data.write_bytes(some_bytes(LENGTH))
    content.index.write_bytes(INDEX)
    seal_generation(content)
    return content


@asynccontextmanager
async def ours(tracker: Tracker, folder: Path) -> AsyncIterator[Carrier]:
    """Our own carrier, open, in this test's network."""
    settings = Settings(
        Network.PRIVATE,
        OURS,
        OUR_PORT,
        trackers=(tracker.url,),
        # Milliseconds. Most of them know TCP only, which we find out with every connection.
        libtorrent={"utp_connect_timeout": 500},
    )
    carrier = BitTorrentCarrier(settings, folder / "scratch")
    await carrier.open(lambda _: None)
    try:
        yield carrier
    finally:
        await carrier.close()


async def until(happens: Callable[[], bool], program: Program | None = None) -> None:
    """Return once it happens. Fails, with what the program printed, when it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not happens():
                if program is not None and program.has_ended:
                    break
                await asyncio.sleep(0.05)
            else:
                return
    pytest.fail(f"it did not happen; the program said: {program and program.said()}")


def holds(path: Path, original: Path) -> bool:
    return path.is_file() and path.read_bytes() == original.read_bytes()


def skip_without(kind: type[Program]) -> None:
    if lacking := kind.lacking():
        skip(f"{kind.name} is not here ({lacking}): bash .ci/install-clients")
