from __future__ import annotations

import asyncio

from workflow.adapters.clock.system import SystemClock
from workflow.ports.clock import Clock
from workflow.testing import ClockContract, ManualClock


class TestManualClockContract(ClockContract):
    tick = 3600.0

    async def open_clock(self) -> Clock:
        self.clock = ManualClock()
        return self.clock

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(seconds)


class TestSystemClockContract(ClockContract):
    async def open_clock(self) -> Clock:
        return SystemClock()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
