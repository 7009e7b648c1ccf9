"""A clock that stands still until a test moves it: a year passes in seconds.

Time goes from one *interesting moment* to the next: the earliest at which a sleeper wakes or a
driven sweep is due. At each the clock first wakes the sleepers (earliest first, then in the order
in which they went to sleep), then begins the sweeps that are due (in the order in which they were
driven), and then **settles** before it moves on. Between two such moments nothing happens, so a
sweep is not called every ``at_most`` seconds; only after a jump, or when it failed, is it called
``at_most`` seconds later, which is the latest the port allows. What polls from its sweep for the
deeds of others must therefore be woken (``Ticker.wake_at``).

**Settled** means, in this order, that at the present moment

1. nobody is to be woken and no sweep is to begin;
2. no probe says that it is busy. Probes (``watch``) tell of work that the event loop cannot see: a
   commit or a hash under way in a thread. A probe must not count what waits for this clock, else
   both wait for each other; after ``patience`` seconds of real time the clock says so;
3. nothing else is ready to run: three rounds of the event loop in a row had nothing in their queue
   but this very question. That needs asyncio's own loops; on others a hundred quiet rounds must
   do. Somebody who polls without pause (``while ...: await asyncio.sleep(0)``) always has something
   ready; after two thousand rounds in which nothing but that happened, time moves on regardless.

While a probe is busy the clock sleeps for half a millisecond of real time between two looks.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Sized
from typing import Final

from loguru import logger

from workflow.ports.clock import Sweep, Ticker

Probe = Callable[[], bool]

QUIET_ROUNDS: Final = 3
QUIET_ROUNDS_BLIND: Final = 100
CHATTER_ROUNDS: Final = 2000
REAL_PAUSE: Final = 0.0005
"""Seconds of real time between two looks at a busy probe."""


class ManualClock:
    """Time stands at ``start`` (seconds, UTC epoch) until ``advance``, ``advance_to`` or ``jump``.

    ``patience`` is how many seconds of real time everything may take to settle. ``failures`` holds
    what sweeps have raised: they are called again, as by every clock, but a test may want to know.
    """

    def __init__(self, start: float = 1_700_000_000.0, *, patience: float = 60.0) -> None:
        self.failures: list[Exception] = []
        self._now = start
        self._patience = patience
        self._goal: float | None = None
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driven: list[_Driven] = []
        self._probes: list[Probe] = []
        self._fatal: list[BaseException] = []

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now}>"

    # ------------------------------------------------------------------------------- the port

    def now(self) -> float:
        """Seconds since the epoch, UTC; from any thread."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved this far; at once, but not immediately, for none."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        # However short: sleeping takes time, else a loop of short sleeps would never settle.
        at = max(self._now + seconds, math.nextafter(self._now, math.inf))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, next(self._order), future))
        await future

    def drive(self, sweep: Sweep, at_most: float) -> Ticker:
        """Call ``sweep`` at once and whenever it is due; see above for ``at_most`` (seconds)."""
        driven = _Driven(self, sweep, at_most)
        self._driven.append(driven)
        return driven

    # ---------------------------------------------------------------------------- moving time

    async def advance(self, seconds: float) -> None:
        """Let this many seconds pass and everything happen that is due meanwhile.

        ``advance(0)`` does what is due now. Raises ``ValueError`` for less.
        """
        await self.advance_to(self._now + seconds)

    async def advance_to(self, at: float) -> None:
        """Let time pass until this moment (seconds, UTC epoch).

        Raises ``ValueError`` when it is past, ``RuntimeError`` when somebody else is moving time.
        """
        if at < self._now:
            raise ValueError(f"{at} is past, it is {self._now}: only jump() goes back")
        if self._goal is not None:
            raise RuntimeError("time is being moved already")
        self._goal = at
        try:
            await self.settle()
            while (moment := self._next_moment()) is not None and moment <= self._goal:
                self._now = max(self._now, moment)
                await self.settle()
            self._now = max(self._now, self._goal)
        finally:
            self._goal = None

    def jump(self, seconds: float) -> None:
        """Set the clock forward or back, as a person or a time server does; nothing runs here.

        Sleepers sleep as long as they would have: sleeping is measured by time that passes, not by
        what the clock shows. A sweep that is overdue after a jump forward begins when time is next
        moved or settled; after a jump back it is called ``at_most`` seconds later, and then again
        when it is due. An ``advance`` under way goes on for as long as it would have.
        """
        self._now += seconds
        self._sleepers = [(at + seconds, order, future) for at, order, future in self._sleepers]
        heapq.heapify(self._sleepers)
        if self._goal is not None:
            self._goal += seconds
        for driven in self._driven:
            driven.notice_jump()

    # ------------------------------------------------------------------------------- settling

    def watch(self, probe: Probe) -> Callable[[], None]:
        """Wait, when settling, until ``probe()`` is False; returns how to stop that."""
        self._probes.append(probe)

        def unwatch() -> None:
            if probe in self._probes:
                self._probes.remove(probe)

        return unwatch

    async def settle(self) -> None:
        """Return when everything that is due now has been done; time does not move.

        Raises ``TimeoutError`` after ``patience`` seconds of real time, and whatever ended a sweep
        that is no ``Exception`` (the simulated crash of a test).
        """
        loop = asyncio.get_running_loop()
        ready = self._ready_queue()
        enough = QUIET_ROUNDS_BLIND if ready is None else QUIET_ROUNDS
        give_up_at = loop.time() + self._patience
        quiet = chatter = 0
        pause = 0.0
        while quiet < enough:
            await asyncio.sleep(pause)
            pause = 0.0
            if self._fatal:
                raise self._fatal.pop(0)
            if loop.time() > give_up_at:
                raise TimeoutError(self._what_does_not_settle())
            if self._stir():
                quiet = chatter = 0
            elif any(probe() for probe in self._probes):
                quiet = chatter = 0
                pause = REAL_PAUSE
            elif ready and chatter < CHATTER_ROUNDS:
                quiet = 0
                chatter += 1
            else:
                quiet += 1

    def _ready_queue(self) -> Sized | None:
        """What the event loop will run next, if it can be seen."""
        return getattr(asyncio.get_running_loop(), "_ready", None)

    def _what_does_not_settle(self) -> str:
        busy = [getattr(one, "__qualname__", repr(one)) for one in self._probes if one()]
        reason = f"these probes are still busy: {', '.join(busy)}" if busy else "it never ends"
        return f"nothing settled within {self._patience} s of real time; {reason}"

    def _stir(self) -> bool:
        """Wake and begin what is due; True when there was any."""
        woken = 0
        while self._sleepers and self._sleepers[0][0] <= self._now:
            *_, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                woken += 1
        begun = [driven.begin_if_due() for driven in tuple(self._driven)]
        return woken > 0 or any(begun)

    def _next_moment(self) -> float | None:
        while self._sleepers and self._sleepers[0][2].done():  # The sleeper was cancelled.
            heapq.heappop(self._sleepers)
        moments = [driven.moment for driven in self._driven if driven.moment is not None]
        if self._sleepers:
            moments.append(self._sleepers[0][0])
        return min(moments, default=None)

    def _forget(self, driven: _Driven) -> None:
        if driven in self._driven:
            self._driven.remove(driven)

    def _take_end(self, task: asyncio.Task[None]) -> None:
        """Keep what ended a sweep for whoever moves time; the loop would only log it."""
        if not task.cancelled() and (end := task.exception()) is not None:
            self._fatal.append(end)


class _Driven:
    """A sweep and when it is due; it runs as a task of its own."""

    def __init__(self, clock: ManualClock, sweep: Sweep, at_most: float) -> None:
        self._clock = clock
        self._sweep = sweep
        self._at_most = at_most
        self._loop = asyncio.get_running_loop()
        self._due: float | None = clock.now()
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._loop.call_soon(self.begin_if_due)

    @property
    def moment(self) -> float | None:
        """When the sweep can begin next; None while it runs or nothing is due."""
        return self._due if self._task is None else None

    def wake_at(self, at: float) -> None:
        """Sweep no later than at this moment (seconds, UTC epoch); from any thread."""
        if not self._is_stopped:
            self._loop.call_soon_threadsafe(self._bring_forward, at)

    async def stop(self) -> None:
        """Sweep no more; returns when a running sweep has ended, at once if that one asks."""
        self._is_stopped = True
        self._due = None
        self._clock._forget(self)  # noqa: SLF001 - one thing in two classes.
        task = self._task
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])

    def notice_jump(self) -> None:
        self._bring_forward_to(self._clock.now() + self._at_most)

    def begin_if_due(self) -> bool:
        if self._is_stopped or self._task is not None:
            return False
        if self._due is None or self._due > self._clock.now():
            return False
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._clock._take_end)  # noqa: SLF001 - the same.
        return True

    async def _run(self) -> None:
        self._due = None
        try:
            due = await self._sweep()
        except Exception as error:  # noqa: BLE001 - no sweep's failure ends the drive.
            self._clock.failures.append(error)
            logger.opt(exception=error).error("a sweep failed; again in {} s", self._at_most)
            due = self._clock.now() + self._at_most
        finally:
            self._task = None
        if due is not None:
            self._bring_forward(due)

    def _bring_forward(self, at: float) -> None:
        self._bring_forward_to(at)
        # As on a real clock, what is due now need not wait for time to move. Not within the task
        # of the last sweep: two are never under way at once.
        if self._due is not None and self._due <= self._clock.now():
            self._loop.call_soon(self.begin_if_due)

    def _bring_forward_to(self, at: float) -> None:
        if not self._is_stopped:
            self._due = at if self._due is None else min(self._due, at)
