"""Where a community stands: for people, in one look; for programs, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from states import COMMUNITY, look
from states.community import Facts, State, history_is_caught_up, is_control_node, link_is_wanted
from states.instance import Instance
from states.lifecycle import Setback
from workflow.actions.tools import Tools
from workflow.ports.carrier import Traffic
from workflow.ports.records import Choice, Community, Holding
from workflow.ports.work import Transaction, Value

ROWS: Final = (
    "SELECT i.id, i.state, i.version, i.entry, i.attempts, i.answered, i.due_at, i.setbacks,"
    " (SELECT at FROM history WHERE lifecycle = i.lifecycle AND id = i.id"
    "  ORDER BY seq DESC LIMIT 1),"
    " (SELECT max(sent_at) FROM announcement WHERE community = i.id),"
    " (SELECT last_at FROM link WHERE community = i.id),"
    " (SELECT min(until) FROM (SELECT max(until) AS until FROM heard WHERE community = i.id"
    "  GROUP BY chat))"
    # The other way round SQLite would read all instances once for each community.
    " FROM json_each(?2) asked CROSS JOIN instance i ON i.lifecycle = ?1 AND i.id = asked.value"
)


BEHIND: Final = 3_600.0
"""Seconds after which a network of chats that has told nothing is said to be behind."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that rows tell of one community at one moment. Times are seconds (UTC epoch).

    ``moved_at`` is when its last step was taken, ``announced_at`` when its own archives were last
    announced, ``heard_at`` when the newest link of somebody else's came; None for never.
    ``told_until`` is until when the network of chats has told everything, by the best source of
    the chat that is most behind; None where no such network was ever asked.
    """

    community: Community
    instance: Instance[State]
    facts: Facts
    holding: Holding
    choice: Choice
    moved_at: float | None
    announced_at: float | None
    heard_at: float | None
    told_until: float | None = None

    @property
    def unheard_since(self) -> float | None:
        """Since when something is not known, if that is longer than a node needs to ask for it."""
        until, now = self.told_until, self.facts.now
        is_behind = until is not None and until + BEHIND < now
        return until if is_behind and history_is_caught_up(self.facts) else None


@dataclass(frozen=True, slots=True)
class Status:
    """One community. Times are seconds (UTC epoch); ``reason`` is why the last try failed.

    ``peers`` are connected for its archives; None where nobody could be asked. ``chosen`` says in
    words which archives are fetched, and ``holding`` how many of them are here. ``is_key_saved`` is
    false on the control device until somebody has saved the private key. ``unheard_since`` is since
    when the network of chats has not told what is said; None while it is told.
    """

    id: str
    name: str
    state: str
    is_control_node: bool
    is_live: bool
    peers: int | None
    generation: int
    chosen: str
    holding: Holding
    due_at: float | None
    reason: str
    condition: str
    refusals: Mapping[str, int]
    guards: Mapping[str, bool]
    is_key_saved: bool = True
    unheard_since: float | None = None


def standings(tx: Transaction, tools: Tools, known: Sequence[Community]) -> list[Standing]:
    """Where these communities stand, in their order: a few queries, however many they are."""
    ids = [one.id for one in known]
    rows = {str(row[0]): row for row in tx.execute(ROWS, (COMMUNITY.name, json.dumps(ids)))}
    holdings = tools.store.holdings(tx, ids)
    return [
        Standing(
            one,
            _instance(rows[one.id]),
            facts,
            holdings.get(one.id, Holding()),
            tools.store.choice(tx, one.id),
            *cast("tuple[float | None, ...]", rows[one.id][8:]),
        )
        for one, facts in zip(known, tools.facts_of(tx, ids), strict=True)
    ]


def _instance(row: Sequence[Value]) -> Instance[State]:
    id, state, version, entry, attempts, answered, due_at, setbacks = cast(
        "tuple[str, str, int, int, int, int, float | None, str]", row[:8]
    )
    kept = tuple(Setback(*one) for one in json.loads(setbacks))
    return Instance(id, State[state], version, entry, attempts, bool(answered), due_at, kept)


def statuses(tx: Transaction, tools: Tools, known: Sequence[Community]) -> list[Status]:
    """The status of each of these communities, in their order."""
    return [
        Status(
            id=one.community.id,
            name=one.community.name,
            state=str(one.instance.state.value),
            is_control_node=is_control_node(one.facts),
            is_live=one.facts.torrent_is_live,
            peers=_peers(tools, one.facts),
            generation=one.facts.generation,
            chosen=one.choice.words,
            holding=one.holding,
            due_at=one.instance.due_at,
            reason=one.instance.reason,
            condition=one.community.condition,
            refusals=tools.store.refusals(tx, one.community.id),
            guards=guards_now(one.facts),
            is_key_saved=key_is_saved(tx, tools, one.facts, one.community.id),
            unheard_since=one.unheard_since,
        )
        for one in standings(tx, tools, known)
    ]


def status_of(tx: Transaction, tools: Tools, id: str) -> Status:
    """The status of one community. Raises ``UnknownCommunityError``."""
    return statuses(tx, tools, [tools.store.community(tx, id)])[0]


def key_is_saved(tx: Transaction, tools: Tools, facts: Facts, id: str) -> bool:
    """False on the control device until somebody has saved the private key."""
    return not facts.is_control_device or tools.store.key_is_saved(tx, id)


def overview(tx: Transaction, tools: Tools) -> dict[str, tuple[bool, int | None]]:
    """By the ids of all communities: whether it is live now, and how many peers it has."""
    ids = [one.id for one in tools.store.communities(tx)]
    found = zip(ids, tools.facts_of(tx, ids), strict=True)
    return {id: (facts.torrent_is_live, _peers(tools, facts)) for id, facts in found}


def carried(facts: Facts) -> str:
    """What is carried for a community now: the link that it follows, else its own archives."""
    return facts.link_locator if link_is_wanted(facts) else facts.locator


def _peers(tools: Tools, facts: Facts) -> int | None:
    locator = carried(facts)
    traffic = tools.carrier.traffic(locator) if locator else None
    return None if traffic is None else traffic.peers


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
    is_key_saved: bool


def snapshot_of(tx: Transaction, tools: Tools, id: str) -> Snapshot:
    """How far a community has come. Raises ``UnknownCommunityError``."""
    status, facts = status_of(tx, tools, id), tools.facts(tx, id)
    state = COMMUNITY.states(status.state)
    imported, importing = tools.store.imports(tx, id)
    locator = carried(facts)
    is_waiting = (
        state is State.IDLE
        and history_is_caught_up(facts)
        and look(COMMUNITY, state, facts, facts.now).step is None
    )
    return Snapshot(
        state=status.state,
        is_control_node=status.is_control_node,
        is_live=status.is_live,
        is_wanting=link_is_wanted(facts),
        is_at_rest=(is_waiting or state is State.OFF) and not importing,
        generation=status.generation,
        locator=facts.locator,
        imported=imported,
        importing=importing,
        announced_clock=facts.announced_clock,
        due_at=status.due_at,
        reason=status.reason,
        condition=status.condition,
        traffic=tools.carrier.traffic(locator) if locator else None,
        is_key_saved=status.is_key_saved,
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
