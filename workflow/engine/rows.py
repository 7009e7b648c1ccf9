"""Instances and steps as rows: how they are read, and how a step is written down.

Writing an instance is a compare-and-swap on its version and entry number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from states import Step, explain
from states.instance import (
    Instance,
)
from states.lifecycle import Setback
from states.machine import Answer
from workflow.engine.workflow import Workflow
from workflow.errors import UnknownInstanceError
from workflow.ports.work import Json, Reference, Transaction, Value, Writes, no_writes

AnyWorkflow = Workflow[Any, Any, Any, Any, Any]
AnyInstance = Instance[Any]
LOAD: Final = (
    "SELECT id, state, version, entry, attempts, answered, due_at, setbacks"
    " FROM instance WHERE lifecycle = ?"
)
LOAD_ONE: Final = LOAD + " AND id = ?"
LOAD_ALL: Final = LOAD + " ORDER BY id"
SAVE: Final = (
    "UPDATE instance SET state = ?, version = ?, entry = ?, attempts = ?, answered = ?,"
    " due_at = ?, setbacks = ? WHERE lifecycle = ? AND id = ? AND version = ? AND entry = ?"
)
RECORD: Final = (
    "INSERT INTO history (seq, lifecycle, id, event, source, target, entry, words, facts, guards,"
    " signals, details, reason, actor, at, command_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Request:
    """An event for an instance, with all that comes with it.

    ``entry`` is set for the answer of an action: it counts only while that entry lasts.
    """

    event: Enum
    actor: str
    writes: Writes = no_writes
    enrols: tuple[Reference, ...] = ()
    stirs: tuple[Reference, ...] = ()
    details: Mapping[str, Json] | None = None
    entry: int | None = None
    reason: str = ""
    command_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step as it stands in the history: events and states by their enumeration's names.

    ``at`` is in seconds (UTC epoch).
    """

    seq: int
    lifecycle: str
    id: str
    event: str
    source: str
    target: str
    entry: int
    words: str
    reason: str
    actor: str
    at: float
    command_id: str | None
    signals: tuple[Mapping[str, Json], ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What a transaction did: the steps, a refusal in words, and what the engine has to do now.

    ``details`` is what a command asked for, or has found out.
    """

    steps: list[Recorded]
    refusal: str = ""
    moved: dict[tuple[str, str], AnyInstance] | None = None
    wake_at: float | None = None
    is_repeat: bool = False
    details: Mapping[str, Json] = field(default_factory=dict)

    def touch(self, workflow: AnyWorkflow, instance: AnyInstance) -> None:
        """Remember where an instance stands now, and when it wants to be woken."""
        self.moved = self.moved or {}
        self.moved[workflow.name, instance.id] = instance
        if instance.due_at is not None:
            self.wake_at = (
                instance.due_at if self.wake_at is None else min(self.wake_at, instance.due_at)
            )

    def as_json(self) -> str:
        """What it says to who asked: steps, refusal, and whether it was kept from before."""
        return json.dumps(
            {
                "steps": [asdict(step) for step in self.steps],
                "refusal": self.refusal,
                "is_repeat": self.is_repeat,
                "details": self.details,
            }
        )

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Outcome:
        """What ``as_json`` said, parsed."""
        steps = [Recorded(**{**step, "signals": tuple(step["signals"])}) for step in told["steps"]]
        return cls(steps, told["refusal"], is_repeat=told["is_repeat"], details=told["details"])

    def join(self, other: Outcome) -> None:
        """Add what another part of the same transaction did."""
        self.steps += other.steps
        if other.moved:
            self.moved = self.moved or {}
            self.moved.update(other.moved)
        if other.wake_at is not None:
            self.wake_at = min(self.wake_at or other.wake_at, other.wake_at)


class Move(NamedTuple):
    """A step that is decided and not written down yet."""

    before: AnyInstance
    after: AnyInstance
    step: Step[Any, Any, Any]
    facts: object
    request: Request


def load(tx: Transaction, workflow: AnyWorkflow, id: str) -> AnyInstance:
    """One instance. Raises ``UnknownInstanceError``."""
    row = tx.execute(LOAD_ONE, (workflow.name, id)).fetchone()
    if row is None:
        raise UnknownInstanceError(f"there is no {workflow.name} '{id}'", place=id)
    return from_row(workflow, row)


def load_all(tx: Transaction, workflow: AnyWorkflow) -> list[AnyInstance]:
    """All instances of a lifecycle, in the order of their ids."""
    rows = tx.execute(LOAD_ALL, (workflow.name,)).fetchall()
    return [from_row(workflow, row) for row in rows]


def from_row(workflow: AnyWorkflow, row: Sequence[Value]) -> AnyInstance:
    """An instance from its columns, in the order of ``load``."""
    id, state, version, entry, attempts, answered, due_at, setbacks = cast(
        "tuple[str, str, int, int, int, int, float | None, str]", row
    )
    return Instance(
        id=id,
        state=workflow.state_named(state),
        version=version,
        entry=entry,
        attempts=attempts,
        answered=bool(answered),
        due_at=due_at,
        setbacks=() if setbacks == "[]" else tuple(Setback(*one) for one in json.loads(setbacks)),
    )


def enrol(tx: Transaction, workflow: AnyWorkflow, id: str, now: float) -> AnyInstance:
    """Bring an instance into being in the initial state; one that exists is left as it is.

    A working initial state starts its action; a waiting one is looked at by the next sweep.
    """
    lifecycle = workflow.lifecycle
    instance = Instance(id=id, state=lifecycle.initial)
    if lifecycle.waits(lifecycle.initial):
        instance = replace(instance, due_at=now if lifecycle.levels[lifecycle.initial] else None)
    else:
        instance = replace(instance, attempts=1, answered=False)
    tx.execute(
        "INSERT OR IGNORE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            workflow.name,
            id,
            instance.state.name,
            instance.version,
            instance.entry,
            instance.attempts,
            instance.answered,
            instance.due_at,
            "[]",
        ),
    )
    return load(tx, workflow, id)


def remove(tx: Transaction, instances: Iterable[Reference]) -> None:
    """Take instances out of being; those that do not exist are no mistake."""
    tx.executemany(
        "DELETE FROM instance WHERE lifecycle = ? AND id = ?",
        [(one.lifecycle, one.id) for one in instances],
    )


def stir(tx: Transaction, workflow: AnyWorkflow, ids: Iterable[str] | None, now: float) -> None:
    """Let these instances (None: all) look at their levels in the next sweep, if they wait."""
    waiting = [state.name for state, levels in workflow.lifecycle.levels.items() if levels]
    if ids is None:
        tx.executemany(
            "UPDATE instance SET due_at = ? WHERE lifecycle = ? AND state = ?",
            [(now, workflow.name, state) for state in waiting],
        )
    else:
        tx.executemany(
            "UPDATE instance SET due_at = ? WHERE lifecycle = ? AND id = ? AND state = ?",
            [(now, workflow.name, id, state) for id in ids for state in waiting],
        )


def newest_seq(tx: Transaction) -> int:
    """The number of the newest step; 0 before the first."""
    row = tx.execute("SELECT coalesce(max(seq), 0) FROM history", ()).fetchone()
    return cast("int", row[0]) if row else 0


def write(
    tx: Transaction,
    workflow: AnyWorkflow,
    moves: Sequence[Move],
    now: float,
    outcome: Outcome,
) -> None:
    """Write steps down: the instances (compare-and-swap) and their rows in the history."""
    if not moves:
        return
    save(tx, workflow, [(move.before, move.after) for move in moves], outcome)
    first = newest_seq(tx) + 1
    steps = [_recorded(workflow, move, seq, now) for seq, move in enumerate(moves, first)]
    tx.executemany(
        RECORD,
        [_as_row(workflow, step, move) for step, move in zip(steps, moves, strict=True)],
    )
    outcome.steps += steps


def save(
    tx: Transaction,
    workflow: AnyWorkflow,
    changes: Sequence[tuple[AnyInstance, AnyInstance]],
    outcome: Outcome,
) -> None:
    """Write instances as they are now, provided that they are still what they were before."""
    if not changes:
        return
    swapped = tx.executemany(
        SAVE,
        [
            (
                after.state.name,
                after.version,
                after.entry,
                after.attempts,
                after.answered,
                after.due_at,
                _setbacks_as_json(after.setbacks),
                workflow.name,
                after.id,
                before.version,
                before.entry,
            )
            for before, after in changes
        ],
    )
    if swapped.rowcount != len(changes):
        ids = ", ".join(after.id for _, after in changes[:3])
        raise AssertionError(f"{ids} or others were changed by somebody else")
    for _, after in changes:
        outcome.touch(workflow, after)


def _setbacks_as_json(setbacks: Sequence[Setback]) -> str:
    if not setbacks:
        return "[]"
    return json.dumps(
        [[one.state, one.failures, one.at, one.until, one.reason] for one in setbacks]
    )


@lru_cache
def _guards_as_json(tried: tuple[Answer, ...]) -> str:
    """The same few over and over: what guards can answer on the way to a rule."""
    return json.dumps(tried)


def _recorded(workflow: AnyWorkflow, move: Move, seq: int, now: float) -> Recorded:
    step, request, id = move.step, move.request, move.after.id
    details = dict(request.details or {})
    return Recorded(
        seq=seq,
        lifecycle=workflow.name,
        id=id,
        event=step.event.name,
        source=step.source.name,
        target=step.target.name,
        entry=move.after.entry,
        words=explain(workflow.lifecycle, step),
        reason=request.reason,
        actor=request.actor,
        at=now,
        command_id=request.command_id,
        signals=tuple(workflow.form_signal(id, signal, details) for signal in step.tell),
        details=details,
    )


def _as_row(workflow: AnyWorkflow, step: Recorded, move: Move) -> tuple[Value, ...]:
    """The columns of ``RECORD``."""
    return (
        step.seq,
        step.lifecycle,
        step.id,
        step.event,
        step.source,
        step.target,
        step.entry,
        step.words,
        workflow.facts_as_json(move.facts),
        _guards_as_json(move.step.tried),
        json.dumps(step.signals) if step.signals else None,
        json.dumps(step.details) if step.details else None,
        step.reason,
        step.actor,
        step.at,
        step.command_id,
    )
