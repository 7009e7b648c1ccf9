from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from workflow.adapters.carrier.bittorrent.carrier import BitTorrentCarrier
from workflow.adapters.carrier.bittorrent.settings import Settings
from workflow.ports.carrier import Carrier
from workflow.testing import CarrierContract, ManualClock, MemoryCarrier, Swarm


class TestMemoryCarrierContract(CarrierContract):
    @pytest.fixture(autouse=True)
    def network(self) -> None:
        self.clock = ManualClock()
        self.swarm = Swarm(self.clock)
        self.clock.watch(lambda: self.swarm.is_busy)

    async def connect(self) -> Carrier:
        return MemoryCarrier(
            self.swarm, check_seconds=2.0, give_up_after=20.0, seconds_per_archive=1.0
        )

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(seconds)


class TestBitTorrentCarrierContract(CarrierContract):
    """In real time, on loopback."""

    patience = 30.0
    step = 0.05

    @pytest.fixture(autouse=True)
    def network(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder: Path = tmp_path_factory.mktemp("nodes")
        self.nodes = 0

    async def connect(self) -> Carrier:
        self.nodes += 1
        settings = Settings(meeting=self.folder / "meeting", metadata_patience=4.0, patience=4.0)
        return BitTorrentCarrier(settings, self.folder / f"scratch{self.nodes}")

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
