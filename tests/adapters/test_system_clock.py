from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import pairwise

import apscheduler.schedulers.base
import pytest

from workflow.adapters.clock.system import SystemClock

PERIOD = 0.2


class WallClock:
    """The machine's wall clock, put forward or back; the time that passes goes on as ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = 0.0
        real = time.time
        wall = self

        class Datetime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Datetime:
                return cls.fromtimestamp(time.time(), tz)

        monkeypatch.setattr(time, "time", lambda: real() + wall.offset)
        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Datetime)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


async def until(happened: Callable[[], bool]) -> float:
    """Wait in earnest; returns how long it took."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < 10, "it has not happened within ten seconds"
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_jump_of_the_wall_clock_holds_nothing_up(wall: WallClock, jump: float) -> None:
    clock = SystemClock()
    swept: list[float] = []

    async def sweep() -> float:
        swept.append(clock.now())
        return clock.now() + 1800

    ticker = clock.drive(sweep, PERIOD)
    await until(lambda: len(swept) == 2)
    wall.offset = jump
    await until(lambda: len(swept) == 6)
    await ticker.stop()
    assert swept[2] - swept[1] == pytest.approx(jump, abs=5)
    # Within a few periods, not within an hour.
    assert swept[5] - swept[2] < 5


async def test_a_due_time_is_met_after_the_clock_was_put_back_twice(wall: WallClock) -> None:
    """Also when the clock is put back between planning and waking."""
    clock = SystemClock()
    swept: list[float] = []

    async def sweep() -> float:
        swept.append(clock.now())
        return clock.now() + 1800

    ticker = clock.drive(sweep, PERIOD)
    await until(lambda: len(swept) == 1)
    for back in (-100.0, -200.0, -50_000.0):
        wall.offset = back
        await asyncio.sleep(PERIOD / 2)
        ticker.wake_at(clock.now() + 1000)
    begun = len(swept)
    await until(lambda: len(swept) > begun + 2)
    await ticker.stop()


async def test_a_late_machine_sweeps_once() -> None:
    """Suspended, or with a blocked event loop: many runs were missed, one is made up for."""
    clock = SystemClock()
    swept: list[float] = []

    async def sweep() -> float:
        swept.append(time.monotonic())
        return clock.now() + 0.05

    ticker = clock.drive(sweep, PERIOD)
    await until(lambda: len(swept) == 2)
    time.sleep(1.0)  # noqa: ASYNC251 - the loop is blocked on purpose.
    before = len(swept)
    await asyncio.sleep(0.02)
    assert len(swept) - before <= 1
    await until(lambda: len(swept) > before)
    await ticker.stop()


async def test_the_period_is_kept_though_nothing_is_due() -> None:
    """Never longer than fifteen seconds, whatever was asked for."""
    clock = SystemClock()
    swept: list[float] = []

    async def sweep() -> None:
        swept.append(time.monotonic())

    ticker = clock.drive(sweep, PERIOD)
    await until(lambda: len(swept) == 4)
    await ticker.stop()
    assert all(later - one >= 0.9 * PERIOD for one, later in pairwise(swept))
    long = clock.drive(sweep, 86400.0)
    assert getattr(long, "_period") == 15.0  # noqa: B009 - no part of the port.
    await long.stop()


async def test_a_period_that_ends_during_a_long_sweep_begins_anew(wall: WallClock) -> None:
    clock = SystemClock()
    ended = 0

    async def sweep() -> float:
        nonlocal ended
        await asyncio.sleep(3 * PERIOD)
        ended += 1
        return clock.now() + 1800

    ticker = clock.drive(sweep, PERIOD)
    await until(lambda: ended == 2)
    await ticker.stop()


async def test_stopping_before_the_first_sweep_leaves_nothing_behind() -> None:
    clock = SystemClock()
    swept = 0

    async def sweep() -> None:
        nonlocal swept
        swept += 1

    ticker = clock.drive(sweep, PERIOD)
    await ticker.stop()
    await asyncio.sleep(2 * PERIOD)
    assert swept <= 1
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert others == []


async def test_a_sweep_that_waits_is_not_cancelled_by_the_scheduler() -> None:
    """APScheduler cancels its jobs when it shuts down; a sweep is none."""
    clock = SystemClock()
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended = False

    async def sweep() -> None:
        nonlocal ended
        begun.set()
        await go_on.wait()
        ended = True

    ticker = clock.drive(sweep, PERIOD)
    await begun.wait()
    stopping = asyncio.create_task(ticker.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert ended


async def test_sleeping_is_not_disturbed_by_the_wall_clock(wall: WallClock) -> None:
    clock = SystemClock()
    sleeping = asyncio.create_task(clock.sleep(0.1))
    await asyncio.sleep(0)
    wall.offset = -3600.0
    await asyncio.wait_for(sleeping, 5)
