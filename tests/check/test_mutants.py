"""A table with one row or one guard less, or a guard turned round, never goes unnoticed.

Each mutant is caught by the checks when a table is built, by ``community-archives check``, or by a
named test; the last kind stands in ``CAUGHT_BY_TEST`` with the test's id and with what it asks of
the shipped table: the mutant must answer otherwise.
The same for what holds a condition back after a failure, and for the waiting itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY, Lifecycle, LifecycleError, Rule, Step, decide
from states.community import Event, Facts, State, has_generation
from states.node import NODE
from workflow.check import Result, check_archive, check_community, check_lifecycle

Table = Lifecycle[Any, Any, Any, Any, Any]
Mutant = tuple[str, Callable[[], Table]]


def is_tried_again_in_place(table: Table) -> bool:
    """After a first failure the same state is entered anew, before anything is given up."""
    step = decide(table, State.SEEDING, Event.ACTION_FAILED, Facts(attempts=1, attempts_allowed=3))
    return isinstance(step, Step) and step.target is State.SEEDING


def answers_every_switch(table: Table) -> bool:
    """Switching off what is off is an answer, not a refusal: the wish behind it is kept."""
    return isinstance(decide(table, State.OFF, Event.SWITCHED_OFF, Facts()), Step)


def announces_only_what_is_live(table: Table) -> bool:
    """The way into announcing asks whether the archives are live, and whether news are awaited.

    Before sending it is asked again, and there the search would see it; the table asks as well.
    """
    owner = Facts(
        now=10.0,
        holds_control_key=True,
        is_control_device=True,
        epoch_matches=True,
        generation=1,
        announce_due_at=0.0,
        torrent_is_live=True,
        is_caught_up=True,
    )
    for changed, expected in (
        (owner, State.ANNOUNCING),
        (replace(owner, torrent_is_live=False), State.IDLE),
        (replace(owner, is_caught_up=False, catch_up_deadline=11.0), State.IDLE),
    ):
        step = decide(table, State.SEEDING, Event.TORRENT_SEEDED, changed)
        if not isinstance(step, Step) or step.target is not expected:
            return False
    return True


def waits_for_news_before_announcing(table: Table) -> bool:
    """An owner who came back does not announce before it knows what it has missed."""
    owner = Facts(
        now=10.0,
        holds_control_key=True,
        is_control_device=True,
        epoch_matches=True,
        generation=1,
        announce_due_at=0.0,
        catch_up_deadline=11.0,
    )
    step = decide(table, State.IDLE, Event.ANNOUNCE_DUE, owner)
    return isinstance(step, Step) and step.target is State.IDLE


CAUGHT_BY_TEST: dict[str, tuple[str, Callable[[Table], bool]]] = {
    "community: row 8 without history_is_caught_up": (
        "tests/check/test_mutants.py::test_news_are_awaited_before_announcing",
        waits_for_news_before_announcing,
    ),
    "community: row 20 without torrent_is_live": (
        "tests/check/test_mutants.py::test_the_way_into_announcing_asks",
        announces_only_what_is_live,
    ),
    "community: row 20 without history_is_caught_up": (
        "tests/check/test_mutants.py::test_the_way_into_announcing_asks",
        announces_only_what_is_live,
    ),
    "community: row 30 removed": (
        "tests/check/test_mutants.py::test_every_switch_is_answered",
        answers_every_switch,
    ),
    "community: row 26 removed": (
        "tests/check/test_mutants.py::test_a_first_failure_is_tried_again_where_it_stands",
        is_tried_again_in_place,
    ),
}
"""Mutants that settle as well as the table itself, only less stubbornly, and what sees them."""


def negated(guard: Callable[[Any], bool], facts: type) -> Callable[[Any], bool]:
    def refuted(facts: Any) -> bool:
        return not guard(facts)

    refuted.__name__ = f"not_{guard.__name__}"
    refuted.__annotations__ = {"facts": facts, "return": bool}
    return refuted


def variants(table: Table) -> Iterator[tuple[str, Rule[Any, Any, Any, Any], Any]]:
    """Every row with what may replace it: nothing, or itself with another condition."""
    for number, rule in enumerate(table.rules, 1):
        yield f"row {number} removed", rule, None
        for place, guard in enumerate(rule.given):
            before, after = rule.given[:place], rule.given[place + 1 :]
            name = guard.__name__
            yield f"row {number} without {name}", rule, replace(rule, given=before + after)
            turned = negated(guard, table.facts)
            yield f"row {number} not {name}", rule, replace(rule, given=(*before, turned, *after))


def mutants(table: Table) -> Iterator[Mutant]:
    for name, rule, instead in variants(table):
        place = table.rules.index(rule)
        kept = () if instead is None else (instead,)
        rules = (*table.rules[:place], *kept, *table.rules[place + 1 :])
        yield f"{table.name}: {name}", partial(replace, table, rules=rules)
    for state, levels in table.levels.items():
        for place, level in enumerate(levels):
            fewer = levels[:place] + levels[place + 1 :]
            name = f"{table.name}: {state.value} does not look for {level.event.value}"
            yield name, partial(replace, table, levels={**table.levels, state: fewer})
            for held in level.held_back_by:
                rest = tuple(one for one in level.held_back_by if one is not held)
                looser = (*levels[:place], replace(level, held_back_by=rest), *levels[place + 1 :])
                name = f"{table.name}: {level.event.value} not held back by {held.value}"
                yield name, partial(replace, table, levels={**table.levels, state: looser})


CHECKS: dict[str, Callable[[Table], Result]] = {
    "community": check_community,
    "archive": check_archive,
    "node": check_lifecycle,
}
ALL = [
    pytest.param(*mutant, id=mutant[0])
    for table in (COMMUNITY, ARCHIVE_IMPORT, NODE)
    for mutant in mutants(table)
]


@pytest.mark.timeout(600)  # Some are only found by walking all that can happen.
@pytest.mark.parametrize(("name", "build"), ALL)
def test_a_mutant_is_caught(name: str, build: Callable[[], Table]) -> None:
    try:
        table = build()
    except LifecycleError:
        return  # Caught by the checks at build time.
    if name in CAUGHT_BY_TEST:
        node, holds = CAUGHT_BY_TEST[name]
        assert not holds(table), f"{node} does not see: {name}"
        return
    result = CHECKS[table.name](table)
    assert not result.is_good, f"nobody sees: {name}"
    assert result.counterexample is None or result.counterexample.trace


def test_the_list_of_mutants_is_whole() -> None:
    guards = sum(len(rule.given) for rule in COMMUNITY.rules)
    held = sum(len(level.held_back_by) for some in COMMUNITY.levels.values() for level in some)
    looks = sum(len(some) for some in COMMUNITY.levels.values())
    of_community = [one for one in ALL if str(one.id).startswith("community")]
    assert len(of_community) == len(COMMUNITY.rules) + 2 * guards + held + looks
    assert len({one.id for one in ALL}) == len(ALL)
    assert {one.id for one in ALL} >= set(CAUGHT_BY_TEST)


def test_a_first_failure_is_tried_again_where_it_stands() -> None:
    assert is_tried_again_in_place(COMMUNITY)


def test_the_way_into_announcing_asks() -> None:
    assert announces_only_what_is_live(COMMUNITY)


def test_news_are_awaited_before_announcing() -> None:
    assert waits_for_news_before_announcing(COMMUNITY)


def test_every_switch_is_answered() -> None:
    assert answers_every_switch(COMMUNITY)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CAUGHT_BY_TEST))
def test_a_test_is_named_only_where_the_search_sees_nothing(name: str) -> None:
    table = next(build() for found, build in mutants(COMMUNITY) if found == name)
    assert check_community(table).is_good


def test_a_negated_guard_is_really_the_opposite() -> None:
    turned = negated(has_generation, Facts)
    assert turned(Facts(generation=0)) is True
    assert turned(Facts(generation=1)) is False
    assert turned.__name__ == "not_has_generation"
