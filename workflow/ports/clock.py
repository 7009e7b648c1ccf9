"""Time, from one place only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Sweep = Callable[[], Awaitable[float | None]]
"""Does what is due and returns when something is due next (seconds, UTC epoch), or None."""


class Ticker(Protocol):
    """A sweep that is being driven."""

    def wake_at(self, at: float) -> None:
        """Sweep no later than at this moment (seconds, UTC epoch); from any thread."""

    async def stop(self) -> None:
        """Sweep no more; returns when a running sweep has ended."""


class Clock(Protocol):
    """The only source of time. ``now`` may be called from any thread."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds of this clock."""

    def drive(self, sweep: Sweep, at_most: float) -> Ticker:
        """Call ``sweep`` again and again, never two at once.

        It is called when something is due. After a jump of the clock, or when the machine was
        suspended, that is no later than ``at_most`` seconds after it was due. A sweep may stop its
        own drive.
        """
