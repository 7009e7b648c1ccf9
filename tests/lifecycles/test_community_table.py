"""What the shipped tables say, against expectations that were written down without them.

An expectation lists, for a state and an event, what follows under which conditions; the first
line whose conditions hold counts. Every pair that is not listed must be refused. The conditions
are derived here from a *situation*, a set of plain words; the facts are made from the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from functools import cache
from itertools import chain, combinations, product
from typing import Any, NamedTuple, TypeAlias

import pytest

from states import community
from states.community import COMMUNITY, Event, Facts, Signal, State
from states.lifecycle import AGAIN, STAY, Lifecycle, Refusal, Step, decide, explain

S, E, G = State, Event, Signal
Situation: TypeAlias = frozenset[str]
AnyLifecycle: TypeAlias = Lifecycle[Any, Any, Any, Any, Any]


class Follows(NamedTuple):
    """One expected line: if all of these words hold, go there and tell that."""

    given: str
    to: Enum
    tell: tuple[Enum, ...] = ()
    discard: bool = False


def follows(given: str, to: Enum, *tell: Enum) -> Follows:
    return Follows(given, to, tell)


# ----------------------------------------------------------------------------------- the situations

NOW = 1_000.0

BITS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # word         the facts when it does not hold         and when it does
    "meant on":   ({"is_meant_to_be_on": False},           {"is_meant_to_be_on": True}),
    "control":    ({"epoch_matches": False},               {"epoch_matches": True}),
    "live":       ({"torrent_is_live": False},             {"torrent_is_live": True}),
    "generation": ({"generation": 0},                      {"generation": 3}),
    "newer link": ({"link_clock": 7},                      {"link_clock": 8}),
    "caught up":  ({"is_caught_up": False},                {"is_caught_up": True}),
    "deadline":   ({"catch_up_deadline": NOW + 0.5},       {"catch_up_deadline": NOW}),
    "new":        ({"new_archives": 0},                    {"new_archives": 1}),
    "due":        ({"announce_due_at": NOW + 0.5},         {"announce_due_at": NOW}),
    "tries left": ({"attempts": 3},                        {"attempts": 2}),
    "was seeded": ({"torrent_was_seeded": False},          {"torrent_was_seeded": True}),
}  # fmt: skip

ALIKE: dict[str, Any] = {
    "now": NOW,
    "holds_control_key": True,
    "is_control_device": True,
    "announced_clock": 7,
    "locator": "ours",
    "link_locator": "theirs",
    "attempts_allowed": 3,
}


# No row asks for two of these at once: alone, together and none of them is enough.
APART = frozenset({"meant on", "new", "tries left", "was seeded"})
TOGETHER = [word for word in BITS if word not in APART]


def all_situations() -> list[Situation]:
    apart = [frozenset[str](), APART, *(frozenset({word}) for word in APART)]
    sizes = range(len(TOGETHER) + 1)
    chosen = chain.from_iterable(combinations(TOGETHER, size) for size in sizes)
    return [words | one for words in map(frozenset, chosen) for one in apart]


SITUATIONS = all_situations()


def facts_in(situation: Situation) -> Facts:
    chosen = (holds if word in situation else fails for word, (fails, holds) in BITS.items())
    return Facts(**dict(chain(ALIKE.items(), *(part.items() for part in chosen))))


FACTS = {situation: facts_in(situation) for situation in SITUATIONS}


def conditions_in(situation: Situation) -> Situation:
    """The words of the expectations that hold: the bits, and two that follow from them."""
    wanted = "newer link" in situation
    complete = "deadline" in situation or ("caught up" in situation and not wanted)
    derived = {"wanted"} if wanted else set()
    return situation | derived | ({"history complete"} if complete else set())


CONDITIONS = {situation: conditions_in(situation) for situation in SITUATIONS}


# ------------------------------------------------------------------------------------ a community

STAYS = [follows("", STAY)]
GOES_OFF = [follows("", S.OFF)]
TRIES_AGAIN = [follows("tries left", AGAIN), follows("", S.IDLE)]
FOLLOWS_LINK = [follows("wanted", S.SETTLING), follows("", STAY)]

COMMUNITY_EXPECTED: dict[tuple[State, Event], list[Follows]] = {
    (S.OFF, E.SWITCHED_ON): [follows("meant on", S.IDLE), follows("", STAY)],
    (S.OFF, E.SWITCHED_OFF): STAYS,
    (S.OFF, E.TORRENT_DROPPED): [follows("was seeded", STAY, G.UNSEEDED), follows("", STAY)],
    (S.OFF, E.LINK_RECEIVED): STAYS,
    (S.OFF, E.ACTION_FAILED): [follows("", AGAIN)],

    (S.IDLE, E.TORRENT_MISSING): [follows("generation", S.SEEDING), follows("", STAY)],
    (S.IDLE, E.LINK_WAITING): [follows("wanted", S.SETTLING), follows("", STAY)],
    (S.IDLE, E.WINDOW_CLOSED): [
        follows("control, history complete", S.CREATING, G.CREATING),
        follows("", STAY),
    ],
    (S.IDLE, E.ANNOUNCE_DUE): [
        follows("control, due, history complete", S.SEEDING),
        follows("", STAY),
    ],
    (S.IDLE, E.LINK_RECEIVED): STAYS,
    (S.IDLE, E.SWITCHED_OFF): GOES_OFF,

    (S.CREATING, E.ARCHIVES_WRITTEN): [
        follows("control", S.SEEDING, G.CREATED),
        Follows("", S.IDLE, discard=True),
    ],
    (S.CREATING, E.NOTHING_TO_WRITE): [follows("", S.IDLE, G.NONE_CREATED)],
    (S.CREATING, E.CONTROL_LOST): [follows("", S.IDLE)],
    (S.CREATING, E.LINK_RECEIVED): STAYS,
    (S.CREATING, E.ACTION_FAILED): TRIES_AGAIN,
    (S.CREATING, E.SWITCHED_OFF): GOES_OFF,

    (S.SEEDING, E.TORRENT_SEEDED): [
        follows("control, live, due, history complete", S.ANNOUNCING, G.SEEDING),
        follows("", S.IDLE, G.SEEDING),
    ],
    (S.SEEDING, E.PIECES_MISSING): [follows("", S.DOWNLOADING)],
    (S.SEEDING, E.LINK_RECEIVED): STAYS,
    (S.SEEDING, E.ACTION_FAILED): TRIES_AGAIN,
    (S.SEEDING, E.SWITCHED_OFF): GOES_OFF,

    (S.ANNOUNCING, E.LINK_SENT): [follows("", S.IDLE)],
    (S.ANNOUNCING, E.TORRENT_MISSING): [follows("", S.SEEDING)],
    (S.ANNOUNCING, E.CONTROL_LOST): [follows("", S.IDLE)],
    (S.ANNOUNCING, E.LINK_RECEIVED): STAYS,
    (S.ANNOUNCING, E.ACTION_FAILED): TRIES_AGAIN,
    (S.ANNOUNCING, E.SWITCHED_OFF): GOES_OFF,

    (S.SETTLING, E.SETTLED): [follows("", S.FETCHING)],
    (S.SETTLING, E.LINK_RECEIVED): FOLLOWS_LINK,
    (S.SETTLING, E.SWITCHED_OFF): GOES_OFF,

    (S.FETCHING, E.INDEX_FETCHED): [
        follows("new", S.DOWNLOADING, G.DOWNLOAD_STARTED),
        follows("", S.SEEDING, G.DOWNLOAD_FINISHED),
    ],
    (S.FETCHING, E.KEY_MISSING): [follows("", S.IDLE)],
    (S.FETCHING, E.LINK_RECEIVED): FOLLOWS_LINK,
    (S.FETCHING, E.ACTION_FAILED): TRIES_AGAIN,
    (S.FETCHING, E.SWITCHED_OFF): GOES_OFF,

    (S.DOWNLOADING, E.ARCHIVES_DOWNLOADED): [follows("", S.SEEDING)],
    (S.DOWNLOADING, E.LINK_RECEIVED): FOLLOWS_LINK,
    (S.DOWNLOADING, E.ACTION_FAILED): TRIES_AGAIN,
    (S.DOWNLOADING, E.SWITCHED_OFF): GOES_OFF,
} | {(state, E.SWITCHED_ON): STAYS for state in State if state is not S.OFF}  # fmt: skip


def words_of(pair: tuple[Enum, Enum]) -> str:
    return f"{pair[0].value} on {pair[1].value}"


def compare(
    lifecycle: AnyLifecycle,
    pair: tuple[Enum, Enum],
    lines: list[Follows],
    situations: Iterator[tuple[object, Situation]],
) -> int:
    """Decide in all situations; the number of expected lines that were taken at least once."""
    state, event = pair
    taken: set[int] = set()
    for facts, conditions in situations:
        number, line = next(
            (number, line)
            for number, line in enumerate(lines)
            if set(filter(None, line.given.split(", "))) <= conditions
        )
        taken.add(number)
        step = decide(lifecycle, state, event, facts)
        assert isinstance(step, Step), f"refused: {step}"
        assert (step.source, step.event) == pair
        said = lifecycle.rules[step.rule]
        assert said.to is line.to, explain(lifecycle, step)
        assert step.target is (state if line.to in {STAY, AGAIN} else line.to)
        assert step.is_entry is (line.to is not STAY)
        assert step.tell == line.tell
        assert step.discard is line.discard
    return len(taken)


@pytest.mark.parametrize("pair", list(product(State, Event)), ids=words_of)
def test_each_pair_of_a_community_does_what_is_expected(pair: tuple[State, Event]) -> None:
    lines = COMMUNITY_EXPECTED.get(pair)
    if lines is None:
        for facts in FACTS.values():
            refusal = decide(COMMUNITY, *pair, facts)
            assert refusal == Refusal(*pair, f"{pair[0].value} does not answer {pair[1].value}")
        return
    situations = ((FACTS[one], CONDITIONS[one]) for one in SITUATIONS)
    assert compare(COMMUNITY, pair, lines, situations) == len(lines)


def test_the_expectation_has_as_many_pairs_as_are_answered() -> None:
    """As many as were counted by hand: a pair that vanished here and there would go unseen."""
    assert len(COMMUNITY_EXPECTED) == 47
    assert len(State) * len(Event) == 152
    assert len(FACTS) == 2**7 * 6
    given = [set(line.given.split(", ")) for lines in COMMUNITY_EXPECTED.values() for line in lines]
    assert all(len(words & APART) <= 1 for words in given)


@cache
def all_steps() -> list[tuple[Situation, Step[State, Event, Signal]]]:
    return [
        (situation, step)
        for pair in COMMUNITY_EXPECTED
        for situation, facts in FACTS.items()
        if isinstance(step := decide(COMMUNITY, *pair, facts), Step)
    ]


def test_every_row_is_taken_in_some_situation() -> None:
    assert {step.rule for _, step in all_steps()} == set(range(len(COMMUNITY.rules)))


def test_a_refusal_changes_nothing_for_the_next_question() -> None:
    facts = FACTS[frozenset({"control", "live", "due"})]
    before = decide(COMMUNITY, S.SEEDING, E.TORRENT_SEEDED, facts)
    kept = dict(COMMUNITY.compiled.machine.events[E.LINK_SENT.name].transitions)
    assert isinstance(decide(COMMUNITY, S.SEEDING, E.LINK_SENT, facts), Refusal)
    assert decide(COMMUNITY, S.SEEDING, E.TORRENT_SEEDED, facts) == before
    # transitions keeps them in a defaultdict: asking must not make an entry for the state.
    assert COMMUNITY.compiled.machine.events[E.LINK_SENT.name].transitions == kept


# --------------------------------------------------------------- the rule at the heart of the table


def test_announcing_has_exactly_one_row_in() -> None:
    ways_in = [rule for rule in COMMUNITY.rules if rule.to is S.ANNOUNCING]
    assert len(ways_in) == 1
    assert ways_in[0].within == (S.SEEDING,)
    assert ways_in[0].on == (E.TORRENT_SEEDED,)
    assert ways_in[0].given == (
        community.is_control_node,
        community.torrent_is_live,
        community.announcement_is_due,
        community.history_is_caught_up,
    )


def test_nothing_leads_a_member_to_creating_or_announcing() -> None:
    """Only an action that had been started under control is tried again; it asks for itself."""
    reached: set[State] = set()
    for situation, step in all_steps():
        if step.is_entry and step.event is not E.ACTION_FAILED:
            if step.target in {S.CREATING, S.ANNOUNCING}:
                assert "control" in situation
            if step.target is S.ANNOUNCING:
                assert "live" in situation
            reached.add(step.target)
    assert reached == set(State)


CONTROL = FACTS[frozenset({"control", "live", "generation", "caught up", "due", "new"})]
NOT_CONTROL = [
    replace(CONTROL, holds_control_key=False),
    replace(CONTROL, is_control_device=False),
    replace(CONTROL, epoch_matches=False),
]


def walk(state: State, *path: tuple[Event, Facts]) -> State:
    for event, facts in path:
        step = decide(COMMUNITY, state, event, facts)
        assert isinstance(step, Step)
        state = step.target
    return state


WAYS_INTO_SEEDING = [
    (S.CREATING, E.ARCHIVES_WRITTEN),
    (S.DOWNLOADING, E.ARCHIVES_DOWNLOADED),
    (S.FETCHING, E.INDEX_FETCHED),
    (S.IDLE, E.TORRENT_MISSING),
    (S.IDLE, E.ANNOUNCE_DUE),
    (S.ANNOUNCING, E.TORRENT_MISSING),
]


def test_these_are_all_ways_into_seeding() -> None:
    found = {
        (state, event)
        for rule in COMMUNITY.rules
        if rule.to is S.SEEDING
        for state, event in product(rule.within, rule.on)
    }
    assert found == set(WAYS_INTO_SEEDING)


@pytest.mark.parametrize(("state", "event"), WAYS_INTO_SEEDING)
def test_every_way_into_seeding_meets_the_control_node_guard(state: State, event: Event) -> None:
    """A control node announces after each of them, anybody else after none."""
    arrives = replace(CONTROL, new_archives=0)
    assert walk(state, (event, arrives)) is S.SEEDING
    assert walk(state, (event, arrives), (E.TORRENT_SEEDED, CONTROL)) is S.ANNOUNCING
    for lost in NOT_CONTROL:
        assert walk(state, (event, arrives), (E.TORRENT_SEEDED, lost)) is S.IDLE


@pytest.mark.parametrize("lost", NOT_CONTROL)
def test_what_was_written_without_control_is_discarded(lost: Facts) -> None:
    step = decide(COMMUNITY, S.CREATING, E.ARCHIVES_WRITTEN, lost)
    assert isinstance(step, Step)
    assert (step.target, step.discard, step.tell) == (S.IDLE, True, ())


def test_nothing_but_what_was_written_without_control_is_discarded() -> None:
    discarding = [rule for rule in COMMUNITY.rules if rule.discard]
    assert [(rule.within, rule.on) for rule in discarding] == [
        ((S.CREATING,), (E.ARCHIVES_WRITTEN,))
    ]


def test_a_community_can_always_be_switched_off() -> None:
    for state in set(State) - {S.OFF}:
        for facts in FACTS.values():
            assert walk(state, (E.SWITCHED_OFF, facts)) is S.OFF


def test_every_state_that_gives_up_holds_something_back() -> None:
    """Else idle would send it straight back, without any pause between the tries."""
    gives_up = {state for (state, _), lines in COMMUNITY_EXPECTED.items() if lines is TRIES_AGAIN}
    held = {state for level in COMMUNITY.levels[S.IDLE] for state in level.held_back_by}
    assert gives_up == held == {S.CREATING, S.SEEDING, S.ANNOUNCING, S.FETCHING, S.DOWNLOADING}


def test_each_state_has_the_action_that_it_is_named_for() -> None:
    assert {state.value: action.value for state, action in COMMUNITY.acts.items()} == {
        "off": "drop_torrent",
        "idle": "look",
        "creating": "create_archives",
        "seeding": "seed_torrent",
        "announcing": "send_link",
        "settling": "wait_for_links",
        "fetching": "fetch_index",
        "downloading": "download_archives",
    }
    assert set(COMMUNITY.levels) == {S.IDLE, S.SETTLING}
    assert (COMMUNITY.initial, COMMUNITY.final) == (S.OFF, ())
