"""A running action, seen from the engine and from the action."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from loguru import logger

from workflow.engine.rows import Request
from workflow.ports.clock import Clock
from workflow.ports.work import Json, Transaction, Writes, no_writes

if TYPE_CHECKING:
    from workflow.engine.engine import Engine

T = TypeVar("T")


class ThisWork:
    """The engine's side of the port ``Work``: one start of one action."""

    def __init__(
        self,
        id: str,
        entry: int,
        attempt: int,
        *,
        engine: Engine,
        clock: Clock,
        report_to: Callable[[int, int, str], None],
    ) -> None:
        self.id = id
        self.entry = entry
        self.attempt = attempt
        self.has_answered = False
        self._engine = engine
        self._clock = clock
        self._report_to = report_to
        self._cancelled = threading.Event()

    def now(self) -> float:
        """The time by the engine's clock (seconds, UTC epoch)."""
        return self._clock.now()

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a query against what is committed."""
        return await self._engine.run(query)

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run blocking work in a thread. A cancelled action still waits for its thread's end."""
        return await self._engine.in_thread(function)

    async def send(
        self,
        lifecycle: str,
        id: str,
        event: Enum,
        details: Mapping[str, Json],
        writes: Writes = no_writes,
    ) -> None:
        """Send an event to another instance; returns when it is committed, or refused."""
        await self._engine.send(lifecycle, id, Request(event, "action", writes, details=details))

    def is_cancelled(self) -> bool:
        """True when the result is no longer wanted."""
        return self._cancelled.is_set()

    def report(self, done: int, total: int, unit: str) -> None:
        """Tell listeners how far the work is."""
        self._report_to(done, total, unit)

    def cancel(self) -> None:
        """From now on the result is not wanted."""
        self._cancelled.set()


class Running:
    """The task of a running action."""

    def __init__(self, task: asyncio.Task[None], work: ThisWork) -> None:
        self.task = task
        self.work = work

    @property
    def entry(self) -> int:
        """The entry that the action belongs to."""
        return self.work.entry

    @property
    def attempt(self) -> int:
        """The number of the start within that entry."""
        return self.work.attempt

    def cancel(self) -> None:
        """Cancel the action, once: a second time would break off its cleaning up."""
        if not self.work.is_cancelled():
            self.work.cancel()
            self.task.cancel()

    def cancel_unless_answered(self) -> None:
        """Cancel an action whose state was left without its answer."""
        if not self.work.has_answered:
            self.cancel()

    async def joined(self) -> None:
        """Return when the action has returned or was cancelled; its failure is not ours."""
        was_cancelled = False
        while not self.task.done():
            try:
                await asyncio.wait([self.task])
            except asyncio.CancelledError:
                was_cancelled = True  # Whoever waits for us must not overtake our predecessor.
        if was_cancelled:
            raise asyncio.CancelledError


def tell(listener: Callable[[], None]) -> None:
    """Call a listener. What it makes of it is its own affair: the step is committed."""
    try:
        listener()
    except Exception as error:  # noqa: BLE001 - any failure of somebody else's code.
        logger.opt(exception=error).error("a listener failed")


async def ended(future: Awaitable[T]) -> T:
    """Await a thread's work to its end whatever happens; only then let a cancellation through."""
    waiting = asyncio.ensure_future(future)
    was_cancelled = False
    while not waiting.done():
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError:
            was_cancelled = True
    if was_cancelled:
        raise asyncio.CancelledError
    return waiting.result()
