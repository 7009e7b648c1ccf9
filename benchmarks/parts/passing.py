"""The system's clock in another year: time passes as it does, and weeks of it can be left out."""

from __future__ import annotations

from dataclasses import dataclass

from workflow.adapters.clock.system import SystemClock
from workflow.ports.clock import Sweep, Ticker


class PassingClock:
    """Shows ``start`` (seconds, UTC epoch) when it is made."""

    def __init__(self, start: float) -> None:
        self._system = SystemClock()
        self._ahead = start - self._system.now()
        self._tickers: list[Ticker] = []

    def now(self) -> float:
        return self._system.now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Sleeping is measured by the time that passes, as on every clock: a jump is none."""
        await self._system.sleep(seconds)

    def drive(self, sweep: Sweep, at_most: float) -> Ticker:
        async def swept() -> float | None:
            due = await sweep()
            return None if due is None else due - self._ahead

        driven = self._system.drive(swept, at_most)
        self._tickers.append(driven)
        return _Shifted(driven, self)

    def on_the_system(self, at: float) -> float:
        """The same moment as the system's clock shows it."""
        return at - self._ahead

    def jump_to(self, at: float) -> None:
        """Show this moment from now on; what is due by then is seen at once."""
        self._ahead = at - self._system.now()
        for one in self._tickers:
            one.wake_at(self._system.now())


@dataclass(frozen=True, slots=True)
class _Shifted:
    """A ticker that is told moments of the shifted clock."""

    driven: Ticker
    clock: PassingClock

    def wake_at(self, at: float) -> None:
        self.driven.wake_at(self.clock.on_the_system(at))

    async def stop(self) -> None:
        await self.driven.stop()
