"""Where a community stands: for people, in one look; for programs, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from states import COMMUNITY, look
from states.community import Facts, State, history_is_caught_up, is_control_node, link_is_wanted
from states.drawing import Overlay
from workflow.actions.tools import Tools
from workflow.engine.history import counts, steps_of
from workflow.engine.removed_states import AnyLifecycle
from workflow.ports.carrier import Traffic
from workflow.ports.work import Transaction


@dataclass(frozen=True, slots=True)
class Status:
    """One community. Times are seconds (UTC epoch); ``reason`` is why the last try failed."""

    id: str
    name: str
    state: str
    is_control_node: bool
    is_live: bool
    generation: int
    due_at: float | None
    reason: str
    condition: str
    refusals: Mapping[str, int]
    guards: Mapping[str, bool]


def status_of(tx: Transaction, tools: Tools, id: str) -> Status:
    """The status of one community. Raises ``UnknownCommunityError``."""
    community = tools.store.community(tx, id)
    facts = tools.facts(tx, id)
    row = tx.execute(
        "SELECT state, due_at, setbacks FROM instance WHERE lifecycle = ? AND id = ?",
        (COMMUNITY.name, id),
    ).fetchone()
    state, due_at, setbacks = cast("tuple[str, float | None, str]", row)
    failures = json.loads(setbacks)
    return Status(
        id=id,
        name=community.name,
        state=str(COMMUNITY.states[state].value),
        is_control_node=is_control_node(facts),
        is_live=facts.torrent_is_live,
        generation=facts.generation,
        due_at=due_at,
        reason=str(failures[-1][4]) if failures else "",
        condition=community.condition,
        refusals=tools.store.refusals(tx, id),
        guards=guards_now(facts),
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a community's work has come, as the process that does it sees it now.

    ``imported`` and ``importing`` count archives. ``is_wanting`` is true while a link leads to
    archives that are not all here, ``is_at_rest`` when nothing is left to do now but to wait;
    ``reason`` says what failed last and is to be tried again at ``due_at`` (seconds, UTC epoch).
    ``traffic`` is None when nothing is carried.
    """

    state: str
    is_control_node: bool
    is_live: bool
    is_wanting: bool
    is_at_rest: bool
    generation: int
    locator: str
    imported: int
    importing: int
    announced_clock: int
    due_at: float | None
    reason: str
    condition: str
    traffic: Traffic | None


def snapshot_of(tx: Transaction, tools: Tools, id: str) -> Snapshot:
    """How far a community has come. Raises ``UnknownCommunityError``."""
    status, facts = status_of(tx, tools, id), tools.facts(tx, id)
    state = COMMUNITY.states(status.state)
    imported, importing = tools.store.imports(tx, id)
    is_wanting = link_is_wanted(facts)
    carried = facts.link_locator if is_wanting else facts.locator
    is_waiting = (
        state is State.IDLE
        and history_is_caught_up(facts)
        and look(COMMUNITY, state, facts, facts.now).step is None
    )
    return Snapshot(
        state=status.state,
        is_control_node=status.is_control_node,
        is_live=status.is_live,
        is_wanting=is_wanting,
        is_at_rest=(is_waiting or state is State.OFF) and not importing,
        generation=status.generation,
        locator=facts.locator,
        imported=imported,
        importing=importing,
        announced_clock=facts.announced_clock,
        due_at=status.due_at,
        reason=status.reason,
        condition=status.condition,
        traffic=tools.carrier.traffic(carried) if carried else None,
    )


def guards_now(facts: Facts) -> dict[str, bool]:
    """Every guard of the table and what it says to these facts."""
    return {guard.__name__: guard(facts) for rule in COMMUNITY.rules for guard in rule.given}


def state_of(tx: Transaction, lifecycle: str, id: str) -> str:
    """The name of the state of an instance; empty when there is none."""
    row = tx.execute(
        "SELECT state FROM instance WHERE lifecycle = ? AND id = ?", (lifecycle, id)
    ).fetchone()
    return str(row[0]) if row else ""


def out_of_step(tx: Transaction, node_is_enabled: bool) -> list[tuple[str, bool]]:
    """Communities whose lifecycle is off though it should be on, or the other way round.

    A crash between two commits of a verb leaves such; each comes with what it should be.
    """
    rows = tx.execute(
        "SELECT c.id, c.is_enabled AND ?1 FROM community c"
        " JOIN instance i ON i.lifecycle = ?2 AND i.id = c.id"
        " WHERE (c.is_enabled AND ?1) = (i.state = ?3)",
        (node_is_enabled, COMMUNITY.name, State.OFF.name),
    ).fetchall()
    return [(str(id), bool(should_be_on)) for id, should_be_on in rows]


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
