"""One instance of a lifecycle, as data, and the pure functions that move it on.

The engine stores instances as rows and the model check keeps them in sets; both move them with
the functions of this file, so what is checked is what runs.

An **entry** is one stay in a state, numbered. An answer carries the number of the entry that it
belongs to; an answer to an entry that is over is dropped. A running action has no due time: it
will answer. A due time says when a waiting state looks again, or when a failed action is started
again. Attempts are counted when an action starts, so that an action that kills its process counts
as well.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Generic, TypeVar

from states.lifecycle import A, E, F, G, Lifecycle, Setback, Step

S = TypeVar("S", bound=Enum)

UNHURRIED_RESTARTS: Final = 2
"""An interrupted action is simply started again this often; then it counts as failed."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, capped, with a jitter that depends on nothing but the instance.

    All times are seconds. The delay lies between half of the exponential value and all of it.
    """

    first: float = 5.0
    cap: float = 6 * 3600.0

    def delay(self, failures: int, salt: str) -> float:
        """How long to wait after this many failures (from 1)."""
        whole = min(self.cap, self.first * 2.0 ** min(failures - 1, 60))
        share = zlib.crc32(salt.encode()) / 0xFFFF_FFFF
        return whole * (0.5 + 0.5 * share)


DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True)
class Instance(Generic[S]):
    """Where an instance stands. ``due_at`` is in seconds (UTC epoch)."""

    id: str
    state: S
    version: int = 1
    entry: int = 1
    attempts: int = 0
    answered: bool = True
    due_at: float | None = None
    setbacks: tuple[Setback, ...] = ()

    @property
    def reason(self) -> str:
        """Why the last failed state failed; empty when nothing is waiting for another try."""
        return self.setbacks[-1].reason if self.setbacks else ""


def is_running(lifecycle: Lifecycle[S, E, A, F, G], instance: Instance[S]) -> bool:
    """True while an action is at work: its answer moves the instance on."""
    return (
        not instance.answered
        and instance.due_at is None
        and not lifecycle.waits(instance.state)
        and instance.state not in lifecycle.final
    )


def advance(
    lifecycle: Lifecycle[S, E, A, F, G],
    instance: Instance[S],
    step: Step[S, E, G],
    now: float,
    *,
    is_answer: bool,
    reason: str = "",
    backoff: Backoff = DEFAULT_BACKOFF,
) -> Instance[S]:
    """The instance after a step. ``is_answer`` is true for an answer of the running action."""
    if not step.is_entry:
        return replace(
            instance, version=instance.version + 1, answered=instance.answered or is_answer
        )
    has_failed = step.event is lifecycle.failed
    is_again = has_failed and step.target is step.source
    setbacks = instance.setbacks
    if has_failed:
        earlier = _failures_before(setbacks, step.source.name)
        # In place the tries count from the last arrival, so that nothing sits out a long wait in a
        # state that it could leave. Once it is left, all failures since a success count.
        counted = instance.attempts if is_again else earlier + instance.attempts
        delay = backoff.delay(counted, f"{instance.id}:{instance.entry}")
        failures = earlier if is_again else counted
        note = Setback(step.source.name, failures, now, now + delay, reason)
        setbacks = _without(setbacks, step.source.name, note)
    elif step.target is lifecycle.initial:
        setbacks = ()
    elif is_answer:
        setbacks = _without(setbacks, step.source.name)
        if lifecycle.waits(step.target):
            # Whatever else was to be tried again by now has been, or is not needed any more.
            setbacks = tuple(one for one in setbacks if one.until > now)
    entered = replace(
        instance,
        state=step.target,
        version=instance.version + 1,
        entry=instance.entry + 1,
        setbacks=setbacks,
    )
    if lifecycle.waits(step.target) or step.target in lifecycle.final:
        return replace(entered, attempts=0, answered=True, due_at=None)
    if is_again:
        return replace(entered, answered=False, due_at=setbacks[-1].until)
    return replace(entered, attempts=1, answered=False, due_at=None)


def start(instance: Instance[S]) -> Instance[S]:
    """The instance with its action started (again): one more attempt, and no due time."""
    return replace(
        instance, version=instance.version + 1, attempts=instance.attempts + 1, due_at=None
    )


def wake_later(instance: Instance[S], at: float | None) -> Instance[S]:
    """The waiting instance, to be looked at again at this moment (None: not by itself)."""
    return replace(instance, version=instance.version + 1, due_at=at)


def transfer(
    lifecycle: Lifecycle[S, E, A, F, G], instance: Instance[S], target: S, now: float
) -> Instance[S]:
    """The instance put into a state that goes on for one which the table no longer has.

    It is entered like any other: whatever ran is over, what failed before counts no more, and the
    next sweep starts its action or looks at its levels.
    """
    waits = lifecycle.waits(target)
    is_due = bool(lifecycle.levels[target]) if waits else target not in lifecycle.final
    return replace(
        instance,
        state=target,
        version=instance.version + 1,
        entry=instance.entry + 1,
        attempts=0,
        answered=waits or target in lifecycle.final,
        due_at=now if is_due else None,
        setbacks=(),
    )


def survives_restart(instance: Instance[S]) -> bool:
    """After a restart: True to start the interrupted action again, False to count it as failed."""
    return instance.attempts < UNHURRIED_RESTARTS


def _failures_before(setbacks: tuple[Setback, ...], state: str) -> int:
    return next((setback.failures for setback in setbacks if setback.state == state), 0)


def _without(setbacks: tuple[Setback, ...], state: str, *note: Setback) -> tuple[Setback, ...]:
    return (*(setback for setback in setbacks if setback.state != state), *note)
