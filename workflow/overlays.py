"""Instances on the picture of their lifecycle."""

from __future__ import annotations

from states.drawing import Overlay
from workflow.engine.history import counts, steps_of
from workflow.engine.removed_states import AnyLifecycle
from workflow.ports.work import Transaction
from workflow.status import state_of


def way_of(tx: Transaction, lifecycle: AnyLifecycle, id: str, steps: int = 12) -> Overlay:
    """One instance on the picture of its lifecycle: where it is, and its newest steps.

    Steps of an earlier table, whose states or events are gone, are left out.
    """
    states, events = lifecycle.states.__members__, lifecycle.events.__members__
    way = tuple(
        (states[one.source], events[one.event], states[one.target])
        for one in steps_of(tx, lifecycle.name, id, steps)
        if one.event in events and {one.source, one.target} <= states.keys()
    )
    return Overlay(states.get(state_of(tx, lifecycle.name, id)), way)


def counts_of_all(tx: Transaction, lifecycle: AnyLifecycle) -> Overlay:
    """All instances on the picture: how many are in which state."""
    found = counts(tx, lifecycle.name)
    states = lifecycle.states.__members__
    return Overlay(counts={states[name]: n for name, n in found.items() if name in states})
