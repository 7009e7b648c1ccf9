"""The machine's clock, with APScheduler as the alarm that wakes a sweep.

What is due is a row in the journal; the scheduler keeps nothing that could be lost. It has one
interval job in memory whose next run is moved to whatever is due, and which does nothing but begin
the sweep in a task of our own. That keeps APScheduler's traps away from the sweep:

- ``shutdown`` cancels the jobs that run: ours has nothing to lose, and ``stop`` waits for the task.
- A run that comes late is dropped by default: ``misfire_grace_time=None``, ``coalesce=True``.
- Due times are wall times. Put back the clock by an hour, and the scheduler finds nothing due for
  an hour, however short its interval. Therefore a timer of the event loop, which counts the time
  that passes, stands behind it and moves the job's next run to now.

APScheduler logs through the standard library (``apscheduler.*``), a line or two for each run at
INFO; who shows INFO of everything will want to set that logger to WARNING.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from workflow.ports.clock import Sweep, Ticker

if TYPE_CHECKING:
    import asyncio

LONGEST_PERIOD: Final = 15.0
"""Seconds between two sweeps at the most, whatever is asked for: so long may a jump hold us up."""


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds; a jump of the wall clock changes nothing."""
        import asyncio  # noqa: PLC0415 - who only asks the time needs none.

        await asyncio.sleep(max(0.0, seconds))

    def drive(self, sweep: Sweep, at_most: float) -> Ticker:
        """Call ``sweep`` at once, when it is due, and ``at_most`` seconds after it last ended."""
        return _Driven(sweep, min(at_most, LONGEST_PERIOD))


class _Driven:
    """One sweep, one scheduler, one job."""

    def __init__(self, sweep: Sweep, period: float) -> None:
        import asyncio  # noqa: PLC0415

        self._sweep = sweep
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._due: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._latest = self._loop.time()
        # Loaded only where something is driven: reading commands need the time and nothing else.
        from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: PLC0415
        from apscheduler.triggers.interval import IntervalTrigger  # noqa: PLC0415

        self._scheduler = AsyncIOScheduler(timezone=UTC, event_loop=self._loop)
        self._job = self._scheduler.add_job(
            self._begin,
            IntervalTrigger(seconds=period, timezone=UTC),
            name="sweep",
            next_run_time=datetime.now(UTC),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        self._scheduler.start()
        self._timer = self._loop.call_later(period, self._insist)

    def wake_at(self, at: float) -> None:
        """Sweep no later than at this moment (seconds, UTC epoch); from any thread."""
        if not self._is_stopped:
            self._loop.call_soon_threadsafe(self._bring_forward, at)

    async def stop(self) -> None:
        """Sweep no more; returns when a running sweep has ended, at once if that one asks."""
        import asyncio  # noqa: PLC0415

        if not self._is_stopped:
            self._is_stopped = True
            self._timer.cancel()
            self._scheduler.pause()
            try:
                await asyncio.sleep(0)  # A job that has just been begun ends by itself.
            finally:
                self._scheduler.shutdown(wait=False)
        task = self._task
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])
        await asyncio.sleep(0)  # The scheduler shuts down in a callback.

    async def _begin(self) -> None:
        """All that the job does."""
        if self._task is None and not self._is_stopped:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        self._due = None
        try:
            due = await self._sweep()
        except Exception as error:  # noqa: BLE001 - no sweep's failure ends the drive.
            from loguru import logger  # noqa: PLC0415

            logger.opt(exception=error).error("a sweep failed; again in {} s", self._period)
            due = None
        finally:
            self._task = None
        self._latest = self._loop.time() + self._period
        self._note(due)
        self._plan()

    def _bring_forward(self, at: float) -> None:
        if self._note(at) and self._task is None:
            self._plan()

    def _note(self, due: float | None) -> bool:
        """Remember when something is due; True when that is sooner than what is known."""
        is_sooner = due is not None and (self._due is None or due < self._due)
        if is_sooner:
            self._due = due
        return is_sooner

    def _insist(self) -> None:
        """The period is over by the time that passed, whatever the wall clock says."""
        if self._task is None:
            self._plan()
        else:
            self._arm(self._period)

    def _plan(self) -> None:
        """Move the job's next run to what is due, or to the end of the period if that is sooner."""
        if self._is_stopped:
            return
        remaining = max(0.0, self._latest - self._loop.time())
        now = time.time()
        at = now + remaining if self._due is None else min(self._due, now + remaining)
        # Up to the next microsecond, the finest the scheduler knows: never before it is due.
        microseconds = math.ceil(max(at, now) * 1_000_000)
        self._job.modify(next_run_time=datetime.fromtimestamp(microseconds / 1_000_000, UTC))
        self._arm(remaining or self._period)

    def _arm(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._insist)
