"""Long work that other processes ask for: begun by one command, looked at by others.

A command of the inbox holds up those behind it, so what takes longer than a moment is begun and
left to itself. Nothing of a job is kept: whoever asked learns from a later look that the process
has ended, and begins again, which the work must allow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workflow.errors import WorkFailedError
from workflow.ports.work import Progress

REMEMBERED: Final = 16
"""Jobs that are over, and whose results nobody has taken yet."""

Job = Callable[[Progress], Awaitable[Mapping[str, Any]]]
"""Told where to tell how far it is (done, total, unit; from any thread); returns what it found."""


@dataclass(slots=True)
class _Begun:
    task: asyncio.Task[Mapping[str, Any]]
    progress: tuple[int, int, str] = field(default=(0, 0, ""))


class Jobs:
    """The jobs of one node, by the ids that those gave them who asked."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}

    def begin(self, id: str, job: Job) -> None:
        """Begin a job; the same one again is one."""
        if id in self._begun:
            return
        over = [known for known, one in self._begun.items() if one.task.done()]
        for known in over[: max(0, len(over) - REMEMBERED + 1)]:
            self._take(known)

        def tell(done: int, total: int, unit: str) -> None:
            begun.progress = (done, total, unit)

        begun = _Begun(asyncio.ensure_future(job(tell)))
        self._begun[id] = begun

    def look(self, id: str) -> Mapping[str, Any]:
        """How far a job is, and its result once it is over: that is given once.

        Raises ``WorkFailedError`` for a job that is not known, and what ended the job.
        """
        begun = self._begun.get(id)
        if begun is None or (begun.task.done() and begun.task.cancelled()):
            raise WorkFailedError(
                "the process that was at it has ended, or was told to stop",
                remedy="Do it again: what was done is kept.",
            )
        done, total, unit = begun.progress
        is_over = begun.task.done()
        result = self._take(id).result() if is_over else {}
        return {"is_over": is_over, "done": done, "total": total, "unit": unit, "result": result}

    async def stop(self, id: str) -> None:
        """End a job and forget it; one that is not known has ended already."""
        if id in self._begun:
            task = self._take(id)
            task.cancel()
            await asyncio.wait([task])

    async def end(self) -> None:
        """End all jobs."""
        for id in tuple(self._begun):
            await self.stop(id)

    def _take(self, id: str) -> asyncio.Task[Mapping[str, Any]]:
        task = self._begun.pop(id).task
        if task.done() and not task.cancelled():
            task.exception()  # It counts as heard: whoever asked may be gone.
        return task
