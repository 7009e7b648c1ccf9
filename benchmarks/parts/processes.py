"""Work in processes of its own, asked for one stage after the other, and measured in there."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from benchmarks.parts.stores import STATUS, peak

T = TypeVar("T")
W = TypeVar("W")
FORGET_PEAK: Final = "5"
"""What the kernel is told to count the peak of a process' memory from now on."""


@dataclass(frozen=True, slots=True)
class Stage(Generic[T]):
    """What a stage took: seconds, CPU seconds of all threads, bytes at its peak above imports."""

    wall: float
    cpu: float
    memory: float
    result: T


class Worker(Generic[W]):
    """A process in which ``make()`` was called; it lives until ``kill``, or until we end."""

    def __init__(self, make: Callable[[], W]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_live, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, stage: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Ask for ``stage(worker, *arguments)``, a function that can be found by its name."""
        self._ours.send((stage, arguments))

    def end(self) -> Stage[Any]:
        """Wait for what was asked for. Raises ``RuntimeError`` with what it raised."""
        try:
            told = self._ours.recv()
        except EOFError:
            raise RuntimeError("the process ended") from None
        if not isinstance(told, Stage):
            raise RuntimeError(told)  # noqa: TRY004 - it says what went wrong there.
        return told

    def do(self, stage: Callable[..., Awaitable[object]], *arguments: object) -> Stage[Any]:
        self.begin(stage, *arguments)
        return self.end()

    def kill(self) -> None:
        """End it as the loss of power would."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def _live(connection: Connection, make: Callable[[], Any]) -> None:
    asyncio.run(_answer(connection, make()))


async def _answer(connection: Connection, worker: Any) -> None:
    imported = _now()
    while True:
        try:
            stage, arguments = await asyncio.to_thread(connection.recv)
        except EOFError:
            return
        _forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            result = await stage(worker, *arguments)
        except Exception as error:  # noqa: BLE001 - whoever asked is told.
            connection.send(f"{stage.__name__}: {type(error).__name__}: {error}")
            continue
        spent = time.perf_counter() - wall, time.process_time() - cpu
        connection.send(Stage(*spent, peak() - imported, result))


def _now() -> float:
    _forget_peak()
    return peak()


def _forget_peak() -> None:
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text(FORGET_PEAK)
