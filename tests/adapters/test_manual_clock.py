from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.testing import ManualClock

WEEK = 7 * 86400.0
START = 1_700_000_000.0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 50)), max_size=30))
def test_sleepers_wake_in_order_and_on_time(sleeps: list[tuple[int, int]]) -> None:
    """Each lies down at some moment, for some time; equal moments keep the order of lying down."""

    async def story() -> None:
        clock = ManualClock(START)
        laid_down = itertools.count()
        woken: list[tuple[float, int]] = []

        async def sleep(begin: int, seconds: int) -> None:
            await clock.sleep(begin)
            order, due = next(laid_down), clock.now() + seconds
            await clock.sleep(seconds)
            assert clock.now() == due
            woken.append((due, order))

        tasks = [asyncio.create_task(sleep(*one)) for one in sleeps]
        await clock.advance(100)
        await asyncio.gather(*tasks)
        assert woken == sorted(woken)
        assert clock.now() == START + 100

    asyncio.run(story())


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20, unique=True))
def test_sweeps_come_exactly_when_they_are_due(times: list[int]) -> None:
    async def story() -> None:
        clock = ManualClock(START)
        due = sorted(START + one for one in times)
        swept: list[float] = []

        async def sweep() -> float | None:
            swept.append(clock.now())
            later = [one for one in due if one > clock.now()]
            return min(later, default=None)

        clock.drive(sweep, 15.0)
        await clock.advance(2000)
        assert swept == [START, *due]

    asyncio.run(story())


async def test_a_year_takes_seconds() -> None:
    clock = ManualClock()
    swept = 0

    async def sweep() -> float:
        nonlocal swept
        swept += 1
        return clock.now() + 3600.0

    for _ in range(3):
        clock.drive(sweep, 15.0)
    begun = time.perf_counter()
    await clock.advance(52 * WEEK)
    assert swept == 3 * (52 * 7 * 24 + 1)
    assert time.perf_counter() - begun < 30


async def test_sleepers_come_before_sweeps_and_sweeps_in_their_order() -> None:
    clock = ManualClock()
    at = clock.now() + 10
    happened: list[str] = []

    def sweep_named(name: str) -> None:
        async def sweep() -> float | None:
            if clock.now() < at:
                return at
            happened.append(name)
            return None

        clock.drive(sweep, 15.0)

    sweep_named("sweep 1")
    sweep_named("sweep 2")

    async def sleep() -> None:
        await clock.sleep(10)
        happened.append("sleeper")

    task = asyncio.create_task(sleep())
    await clock.advance(20)
    await task
    assert happened == ["sleeper", "sweep 1", "sweep 2"]


async def test_everything_settles_before_time_moves_on() -> None:
    """A long chain of steps of the event loop, and a sleep that begins at its end."""
    clock = ManualClock(START)
    seen: list[float] = []

    async def work() -> None:
        await clock.sleep(10)
        for _ in range(1500):
            await asyncio.sleep(0)
        seen.append(clock.now())
        await clock.sleep(5)
        seen.append(clock.now())

    task = asyncio.create_task(work())
    await clock.advance(100)
    await task
    assert seen == [START + 10, START + 15]


async def test_threads_that_a_probe_tells_of_are_waited_for() -> None:
    clock = ManualClock(START)
    busy = 0
    seen: list[float] = []

    async def work() -> None:
        nonlocal busy
        for _ in range(5):
            await clock.sleep(10)
            busy += 1
            await asyncio.to_thread(time.sleep, 0.02)
            busy -= 1
            seen.append(clock.now())

    unwatch = clock.watch(lambda: busy > 0)
    task = asyncio.create_task(work())
    await clock.advance(100)
    await task
    assert seen == [START + 10 * n for n in range(1, 6)]
    unwatch()
    unwatch()
    busy = 1
    await clock.settle()


async def test_what_never_settles_is_named() -> None:
    clock = ManualClock(patience=0.05)

    def the_journal_is_busy() -> bool:
        return True

    unwatch = clock.watch(the_journal_is_busy)
    with pytest.raises(TimeoutError, match="the_journal_is_busy"):
        await clock.settle()
    unwatch()

    async def sweep() -> float:
        return clock.now()

    clock.drive(sweep, 15.0)
    with pytest.raises(TimeoutError, match="never ends"):
        await clock.advance(1)


async def test_who_polls_without_pause_does_not_stop_time() -> None:
    clock = ManualClock()
    done = False

    async def poll() -> None:
        while not done:  # noqa: ASYNC110 - this is what the test is about.
            await asyncio.sleep(0)

    task = asyncio.create_task(poll())
    await clock.advance(10)
    done = True
    await task


async def test_other_event_loops_are_given_enough_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their queue cannot be looked into."""
    clock = ManualClock(START)
    monkeypatch.setattr(clock, "_ready_queue", lambda: None)
    seen: list[float] = []

    async def work() -> None:
        await clock.sleep(10)
        for _ in range(50):
            await asyncio.sleep(0)
        seen.append(clock.now())

    task = asyncio.create_task(work())
    await clock.advance(100)
    await task
    assert seen == [START + 10]


async def test_time_is_moved_by_one_at_a_time_and_forward() -> None:
    clock = ManualClock()

    async def move() -> None:
        await clock.sleep(5)
        with pytest.raises(RuntimeError):
            await clock.advance(1)

    task = asyncio.create_task(move())
    await clock.advance(10)
    await task
    with pytest.raises(ValueError, match="past"):
        await clock.advance(-1)
    assert str(clock.now()) in repr(clock)


async def test_a_cancelled_sleeper_holds_nothing_up() -> None:
    clock = ManualClock(START)
    task = asyncio.create_task(clock.sleep(10))
    await clock.settle()
    task.cancel()
    await clock.advance(100)
    assert task.cancelled()
    assert clock.now() == START + 100


async def test_a_sleep_takes_time_however_short() -> None:
    clock = ManualClock(START)
    slept = 0

    async def work() -> None:
        nonlocal slept
        while slept < 10:
            await clock.sleep(1e-12)
            slept += 1

    task = asyncio.create_task(work())
    await clock.advance(1)
    await task


async def test_an_interrupted_advance_can_be_taken_up_again() -> None:
    clock = ManualClock(START)
    moving = asyncio.create_task(clock.advance(1e9))
    busy = [True]
    clock.watch(lambda: bool(busy))
    await asyncio.sleep(0.01)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    busy.clear()
    await clock.advance_to(START + 5)
    assert clock.now() == START + 5


async def test_a_wake_from_a_thread_is_done_at_its_moment() -> None:
    clock = ManualClock(START)
    swept: list[float] = []

    async def sweep() -> None:
        swept.append(clock.now())

    ticker = clock.drive(sweep, 15.0)
    await clock.settle()
    thread = threading.Thread(target=ticker.wake_at, args=(START + 30,))
    thread.start()
    thread.join()
    await clock.advance(100)
    assert swept == [START, START + 30]


async def test_what_is_due_now_does_not_wait_for_time_to_move() -> None:
    clock = ManualClock()
    swept = asyncio.Event()

    async def sweep() -> None:
        swept.set()

    ticker = clock.drive(sweep, 15.0)
    await asyncio.wait_for(swept.wait(), 5)
    swept.clear()
    ticker.wake_at(clock.now())
    await asyncio.wait_for(swept.wait(), 5)


async def test_failures_can_be_looked_at_and_a_crash_ends_the_story() -> None:
    class PowerCut(BaseException):
        pass

    clock = ManualClock(START)
    calls = 0

    async def sweep() -> float | None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the disk is full")
        if calls == 2:
            return clock.now() + 100
        raise PowerCut

    clock.drive(sweep, 15.0)
    await clock.advance(15)
    assert (calls, [str(error) for error in clock.failures]) == (2, ["the disk is full"])
    with pytest.raises(PowerCut):
        await clock.advance(1000)
    assert clock.now() == START + 115


@pytest.mark.parametrize("seconds", [86400.0, -86400.0])
async def test_a_jump_changes_no_sleep(seconds: float) -> None:
    clock = ManualClock(START)
    slept: list[float] = []

    async def sleep(length: float) -> None:
        await clock.sleep(length)
        slept.append(length)

    tasks = [asyncio.create_task(sleep(length)) for length in (20, 10)]
    await clock.advance(5)
    clock.jump(seconds)
    assert clock.now() == START + 5 + seconds
    assert slept == []
    await clock.advance(5)
    assert slept == [10]
    await clock.advance(10)
    assert slept == [10, 20]
    await asyncio.gather(*tasks)


async def test_a_jump_forward_makes_what_is_overdue_come_at_once() -> None:
    clock = ManualClock(START)
    swept: list[float] = []

    async def sweep() -> float | None:
        swept.append(clock.now())
        return START + WEEK if clock.now() < START + WEEK else None

    clock.drive(sweep, 15.0)
    await clock.advance(1)
    clock.jump(2 * WEEK)
    assert swept == [START]
    await clock.advance(WEEK)
    assert swept == [START, START + 1 + 2 * WEEK]


async def test_a_jump_back_is_noticed_within_the_period() -> None:
    clock = ManualClock(START)
    swept: list[float] = []

    async def sweep() -> float:
        swept.append(clock.now())
        return START + 100 if clock.now() < START + 100 else START + WEEK

    clock.drive(sweep, 15.0)
    await clock.advance(50)
    clock.jump(-1000)
    await clock.advance(1150)
    assert swept == [START, START + 50 - 1000 + 15, START + 100]


async def test_a_jump_during_an_advance_does_not_prolong_it() -> None:
    clock = ManualClock(START)

    async def meddle() -> None:
        await clock.sleep(10)
        clock.jump(-500)

    task = asyncio.create_task(meddle())
    await clock.advance(30)
    await task
    assert clock.now() == START + 30 - 500
