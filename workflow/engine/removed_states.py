"""Instances in states that the tables no longer have: found, refused, and moved where they go on.

A table may change while instances of it are under way. Nothing can be decided about an instance in
a state that is gone, so the engine does not start beside one. Where such instances go on is said by
the lifecycle's ``renamed``; moving them is one transaction, with a row in the history for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from states.instance import transfer
from workflow.engine.rows import RECORD, AnyWorkflow, Outcome, from_row, newest_seq, save
from workflow.errors import StatesRemovedError
from workflow.ports.work import Transaction, Value

MIGRATED: Final = "MIGRATED"
"""What stands in the history where the name of an event stands: no event of a table."""
MIGRATION: Final = "migration"
"""Who moved such an instance, in the history."""

NOT_SAID: Final = (
    "Keep these states, or name in 'renamed' of their lifecycle the ones that go on for them; then"
    " run 'community-archives migrate --plan'."
)


@dataclass(frozen=True, slots=True)
class Stranded:
    """So many instances of a lifecycle are in a state that it does not have.

    ``target`` is the state in which they go on, by its member's name; empty when that is not said.
    """

    lifecycle: str
    state: str
    count: int
    target: str
    is_known: bool

    def __str__(self) -> str:
        many = "1 instance is" if self.count == 1 else f"{self.count} instances are"
        if not self.is_known:
            return f"{self.lifecycle}: {many} in {self.state}, and there is no such lifecycle"
        goes = f"goes on as {self.target}" if self.target else "nothing says where it goes on"
        return f"{self.lifecycle}: {many} in {self.state}; {goes}"


def stranded(tx: Transaction, workflows: Mapping[str, AnyWorkflow]) -> list[Stranded]:
    """Every state with instances that none of these workflows has, in the order of the names."""
    rows = tx.execute(
        "SELECT lifecycle, state, count(*) FROM instance GROUP BY lifecycle, state", ()
    ).fetchall()
    found = []
    for name, state, count in cast("list[tuple[str, str, int]]", rows):
        workflow = workflows.get(name)
        if workflow is None:
            found.append(Stranded(name, state, count, "", is_known=False))
        elif state not in workflow.lifecycle.states.__members__:
            target = workflow.lifecycle.renamed.get(state)
            found.append(Stranded(name, state, count, target.name if target else "", is_known=True))
    return found


def refuse_stranded(tx: Transaction, workflows: Mapping[str, AnyWorkflow]) -> None:
    """Raises ``StatesRemovedError`` with the whole list when there is such an instance."""
    found = stranded(tx, workflows)
    if found:
        raise _refusal(found)


def move_stranded(
    tx: Transaction, workflows: Mapping[str, AnyWorkflow], now: float
) -> list[Stranded]:
    """Move all of them, with a row in the history for each; tells what was moved.

    Raises ``StatesRemovedError`` when it is not said of every one where it goes on: then nothing is
    changed.
    """
    found = stranded(tx, workflows)
    lost = [one for one in found if not one.target]
    if lost:
        raise _refusal(lost)
    for one in found:
        _move_all(tx, workflows[one.lifecycle], one, now)
    return found


def _move_all(tx: Transaction, workflow: AnyWorkflow, one: Stranded, now: float) -> None:
    lifecycle = workflow.lifecycle
    target = workflow.state_named(one.target)
    rows = tx.execute(
        # The state that it goes on in stands in the place of the one that nobody knows any more.
        "SELECT id, ?, version, entry, attempts, answered, due_at, setbacks FROM instance"
        " WHERE lifecycle = ? AND state = ? ORDER BY id",
        (one.target, one.lifecycle, one.state),
    ).fetchall()
    before = [from_row(workflow, row) for row in rows]
    changes = [(each, transfer(lifecycle, each, target, now)) for each in before]
    save(tx, workflow, changes, Outcome([]))
    first = newest_seq(tx) + 1
    words = f"{one.state.lower()} --{MIGRATED.lower()}--> {target.value}"
    reason = f"{lifecycle.name} has no {one.state} any more; {one.target} goes on for it"
    tx.executemany(
        RECORD,
        [
            _row(one, seq, after.id, after.entry, (words, reason), now)
            for seq, (_, after) in enumerate(changes, first)
        ],
    )


def _row(
    one: Stranded, seq: int, id: str, entry: int, told: tuple[str, str], now: float
) -> tuple[Value, ...]:
    """The columns of ``RECORD``: no guard was asked, nothing is told."""
    words, reason = told
    return (seq, one.lifecycle, id, MIGRATED, one.state, one.target, entry, words, "{}", "[]",
            None, None, reason, MIGRATION, now, None)  # fmt: skip


def _refusal(found: Sequence[Stranded]) -> StatesRemovedError:
    lines = "\n  - ".join(str(one) for one in found)
    return StatesRemovedError(
        f"instances are in states that their tables do not have:\n  - {lines}",
        remedy="" if all(one.target for one in found) else NOT_SAID,
    )
