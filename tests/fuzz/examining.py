"""One input under watch: no crash, no hang, no memory without bounds; and the smallest that fails.

Time is the processor's, so a busy machine does not count. It is measured and, when an input does
not come back at all, interrupted. Memory is how far the process's peak rises above what it had
before; a ceiling over its addresses turns what would take the whole machine into a ``MemoryError``.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import Target

MAX_SECONDS: Final = 1.0
"""Seconds of the processor that one input may take, besides ``SECONDS_PER_BYTE``."""

SECONDS_PER_BYTE: Final = 1.0 / (1024 * 1024)
"""A target reads what it accepts, writes it and reads it again; a line may have two bytes."""

MAX_MEMORY: Final = 256 * 1024 * 1024
"""Bytes that one input may take besides ``MEMORY_PER_BYTE``."""

MEMORY_PER_BYTE: Final = 16
"""An input of the greatest length that is allowed is copied, parsed and encoded again."""

_CEILING = 3 * 1024**3
_PATIENCE = 5  # seconds of the processor, then it is interrupted
_SLOWER_WHEN_TRACED = 5  # coverage looks at each line
_SHRINKING = 30  # seconds of the processor at most, to make an input smaller
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class HangError(BaseException):
    """No answer came; of a kind that nothing catches by accident."""


class FindingError(AssertionError):
    """An input that does harm. Its words are all that is needed to replay it."""

    def __init__(self, target: str, data: bytes, what: str) -> None:
        super().__init__(f"{what}\n  python -m tests.fuzz --replay {target} {data.hex()}")
        self.data = data
        self.what = what

    @property
    def kind(self) -> str:
        """Equal for findings that are probably one."""
        return " ".join(self.what.split()[:3]).rstrip("0123456789.")


class Cost(NamedTuple):
    """What one input took: seconds of the processor, and bytes; and whether it was accepted."""

    seconds: float
    memory: int
    accepted: bool


def examine(target: Target, data: bytes) -> Cost:
    """Give ``data`` to the target. Raises ``FindingError`` when it does harm."""
    limit = _slowed(MAX_SECONDS + SECONDS_PER_BYTE * len(data))
    cost = _measured(target, data)
    if cost.seconds > limit:  # twice: a collection of garbage may have come in between
        cost = min(cost, _measured(target, data))
    if cost.seconds > limit:
        raise FindingError(target.name, data, f"it took seconds: {cost.seconds:.1f}")
    if cost.memory > MAX_MEMORY + MEMORY_PER_BYTE * len(data):
        raise FindingError(target.name, data, f"it took MiB: {cost.memory >> 20}")
    return cost


def smallest(target: Target, finding: FindingError) -> FindingError:
    """The finding with as many bytes left out as possible; the others are zeros where possible."""
    best, until = finding, time.thread_time() + _SHRINKING
    for simpler in (_shorter, _plainer):
        step = max(len(best.data) // 2, 1)
        while step:
            at = 0
            while at < len(best.data) and time.thread_time() < until:
                data = simpler(best.data, at, step)
                again = None if data == best.data else _fails(target, data, like=finding)
                best = again or best
                if again is None or simpler is _plainer:
                    at += step
            step //= 2
    return best


def _shorter(data: bytes, at: int, step: int) -> bytes:
    return data[:at] + data[at + step :]


def _plainer(data: bytes, at: int, step: int) -> bytes:
    return data[:at] + bytes(len(data[at : at + step])) + data[at + step :]


def _fails(target: Target, data: bytes, *, like: FindingError) -> FindingError | None:
    """The finding that ``data`` still is, when it is of the same kind."""
    try:
        examine(target, data)
    except FindingError as finding:
        if finding.kind == like.kind:
            return finding
    return None


def _measured(target: Target, data: bytes) -> Cost:
    before = _reset_peak()
    started = time.thread_time()
    try:
        with _limited():
            accepted = target.run(data)
    except (Exception, HangError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
        raise FindingError(target.name, data, f"{kind} {str(error)[:300]}") from error
    return Cost(time.thread_time() - started, max(_peak() - before, 0), accepted)


@contextmanager
def _limited() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = _status("VmSize:") + _CEILING
    handler = signal.signal(signal.SIGVTALRM, _interrupt)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, _slowed(_PATIENCE))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, handler)


def _interrupt(*_: object) -> None:
    raise HangError("no answer")


def _slowed(seconds: float) -> float:
    return seconds * (_SLOWER_WHEN_TRACED if sys.gettrace() else 1)


def _reset_peak() -> int:
    """Begin a new peak; what the process holds now, in bytes."""
    _CLEAR.write_text("5")
    return _status("VmRSS:")


def _peak() -> int:
    return _status("VmHWM:")


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
