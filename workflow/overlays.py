"""Communities on the picture of their lifecycle."""

from __future__ import annotations

from states import COMMUNITY
from states.community import Event, State
from states.drawing import Overlay
from workflow.engine.history import counts, steps_of
from workflow.ports.work import Transaction
from workflow.status import state_of


def way_of(tx: Transaction, id: str, steps: int = 12) -> Overlay:
    """One community on the picture of its lifecycle: where it is, and its newest steps."""
    way = tuple(
        (State[one.source], Event[one.event], State[one.target])
        for one in steps_of(tx, COMMUNITY.name, id, steps)
    )
    return Overlay(State[state_of(tx, COMMUNITY.name, id)], way)


def counts_of_all(tx: Transaction) -> Overlay:
    """All communities on the picture: how many are in which state."""
    found = counts(tx, COMMUNITY.name)
    return Overlay(counts={State[name]: count for name, count in found.items()})
