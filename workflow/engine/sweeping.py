"""What is due, and what a restart finds: many instances at once, none at another's cost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final, cast

from loguru import logger

from states.instance import (
    is_running,
    start,
    survives_restart,
)
from workflow.engine.rows import AnyWorkflow, Outcome, Request, from_row, save, stir
from workflow.engine.steps import come_to_rest, take
from workflow.ports.work import Transaction, Value

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
        save(tx, workflow, [(one, start(one)) for one in working], done)
        come_to_rest(tx, workflow, instances, now, done)
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


def bring_forward(tx: Transaction, now: float) -> None:
    """The clock was put back: due times of the time that was not are due now.

    Whoever is early looks, and waits again; nobody waits for a year because of an hour's mistake.
    """
    tx.execute("UPDATE instance SET due_at = ? WHERE due_at > ?", (now, now))


def recover(tx: Transaction, workflows: Mapping[str, AnyWorkflow], now: float) -> Outcome:
    """After a restart: interrupted actions start again or count as failed, waiting states look."""
    outcome = Outcome([])
    newest = tx.execute("SELECT at FROM history ORDER BY seq DESC LIMIT 1", ()).fetchone()
    if newest is not None and cast("float", newest[0]) > now:
        bring_forward(tx, now)
    for workflow in workflows.values():
        for row in tx.execute(OPEN, (workflow.name,)).fetchall():
            _restart(tx, workflows, workflow, row, now, outcome)
        stir(tx, workflow, workflow.stirred(tx), now)
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
            save(tx, workflow, [(instance, start(instance))], done)
        else:
            reason = f"the process ended {instance.attempts} times while {instance.state.value}"
            request = Request(failed, "restart", entry=instance.entry, reason=reason)
            done = take(tx, workflows, workflow, instance.id, request, lambda: now)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - as in the sweep.
        tx.execute("ROLLBACK TO restart", ())
        _postpone(tx, workflow, str(row[0]), now, error)
    else:
        outcome.join(done)
    tx.execute("RELEASE restart", ())
