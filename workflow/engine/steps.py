"""What happens inside the one transaction of a step.

Writes, facts, decision, instance, history and due times are applied here together; nothing in this
file waits, starts or sends anything. The functions run in the journal's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from states import Refusal, Step, decide, look
from states.instance import (
    advance,
    wake_later,
)
from workflow.engine.rows import (
    AnyInstance,
    AnyWorkflow,
    Move,
    Outcome,
    Request,
    enrol,
    load,
    save,
    stir,
    write,
)
from workflow.ports.work import Transaction

LOOKS_IN_A_ROW: Final = 16
"""A waiting state may lead to another at once; a table that never comes to rest is stopped."""


def take(
    tx: Transaction,
    workflows: Mapping[str, AnyWorkflow],
    workflow: AnyWorkflow,
    id: str,
    request: Request,
    clock: Callable[[], float],
) -> Outcome:
    """Take one event, and whatever follows from it at once.

    The step's time is read behind the event's writes: what these say of the present is then past,
    and a level that holds from that moment on leads on in this very transaction.
    """
    outcome = Outcome([])
    instance = load(tx, workflow, id)
    if request.entry is not None and (request.entry != instance.entry or instance.answered):
        outcome.refusal = f"{instance.state.value} was entered anew; the old answer is dropped"
        return outcome
    tx.execute("SAVEPOINT answer", ())
    request.writes(tx)
    now = clock()
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
            stir(tx, workflows[stirred.lifecycle], [stirred.id], now)
            outcome.wake_at = now
    move = _move(workflow, instance, decision, facts, now, request)
    write(tx, workflow, [move], now, outcome)
    come_to_rest(tx, workflow, [move.after], now, outcome)
    return outcome


def look_again(
    tx: Transaction, workflow: AnyWorkflow, id: str, now: float, *, is_urgent: bool
) -> Outcome:
    """Let a waiting instance look at its levels, because something may have changed.

    When it is urgent, what failed before holds back nothing.
    """
    outcome = Outcome([])
    instance = load(tx, workflow, id)
    if is_urgent:
        instance = replace(instance, setbacks=())
    come_to_rest(tx, workflow, [instance], now, outcome)
    return outcome


def come_to_rest(
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
    save(tx, workflow, [(one, wake_later(one, now + 1.0)) for one in waiting], outcome)


def _look_at_all(
    tx: Transaction,
    workflow: AnyWorkflow,
    instances: Iterable[AnyInstance],
    now: float,
    outcome: Outcome,
) -> list[AnyInstance]:
    """Look once at the levels of each; returns those that moved on and wait again."""
    waiting = [one for one in instances if workflow.lifecycle.levels.get(one.state)]
    moves: list[Move] = []
    put_off: list[tuple[AnyInstance, AnyInstance]] = []
    facts_of_all = workflow.read_facts(tx, waiting, now) if waiting else ()
    for instance, facts in zip(waiting, facts_of_all, strict=True):
        seen = look(workflow.lifecycle, instance.state, facts, now, instance.setbacks)
        if seen.step is not None:
            request = Request(seen.step.event, "engine")
            moves.append(_move(workflow, instance, seen.step, facts, now, request))
        elif instance.due_at != seen.wake_at:
            put_off.append((instance, wake_later(instance, seen.wake_at)))
    save(tx, workflow, put_off, outcome)
    write(tx, workflow, moves, now, outcome)
    return [one.after for one in moves if workflow.lifecycle.waits(one.after.state)]


def _move(
    workflow: AnyWorkflow,
    instance: AnyInstance,
    step: Step[Any, Any, Any],
    facts: object,
    now: float,
    request: Request,
) -> Move:
    after = advance(
        workflow.lifecycle,
        instance,
        step,
        now,
        is_answer=request.entry is not None,
        reason=request.reason,
        backoff=workflow.backoff,
    )
    return Move(instance, after, step, facts, request)
