"""Commands have ids: what one has led to is kept in the transaction of its step.

Whoever repeats a command, because an answer was lost on the way, gets the outcome that was kept.
"""

from __future__ import annotations

import json

from workflow.engine.rows import Outcome
from workflow.errors import ConfigurationError
from workflow.ports.work import Transaction


def kept_outcome(tx: Transaction, command_id: str, asked: str) -> Outcome | None:
    """What the command with this id has led to, or None when it is new.

    Raises ``ConfigurationError`` when the id was used for something else.
    """
    row = tx.execute("SELECT request, outcome FROM command WHERE id = ?", (command_id,)).fetchone()
    if row is None:
        return None
    if row[0] != asked:
        raise ConfigurationError(
            "this command id was used for another command",
            place=command_id,
            remedy="Give each command an id of its own.",
        )
    return Outcome.from_json({**json.loads(str(row[1])), "is_repeat": True})


def keep_outcome(
    tx: Transaction, command_id: str, asked: str, outcome: Outcome, now: float
) -> None:
    """Keep what a command has led to, a refusal as well."""
    tx.execute(
        "INSERT INTO command VALUES (?, ?, ?, ?)", (command_id, asked, outcome.as_json(), now)
    )
