"""Reading the journal: steps, signals, and where an instance stands.

Rows of the history are numbered without gaps, so a listener that knows the last number it has seen
misses nothing and hears nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, cast

from workflow.engine.rows import AnyWorkflow, Recorded
from workflow.ports.work import Transaction, Value

STEP: Final = (
    "SELECT seq, lifecycle, id, event, source, target, entry, words, reason, actor, at,"
    " command_id, signals, details FROM history"
)
STEPS_AFTER: Final = STEP + " WHERE seq > ? ORDER BY seq LIMIT ?"
STEPS_OF: Final = STEP + " WHERE lifecycle = ? AND id = ? ORDER BY seq DESC LIMIT ?"
SIGNALS_AFTER: Final = STEP + " WHERE seq > ? AND signals IS NOT NULL ORDER BY seq LIMIT ?"


def steps_after(tx: Transaction, seq: int, limit: int = 1000) -> list[Recorded]:
    """The steps of all instances behind this number, oldest first."""
    return [_recorded(row) for row in tx.execute(STEPS_AFTER, (seq, limit)).fetchall()]


def steps_of(tx: Transaction, lifecycle: str, id: str, limit: int = 1000) -> list[Recorded]:
    """The newest steps of one instance, oldest first."""
    rows = tx.execute(STEPS_OF, (lifecycle, id, limit)).fetchall()
    return [_recorded(row) for row in reversed(rows)]


def signals_after(tx: Transaction, seq: int, limit: int = 1000) -> list[Recorded]:
    """The steps behind this number that told somebody something, oldest first."""
    return [_recorded(row) for row in tx.execute(SIGNALS_AFTER, (seq, limit)).fetchall()]


def begin_run(tx: Transaction, now: float) -> int:
    """Count one more opening of the journal, at this moment; returns its number, from 1."""
    run = int(remembered(tx, "run", lambda: "0")) + 1
    tx.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", [("run", str(run)), ("began_at", str(now))]
    )
    return run


def remembered(tx: Transaction, key: str, make: Callable[[], str]) -> str:
    """A value that is made once and the same ever after."""
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return str(row[0])
    value = make()
    tx.execute("INSERT INTO meta VALUES (?, ?)", (key, value))
    return value


def remember(tx: Transaction, key: str, value: str) -> str:
    """Another value from now on; returns the one before, empty when there was none."""
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    tx.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
    return str(row[0]) if row else ""


def counts(tx: Transaction, lifecycle: str) -> dict[str, int]:
    """How many instances are in which state, by the state's name."""
    rows = tx.execute(
        "SELECT state, count(*) FROM instance WHERE lifecycle = ? GROUP BY state", (lifecycle,)
    ).fetchall()
    return dict(cast("list[tuple[str, int]]", rows))


def replay(tx: Transaction, workflow: AnyWorkflow) -> list[str]:
    """Decide every stored step again; the complaints, empty when all come out the same.

    Steps that name what the table no longer has cannot be decided again and are left out.
    """
    complaints = []
    rows = tx.execute(
        "SELECT seq, event, source, target, facts, words FROM history WHERE lifecycle = ?"
        " ORDER BY seq",
        (workflow.name,),
    ).fetchall()
    for seq, event, source, target, facts, words in cast(
        "list[tuple[int, str, str, str, str, str]]", rows
    ):
        if not (event in workflow.lifecycle.events.__members__
                and {source, target} <= set(workflow.lifecycle.states.__members__)):  # fmt: skip
            continue
        now = workflow.replay(event, source, facts)
        if now != (target, words):
            complaints.append(f"step {seq} was '{words}' and would now be '{now[1]}'")
    return complaints


def _recorded(row: tuple[Value, ...]) -> Recorded:
    signals = json.loads(str(row[12])) if row[12] else []
    details = json.loads(str(row[13])) if row[13] else {}
    return Recorded(*row[:12], tuple(signals), details)  # type: ignore[arg-type, call-arg]
