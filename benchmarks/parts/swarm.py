"""Generations to carry, nodes of ours, and libtorrent alone with the same settings."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final, cast

import libtorrent as lt

from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.params import metadata_params, seeding_params
from workflow.adapters.carrier.bittorrent.session import session_settings
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.archive.torrent import Info, decode_torrent
from workflow.files.torrents import seal_generation
from workflow.ports.carrier import Content, Range

PIECE: Final = 100 * 1024


def generation(folder: Path, pieces: int, name: str = "0x02community") -> tuple[Content, Info]:
    """``pieces`` pieces of noise and an index of 8 KB, sealed."""
    folder.mkdir(parents=True, exist_ok=True)
    content = content_in(folder, pieces, name)
    with content.data.open("wb") as file:
        for _ in range(pieces):
            file.write(os.urandom(PIECE))
    content.index.write_bytes(os.urandom(8_000))
    seal_generation(content)
    return content, decode_torrent(content.torrent.read_bytes()).info


def content_in(folder: Path, pieces: int, name: str = "0x02community") -> Content:
    folder.mkdir(parents=True, exist_ok=True)
    length = pieces * PIECE
    return Content(name, folder / "data", length, folder / "index.1", folder / "1.torrent")


def archives(first: int, behind: int, pieces_each: int) -> list[Range]:
    """Archives of so many pieces each, from one piece to before another."""
    size = pieces_each * PIECE
    return [
        Range(str(number), number * PIECE, min(size, (behind - number) * PIECE))
        for number in range(first, behind, pieces_each)
    ]


async def node(directory: Path, name: str) -> BitTorrentCarrier:
    carrier = BitTorrentCarrier(
        Settings(meeting=directory / "meeting"), directory / f"scratch-{name}"
    )
    await carrier.open(lambda _: None)
    return carrier


async def carry(
    carrier: BitTorrentCarrier, locator: str, content: Content, wanted: list[Range]
) -> float:
    """Seconds until the last archive is on the disk, checked and synced."""
    began = time.perf_counter()
    async for _ in carrier.fetch(locator, content, wanted):
        pass
    return time.perf_counter() - began


class Plain:
    """A libtorrent session with our settings and nothing else around it."""

    def __init__(self) -> None:
        told = session_settings(Settings()) | {"alert_mask": lt.alert_category.status}
        self.session = lt.session(cast("lt.settings_pack", told))
        self._wait_for(lt.listen_succeeded_alert)

    def seed(self, content: Content, info: Info) -> None:
        self.session.add_torrent(self._ready(seeding_params(content, info, info.data_pieces)))
        self._wait_for(lt.torrent_checked_alert)

    def fetch(self, info: Info, folder: Path, peer: Plain) -> float:
        """Seconds from the info-hash to libtorrent's word that all of it is here."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        params = self._ready(metadata_params(info.info_hash, folder))
        params.flags &= ~lt.torrent_flags.default_dont_download
        params.peers = [("127.0.0.1", peer.session.listen_port())]
        began = time.perf_counter()
        handle = self.session.add_torrent(params)
        self._wait_for(lt.torrent_finished_alert)
        took = time.perf_counter() - began
        self.session.remove_torrent(handle)
        self._wait_for(lt.torrent_removed_alert)
        return took

    def _ready(self, params: lt.add_torrent_params) -> lt.add_torrent_params:
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        return params

    def _wait_for(self, kind: type[lt.alert]) -> None:
        while True:
            self.session.wait_for_alert(1000)
            if any(isinstance(alert, kind) for alert in self.session.pop_alerts()):
                return


def sync(folder: Path) -> float:
    """Seconds that it takes until what libtorrent has written is on the disk."""
    began = time.perf_counter()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    return time.perf_counter() - began
