"""Instances in states that the tables no longer have: found, refused, and moved where they go on.

A table may change while instances of it are under way. Nothing can be decided about an instance in
a state that is gone, so the engine does not start beside one. Where such instances go on is said by
the lifecycle's ``renamed``; moving them is one transaction, with a row in the history for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from states import Lifecycle
from states.instance import Instance, transfer
from workflow.errors import StatesRemovedError
from workflow.ports.work import Transaction

AnyLifecycle = Lifecycle[Any, Any, Any, Any, Any]

MIGRATED: Final = "MIGRATED"
"""Stands in the history where an event's name stands; no event of a table has led there."""
MIGRATION: Final = "migration"
"""Who moved such an instance, in the history."""
NOT_SAID: Final = (
    "Keep these states, or name in 'renamed' of their lifecycle the ones that go on for them; then"
    " run 'community-archives migrate --plan'."
)
GONE: Final = (
    "Put the lifecycle back into the application, and keep it while it has instances;"
    " 'engine.remove' takes away those that are at an end."
)
COUNTED: Final = "SELECT lifecycle, state, count(*) FROM instance GROUP BY lifecycle, state"
RECORD_ALL: Final = (
    "INSERT INTO history (seq, lifecycle, id, event, source, target, entry, words, facts, guards,"
    " reason, actor, at)"
    " SELECT (SELECT coalesce(max(seq), 0) FROM history) + row_number() OVER (ORDER BY id),"
    " lifecycle, id, ?, state, ?, entry + 1, ?, '{}', '[]', ?, ?, ?"
    " FROM instance WHERE lifecycle = ? AND state = ?"
)
MOVE_ALL: Final = (
    "UPDATE instance SET state = ?, version = version + 1, entry = entry + 1, attempts = ?,"
    " answered = ?, due_at = ?, setbacks = '[]' WHERE lifecycle = ? AND state = ?"
)


@dataclass(frozen=True, slots=True)
class Stranded:
    """So many instances of a lifecycle are in a state that it does not have.

    ``state`` and ``target``, in which they go on, are members' names; ``target`` is empty when that
    is not said. ``is_known`` is false when the lifecycle itself is gone.
    """

    lifecycle: str
    state: str
    count: int
    target: str = ""
    is_known: bool = True

    def __str__(self) -> str:
        many = "1 instance is" if self.count == 1 else f"{self.count} instances are"
        if not self.is_known:
            return f"{self.lifecycle}: {many} in {self.state}; there is no such lifecycle any more"
        goes = f"to go on in {self.target}" if self.target else "nothing says where to go on"
        return f"{self.lifecycle}: {many} in {self.state}; {goes}"


def stranded(tx: Transaction, lifecycles: Iterable[AnyLifecycle]) -> list[Stranded]:
    """Every state with instances that none of these lifecycles has, in the order of the names."""
    known = {one.name: one for one in lifecycles}
    found = []
    for name, state, count in cast("list[tuple[str, str, int]]", tx.execute(COUNTED).fetchall()):
        if name not in known:
            found.append(Stranded(name, state, count, is_known=False))
        elif state not in known[name].states.__members__:
            target = known[name].renamed.get(state)
            found.append(Stranded(name, state, count, target.name if target else ""))
    return found


def refuse_stranded(tx: Transaction, lifecycles: Iterable[AnyLifecycle]) -> None:
    """Raises ``StatesRemovedError`` with the whole list when there is such an instance."""
    found = stranded(tx, lifecycles)
    if found:
        raise _refusal(found)


def refuse_lost(found: Iterable[Stranded]) -> None:
    """Raises ``StatesRemovedError`` when it is not said of every one where it goes on."""
    lost = [one for one in found if not one.target]
    if lost:
        raise _refusal(lost)


def move_stranded(
    tx: Transaction, lifecycles: Sequence[AnyLifecycle], now: float
) -> list[Stranded]:
    """Move all of them, with a row in the history for each; tells what was moved.

    Raises ``StatesRemovedError`` when it is not said of every one where it goes on: then nothing is
    changed.
    """
    found = stranded(tx, lifecycles)
    refuse_lost(found)
    known = {one.name: one for one in lifecycles}
    for one in found:
        _move_all(tx, known[one.lifecycle], one, now)
    return found


def _move_all(tx: Transaction, lifecycle: AnyLifecycle, one: Stranded, now: float) -> None:
    target = lifecycle.states[one.target]
    words = f"{one.state.lower()} --{MIGRATED.lower()}--> {target.value}"
    reason = f"{lifecycle.name} has no {one.state} any more; {one.target} goes on for it"
    where = one.lifecycle, one.state
    tx.execute(RECORD_ALL, (MIGRATED, one.target, words, reason, MIGRATION, now, *where))
    any_of_them = transfer(lifecycle, Instance(id="", state=target), target, now)
    tx.execute(
        MOVE_ALL,
        (
            one.target,
            any_of_them.attempts,
            any_of_them.answered,
            any_of_them.due_at,
            *where,
        ),
    )


def _refusal(found: Sequence[Stranded]) -> StatesRemovedError:
    lines = "\n  - ".join(str(one) for one in found)
    lost = [one for one in found if not one.target]
    remedies = {NOT_SAID if one.is_known else GONE: None for one in lost}
    return StatesRemovedError(
        f"instances are in states that their tables do not have:\n  - {lines}",
        remedy=" ".join(remedies),
    )
