from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.adapters.swarms import ranges_of, sealed
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.ports.carrier import Content

WITH_UTP: Final = {
    "enable_outgoing_utp": True,
    "utp_connect_timeout": 500,
    "min_reconnect_time": 2,
}
"""As on a real network, others are called by uTP first. Milliseconds until that has failed, seconds
until the next call: in between the peer is named again at least once."""


async def test_a_peer_that_knows_only_tcp_is_called_by_tcp(tmp_path: Path) -> None:
    """Though it is named again every second while it does not answer by uTP."""
    content = sealed(tmp_path / "one")
    one = BitTorrentCarrier(
        Settings(libtorrent={"enable_incoming_utp": False}), tmp_path / "scratch1"
    )
    await one.open(lambda _: None)
    try:
        locator = await one.publish(content)
        peers = (f"127.0.0.1:{one.port}",)
        two = BitTorrentCarrier(
            Settings(peers=peers, libtorrent=WITH_UTP, metadata_patience=8.0, patience=8.0),
            tmp_path / "scratch2",
        )
        await two.open(lambda _: None)
        try:
            (tmp_path / "two").mkdir()
            fetched = Content(
                content.community,
                tmp_path / "two" / "data",
                content.data_length,
                tmp_path / "two" / "index.1",
                tmp_path / "two" / "1.torrent",
            )
            ranges = ranges_of(content)
            assert (await two.fetch_index(locator)).index == content.index.read_bytes()
            archives = [one async for one in two.fetch(locator, fetched, ranges)]
        finally:
            await two.close()
    finally:
        await one.close()
    assert sorted(archives) == sorted(one.archive for one in ranges)
    assert fetched.data.read_bytes() == content.data.read_bytes()
