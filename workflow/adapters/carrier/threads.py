"""Blocking work that is never left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Threads:
    """Counts threads that are under way, for itself and for those whose work it is, too."""

    def __init__(self, *also: Threads) -> None:
        self._also = also
        self._futures: set[asyncio.Future[Any]] = set()

    @property
    def are_busy(self) -> bool:
        """True while one is under way, or its result has not been taken yet."""
        return bool(self._futures)

    async def run(self, function: Callable[[], T], *also: Threads) -> T:
        """Run blocking work; even when cancelled, this returns only after the thread has ended."""
        import asyncio  # noqa: PLC0415 - who only looks needs none.

        future = asyncio.get_running_loop().run_in_executor(None, function)
        counters = (self, *self._also, *also)
        for counter in counters:
            counter._futures.add(future)  # noqa: SLF001 - of its own kind.
        was_cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                was_cancelled = True
        for counter in counters:
            counter._futures.discard(future)  # noqa: SLF001 - the same.
        if was_cancelled:
            future.exception()  # Looked at, so that nobody complains that it was not.
            raise asyncio.CancelledError
        return future.result()

    async def ended(self) -> None:
        """Return when those that are under way now have ended."""
        import asyncio  # noqa: PLC0415

        if self._futures:
            await asyncio.wait(tuple(self._futures))
