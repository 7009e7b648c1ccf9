from __future__ import annotations

import pytest

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
