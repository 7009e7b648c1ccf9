"""What every ``Clock`` promises."""

# ruff: noqa: S101, PLR2004
# An assertion is how a contract speaks, and the expected values are written out.

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from workflow.ports.clock import Clock, Ticker


class ClockContract(ABC):
    """Subclass it as ``TestSomething``, say how to make the clock and how to let its time pass.

    ``tick`` is a time (seconds) that is well worth waiting for: a fraction of a second if it is
    real.
    """

    pytestmark = pytest.mark.asyncio
    tick: float = 0.1

    @abstractmethod
    async def open_clock(self) -> Clock:
        """A clock."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Return when so much of the clock's time has passed and what was due in it is done."""

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for what must happen, on a busy machine too."""
        for _ in range(50):
            if happened():
                return
            await self.wait(self.tick)
        pytest.fail("it has not happened within 50 ticks")

    async def stop(self, ticker: Ticker) -> None:
        """Stop, and let the time pass that a running sweep needs."""
        stopping = asyncio.create_task(ticker.stop())
        await self.until(stopping.done)
        await stopping

    async def test_time_passes(self) -> None:
        """As much as was waited for, or a little more."""
        clock = await self.open_clock()
        before = clock.now()
        await self.wait(self.tick)
        assert clock.now() >= before + 0.9 * self.tick

    async def test_the_time_can_be_asked_for_in_threads(self) -> None:
        """And is the same there."""
        clock = await self.open_clock()
        before = clock.now()
        there = await asyncio.to_thread(clock.now)
        assert before <= there <= clock.now()

    async def test_sleepers_wake_in_the_order_of_their_times(self) -> None:
        """Not in that in which they lay down, and never too early."""
        clock = await self.open_clock()
        start = clock.now()
        woken: list[tuple[int, float]] = []

        async def sleep(ticks: int) -> None:
            await clock.sleep(ticks * self.tick)
            woken.append((ticks, clock.now() - start))

        tasks = [asyncio.create_task(sleep(ticks)) for ticks in (3, 1, 2)]
        await self.wait(4 * self.tick)
        await asyncio.gather(*tasks)
        assert [ticks for ticks, _ in woken] == [1, 2, 3]
        assert all(slept >= 0.9 * ticks * self.tick for ticks, slept in woken)

    async def test_no_sleep_is_no_wait(self) -> None:
        """Nor is a negative one."""
        clock = await self.open_clock()
        await asyncio.wait_for(clock.sleep(0), 5)
        await asyncio.wait_for(clock.sleep(-1), 5)

    async def test_the_first_sweep_comes_at_once(self) -> None:
        """And the next, when nothing is due, not before long."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock)
        ticker = clock.drive(sweeps, 1000 * self.tick)
        await self.wait(self.tick)
        await ticker.stop()
        assert len(sweeps.begun) == 1

    async def test_a_sweep_comes_when_it_said_that_something_is_due(self) -> None:
        """Not earlier, and not only at the end of the period."""
        clock = await self.open_clock()
        due = clock.now() + 2 * self.tick
        sweeps = Sweeps(clock, due)
        ticker = clock.drive(sweeps, 1000 * self.tick)
        await self.until(lambda: len(sweeps.begun) == 2)
        await self.stop(ticker)
        assert sweeps.begun[1] >= due

    async def test_a_sweep_that_is_late_already_comes_at_once(self) -> None:
        """Something may have become due while it ran."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, clock.now() - 1000)
        ticker = clock.drive(sweeps, 1000 * self.tick)
        await self.until(lambda: len(sweeps.begun) == 2)
        await self.stop(ticker)

    async def test_a_sweep_can_be_had_earlier(self) -> None:
        """``wake_at`` only ever brings it forward, and may be called from any thread."""
        clock = await self.open_clock()
        start = clock.now()
        sweeps = Sweeps(clock, start + 500 * self.tick)
        ticker = clock.drive(sweeps, 1000 * self.tick)
        await self.wait(self.tick)
        await asyncio.to_thread(ticker.wake_at, start + 3 * self.tick)
        ticker.wake_at(start + 700 * self.tick)
        await self.until(lambda: len(sweeps.begun) == 2)
        await self.stop(ticker)
        assert sweeps.begun[1] >= start + 3 * self.tick

    async def test_a_wake_during_a_sweep_is_not_lost(self) -> None:
        """It may be about something that this sweep no longer saw."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, takes=2 * self.tick)
        ticker = clock.drive(sweeps, 1000 * self.tick)
        await self.wait(self.tick)
        ticker.wake_at(clock.now())
        await self.until(lambda: sweeps.ended == 2)
        await self.stop(ticker)

    async def test_two_sweeps_are_never_under_way(self) -> None:
        """However much is due."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, *[clock.now()] * 5, takes=0.5 * self.tick)
        ticker = clock.drive(sweeps, self.tick)
        for _ in range(6):
            ticker.wake_at(clock.now())
            await self.wait(0.5 * self.tick)
        await self.until(lambda: sweeps.ended > 2)
        await self.stop(ticker)
        assert sweeps.most_at_once == 1

    async def test_a_failing_sweep_comes_again(self) -> None:
        """Within the period."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, fails=2)
        ticker = clock.drive(sweeps, self.tick)
        await self.until(lambda: sweeps.ended > 0)
        await self.stop(ticker)
        assert len(sweeps.begun) > 2

    async def test_stopping_waits_for_the_sweep_that_runs(self) -> None:
        """It is neither cancelled nor left behind."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, takes=8 * self.tick)
        ticker = clock.drive(sweeps, self.tick)
        await self.wait(self.tick)
        stopping = asyncio.create_task(ticker.stop())
        await self.wait(0.5 * self.tick)
        assert (len(sweeps.begun), sweeps.ended) == (1, 0)
        assert not stopping.done()
        await self.until(stopping.done)
        await stopping
        assert (len(sweeps.begun), sweeps.ended) == (1, 1)

    async def test_nothing_comes_after_stopping(self) -> None:
        """Whatever was due, and whoever wakes it; stopping again does nothing."""
        clock = await self.open_clock()
        sweeps = Sweeps(clock, clock.now() + 2 * self.tick)
        ticker = clock.drive(sweeps, self.tick)
        await self.wait(0.5 * self.tick)
        await ticker.stop()
        await ticker.stop()
        begun = len(sweeps.begun)
        ticker.wake_at(clock.now())
        await self.wait(4 * self.tick)
        assert len(sweeps.begun) == begun

    async def test_a_sweep_may_stop_its_own_drive(self) -> None:
        """Without waiting for itself."""
        clock = await self.open_clock()
        ended: list[float] = []

        async def sweep() -> float:
            await ticker.stop()
            ended.append(clock.now())
            return clock.now()

        ticker = clock.drive(sweep, self.tick)
        await self.wait(3 * self.tick)
        assert len(ended) == 1


class Sweeps:
    """A sweep that notes when it was called; it returns ``due`` one after the other, then None."""

    def __init__(self, clock: Clock, *due: float, takes: float = 0.0, fails: int = 0) -> None:
        self.begun: list[float] = []
        self.ended = 0
        self.most_at_once = 0
        self._clock = clock
        self._due = list(due)
        self._takes = takes
        self._fails = fails
        self._at_once = 0

    async def __call__(self) -> float | None:
        """One sweep."""
        self.begun.append(self._clock.now())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self._takes > 0:
                await self._clock.sleep(self._takes)
            if len(self.begun) <= self._fails:
                raise OSError("this sweep fails")
        finally:
            self._at_once -= 1
        self.ended += 1
        return self._due.pop(0) if self._due else None
