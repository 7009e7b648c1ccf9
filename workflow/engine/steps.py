"""What happens inside the one transaction of a step.

Writes, facts, decision, instance, history and due times are applied here together; nothing in this
file waits, starts or sends anything. The functions run in the journal's thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, NamedTuple, cast

from loguru import logger

from states import Refusal, Step, decide, explain, look
from states.instance import (
    Instance,
    advance,
    is_running,
    start,
    survives_restart,
    wake_later,
)
from states.lifecycle import Setback
from states.machine import Answer
from workflow.engine.workflow import Workflow
from workflow.errors import UnknownInstanceError
from workflow.ports.work import Json, Reference, Transaction, Value, Writes, no_writes

AnyWorkflow = Workflow[Any, Any, Any, Any, Any]
AnyInstance = Instance[Any]

LOOKS_IN_A_ROW: Final = 16
"""A waiting state may lead to another at once; a table that never comes to rest is stopped."""
POSTPONED_BY: Final = 60.0
"""Seconds until an instance that could not even be looked at is looked at again."""
DUE: Final = (
    "SELECT lifecycle, id, state, version, entry, attempts, answered, due_at, setbacks"
    # With the plus SQLite reads the index of what is due, not all that the lifecycles have.
    " FROM instance WHERE due_at <= ? AND +lifecycle IN (SELECT value FROM json_each(?))"
    " ORDER BY due_at LIMIT ?"
)
OPEN: Final = (
    "SELECT id, state, version, entry, attempts, answered, due_at, setbacks"
    # By itself SQLite would read all instances: it does not know that few are open.
    " FROM instance INDEXED BY instance_open WHERE lifecycle = ? AND answered = 0"
)
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
    """What a transaction did: the steps, a refusal in words, and what the engine has to do now."""

    steps: list[Recorded]
    refusal: str = ""
    moved: dict[tuple[str, str], AnyInstance] | None = None
    wake_at: float | None = None
    is_repeat: bool = False

    def touch(self, workflow: AnyWorkflow, instance: AnyInstance) -> None:
        """Remember where an instance stands now, and when it wants to be woken."""
        self.moved = self.moved or {}
        self.moved[workflow.name, instance.id] = instance
        if instance.due_at is not None:
            self.wake_at = (
                instance.due_at if self.wake_at is None else min(self.wake_at, instance.due_at)
            )

    def join(self, other: Outcome) -> None:
        """Add what another part of the same transaction did."""
        self.steps += other.steps
        if other.moved:
            self.moved = self.moved or {}
            self.moved.update(other.moved)
        if other.wake_at is not None:
            self.wake_at = min(self.wake_at or other.wake_at, other.wake_at)


def load(tx: Transaction, workflow: AnyWorkflow, id: str) -> AnyInstance:
    """One instance. Raises ``UnknownInstanceError``."""
    row = tx.execute(
        "SELECT id, state, version, entry, attempts, answered, due_at, setbacks"
        " FROM instance WHERE lifecycle = ? AND id = ?",
        (workflow.name, id),
    ).fetchone()
    if row is None:
        raise UnknownInstanceError(f"there is no {workflow.name} '{id}'", place=id)
    return from_row(workflow, row)


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


def take(
    tx: Transaction,
    workflows: Mapping[str, AnyWorkflow],
    workflow: AnyWorkflow,
    id: str,
    request: Request,
    now: float,
) -> Outcome:
    """Take one event, and whatever follows from it at once."""
    outcome = Outcome([])
    instance = load(tx, workflow, id)
    if request.entry is not None and (request.entry != instance.entry or instance.answered):
        outcome.refusal = f"{instance.state.value} was entered anew; the old answer is dropped"
        return outcome
    tx.execute("SAVEPOINT answer", ())
    request.writes(tx)
    facts = workflow.read_facts(tx, [instance], now)[0]
    decision = decide(workflow.lifecycle, instance.state, request.event, facts)
    is_void = isinstance(decision, Refusal) or decision.discard
    if is_void:
        tx.execute("ROLLBACK TO answer", ())
    tx.execute("RELEASE answer", ())
    if isinstance(decision, Refusal):
        outcome.refusal = decision.words
        return outcome
    if not is_void:
        for new in request.enrols:
            other = workflows[new.lifecycle]
            outcome.touch(other, enrol(tx, other, new.id, now))
        for stirred in request.stirs:
            _stir(tx, workflows[stirred.lifecycle], [stirred.id], now)
            outcome.wake_at = now
    move = _move(workflow, instance, decision, facts, now, request)
    _write(tx, workflow, [move], now, outcome)
    _come_to_rest(tx, workflow, [move.after], now, outcome)
    return outcome


def look_again(tx: Transaction, workflow: AnyWorkflow, id: str, now: float) -> Outcome:
    """Let a waiting instance look at its levels, because something may have changed."""
    outcome = Outcome([])
    _come_to_rest(tx, workflow, [load(tx, workflow, id)], now, outcome)
    return outcome


def sweep(
    tx: Transaction, workflows: Mapping[str, AnyWorkflow], now: float, limit: int
) -> tuple[Outcome, bool]:
    """Do what is due for up to ``limit`` instances; True when there is more."""
    rows = tx.execute(DUE, (now, json.dumps(list(workflows)), limit)).fetchall()
    outcome = Outcome([])
    for name, group in groupby(sorted(rows, key=lambda row: str(row[0])), key=lambda row: row[0]):
        _do_due(tx, workflows[str(name)], [row[1:] for row in group], now, outcome)
    next_due = tx.execute("SELECT min(due_at) FROM instance WHERE due_at > ?", (now,)).fetchone()
    outcome.wake_at = cast("float | None", next_due[0]) if next_due else None
    return outcome, len(rows) == limit


def _do_due(
    tx: Transaction,
    workflow: AnyWorkflow,
    rows: Sequence[Sequence[Value]],
    now: float,
    outcome: Outcome,
) -> None:
    """Do what is due, together where possible; whoever cannot be looked at holds up no other."""
    done = Outcome([])
    tx.execute("SAVEPOINT due", ())
    try:
        instances = [from_row(workflow, row) for row in rows]
        working = [one for one in instances if not workflow.lifecycle.waits(one.state)]
        _save(tx, workflow, [(one, start(one)) for one in working], done)
        _come_to_rest(tx, workflow, instances, now, done)
    except sqlite3.Error:  # The disk's failure is everybody's.
        raise
    except Exception as error:  # noqa: BLE001 - a facts reader or a guard: the instance's own.
        tx.execute("ROLLBACK TO due", ())
        tx.execute("RELEASE due", ())
        if len(rows) > 1:
            for row in rows:
                _do_due(tx, workflow, [row], now, outcome)
        else:
            _postpone(tx, workflow, str(rows[0][0]), now, error)
    else:
        tx.execute("RELEASE due", ())
        outcome.join(done)


def _postpone(
    tx: Transaction, workflow: AnyWorkflow, id: str, now: float, error: Exception
) -> None:
    """Leave an instance as it is for a while: nothing can be decided about it now."""
    logger.bind(lifecycle=workflow.name, community=id).opt(exception=error).error(
        "{} cannot be looked at; again in {} s", id, POSTPONED_BY
    )
    tx.execute(
        "UPDATE instance SET due_at = ?, version = version + 1 WHERE lifecycle = ? AND id = ?",
        (now + POSTPONED_BY, workflow.name, id),
    )


def recover(tx: Transaction, workflows: Mapping[str, AnyWorkflow], now: float) -> Outcome:
    """After a restart: interrupted actions start again or count as failed, waiting states look."""
    outcome = Outcome([])
    for workflow in workflows.values():
        for row in tx.execute(OPEN, (workflow.name,)).fetchall():
            _restart(tx, workflows, workflow, row, now, outcome)
        _stir(tx, workflow, workflow.stirred(tx), now)
    return outcome


def _restart(
    tx: Transaction,
    workflows: Mapping[str, AnyWorkflow],
    workflow: AnyWorkflow,
    row: Sequence[Value],
    now: float,
    outcome: Outcome,
) -> None:
    """Start an interrupted action again, or count it as failed; one that cannot be decided waits.

    That one's trouble must not keep the whole engine from starting.
    """
    done = Outcome([])
    tx.execute("SAVEPOINT restart", ())
    try:
        instance = from_row(workflow, row)
        failed = workflow.lifecycle.failed
        if not is_running(workflow.lifecycle, instance):
            pass
        elif failed is None or survives_restart(instance):
            _save(tx, workflow, [(instance, start(instance))], done)
        else:
            reason = f"the process ended {instance.attempts} times while {instance.state.value}"
            request = Request(failed, "restart", entry=instance.entry, reason=reason)
            done = take(tx, workflows, workflow, instance.id, request, now)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - as in the sweep.
        tx.execute("ROLLBACK TO restart", ())
        _postpone(tx, workflow, str(row[0]), now, error)
    else:
        outcome.join(done)
    tx.execute("RELEASE restart", ())


def _stir(tx: Transaction, workflow: AnyWorkflow, ids: Iterable[str] | None, now: float) -> None:
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


def _come_to_rest(
    tx: Transaction,
    workflow: AnyWorkflow,
    instances: Iterable[AnyInstance],
    now: float,
    outcome: Outcome,
) -> None:
    """Look at the levels of waiting states until none leads on."""
    waiting = list(instances)
    for _ in range(LOOKS_IN_A_ROW):
        waiting = _look_at_all(tx, workflow, waiting, now, outcome)
        if not waiting:
            return
    _save(tx, workflow, [(one, wake_later(one, now + 1.0)) for one in waiting], outcome)


def _look_at_all(
    tx: Transaction,
    workflow: AnyWorkflow,
    instances: Iterable[AnyInstance],
    now: float,
    outcome: Outcome,
) -> list[AnyInstance]:
    """Look once at the levels of each; returns those that moved on and wait again."""
    waiting = [one for one in instances if workflow.lifecycle.levels.get(one.state)]
    moves: list[_Move] = []
    put_off: list[tuple[AnyInstance, AnyInstance]] = []
    facts_of_all = workflow.read_facts(tx, waiting, now) if waiting else ()
    for instance, facts in zip(waiting, facts_of_all, strict=True):
        seen = look(workflow.lifecycle, instance.state, facts, now, instance.setbacks)
        if seen.step is not None:
            request = Request(seen.step.event, "engine")
            moves.append(_move(workflow, instance, seen.step, facts, now, request))
        elif instance.due_at != seen.wake_at:
            put_off.append((instance, wake_later(instance, seen.wake_at)))
    _save(tx, workflow, put_off, outcome)
    _write(tx, workflow, moves, now, outcome)
    return [one.after for one in moves if workflow.lifecycle.waits(one.after.state)]


class _Move(NamedTuple):
    """A step that is decided and not written down yet."""

    before: AnyInstance
    after: AnyInstance
    step: Step[Any, Any, Any]
    facts: object
    request: Request


def _move(
    workflow: AnyWorkflow,
    instance: AnyInstance,
    step: Step[Any, Any, Any],
    facts: object,
    now: float,
    request: Request,
) -> _Move:
    after = advance(
        workflow.lifecycle,
        instance,
        step,
        now,
        is_answer=request.entry is not None,
        reason=request.reason,
        backoff=workflow.backoff,
    )
    return _Move(instance, after, step, facts, request)


def _write(
    tx: Transaction,
    workflow: AnyWorkflow,
    moves: Sequence[_Move],
    now: float,
    outcome: Outcome,
) -> None:
    """Write steps down: the instances (compare-and-swap) and their rows in the history."""
    if not moves:
        return
    _save(tx, workflow, [(move.before, move.after) for move in moves], outcome)
    row = tx.execute("SELECT coalesce(max(seq), 0) FROM history", ()).fetchone()
    newest = cast("int", row[0]) if row else 0
    steps = [_recorded(workflow, move, seq, now) for seq, move in enumerate(moves, newest + 1)]
    tx.executemany(
        RECORD,
        [_as_row(workflow, step, move) for step, move in zip(steps, moves, strict=True)],
    )
    outcome.steps += steps


def _save(
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


def _recorded(workflow: AnyWorkflow, move: _Move, seq: int, now: float) -> Recorded:
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


def _as_row(workflow: AnyWorkflow, step: Recorded, move: _Move) -> tuple[Value, ...]:
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
