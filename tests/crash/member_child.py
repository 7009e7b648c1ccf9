"""A member that follows a link over BitTorrent, and is killed (SIGKILL) at a chosen moment.

Started by ``test_member_killed.py``. Moments are those around each commit of its journal, and each
alert of libtorrent about a torrent that it fetches. It ends when it has everything and offers it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Final

import libtorrent as lt
from loguru import logger

from tests.crash.forked import serve
from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.adapters.carrier.bittorrent.transfer import Transfer
from workflow.adapters.clock.system import SystemClock
from workflow.adapters.keys.memory import MemoryKeys
from workflow.adapters.messaging.in_process import InProcessMessaging, MessageNetwork
from workflow.adapters.store.facts import Timing
from workflow.assembly import open_node
from workflow.engine.journal import Probe, no_probe
from workflow.node import Node

WITHIN: Final = 60.0
"""Seconds after which something is wrong."""


def node_in(place: Path, meeting: Path, probe: Probe = no_probe) -> Node:
    """A node on BitTorrent that hears of nothing but what it is given by hand."""
    clock = SystemClock()
    return open_node(
        place / "node",
        clock=clock,
        carrier=BitTorrentCarrier(Settings(meeting=meeting), place / "carrier"),
        messaging=InProcessMessaging(MessageNetwork(clock)),
        keys=MemoryKeys(),
        timing=Timing(settle_quiet=0.0, settle_limit=0.0),
        probe=probe,
    )


async def live(directory: Path, kill_at: int, meeting: str, id: str, line: str) -> None:
    """Every verb is safe to repeat, so that a member that was killed says all of it again."""
    moments: list[str] = []

    def pass_by(moment: str) -> None:
        moments.append(moment)
        if len(moments) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    hear = Transfer.hear

    def heard(self: Transfer, alert: lt.torrent_alert) -> None:
        pass_by(type(alert).__name__)
        hear(self, alert)

    Transfer.hear = heard  # type: ignore[method-assign] # this process is the test's own
    node = node_in(directory, Path(meeting), pass_by)
    stepped = asyncio.Event()
    node.engine.on_step(lambda _: stepped.set())
    async with node, asyncio.timeout(WITHIN):
        await node.enable()
        await node.join(id)
        await node.receive_announcement(line)
        while True:
            stepped.clear()
            seen = await node.snapshot(id)
            if seen.is_at_rest and seen.is_live and not seen.is_wanting:
                break
            await stepped.wait()
        messages = await node.messages(id)
        folder = directory / "node" / "archives" / id / "1"
        end = {
            "state": seen.state,
            "generation": seen.generation,
            "locator": seen.locator,
            "digests": sorted(one.digest.hex() for one in messages),
            "data": (folder / "data").read_bytes().hex(),
            "index": (folder / f"index.{seen.generation}").read_bytes().hex(),
        }
    (directory / "end.json").write_text(json.dumps({"moments": moments, "end": end}))


if __name__ == "__main__":
    logger.remove()
    serve(live)
