"""The shipped tables keep every promise in every world; and the worlds are not empty ones."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY, Lifecycle, Rule, otherwise, row
from states.community import Event
from states.node import NODE
from workflow.check import check_archive, check_community, check_lifecycle, report, search
from workflow.check.scenarios import SCENARIOS
from workflow.check.world import CommunityModel, Scenario, World


@pytest.mark.timeout(300)
def test_a_community_keeps_its_promises_and_needs_every_row() -> None:
    result = check_community()
    assert result.counterexample is None, str(result.counterexample)
    assert result.never_taken == ()
    assert result.is_good
    assert result.states > 60_000
    assert result.steps > 3 * result.states
    assert all(one.found.settled > 0 for one in result.searches)


def test_archives_keep_their_promises_and_need_every_row() -> None:
    result = check_archive()
    assert result.counterexample is None, str(result.counterexample)
    assert result.is_good
    assert result.states > 1_000


@pytest.mark.parametrize("table", [NODE, COMMUNITY, ARCHIVE_IMPORT], ids=lambda one: one.name)
def test_every_shipped_table_hangs_together(table: Lifecycle[Any, Any, Any, Any, Any]) -> None:
    result = check_lifecycle(table)
    assert result.problems == ()
    assert result.is_good
    assert result.searches[0].found.states == len(table.acts) + len(table.final)


def test_the_report_is_readable() -> None:
    good = report([check_archive()])
    assert "every row was taken" in good
    assert good.endswith("states visited.")
    follows = next(one for one in COMMUNITY.rules if Event.LINK_RECEIVED in one.on and one.given)
    removed = replace(COMMUNITY, rules=tuple(one for one in COMMUNITY.rules if one is not follows))
    bad = report([check_community(removed)])
    assert "it goes on with an older link although a newer one is known" in bad
    assert "   1. m: " in bad
    assert "NOT every promise holds" in bad


def test_a_search_that_is_cut_short_is_not_called_good() -> None:
    result = check_community(scenarios=SCENARIOS[-1:], limit=100)
    assert not result.is_good
    assert "raise the limit" in report([result])
    assert "never taken" in report([result])


def test_somebody_elses_table_is_examined_without_knowing_its_guards() -> None:
    class Lamp(Enum):
        DARK = "dark"
        LIT = "lit"
        BROKEN = "broken"

    class Hand(Enum):
        PRESSED = "pressed"

    class Wait(Enum):
        WAIT = "wait"

    rules: tuple[Rule[Lamp, Hand, bool, Hand], ...] = (
        row(Lamp.DARK, Hand.PRESSED, otherwise, Lamp.LIT),
        row(Lamp.LIT, Hand.PRESSED, is_worn, Lamp.BROKEN),
        row(Lamp.LIT, Hand.PRESSED, otherwise, Lamp.DARK),
    )
    lamp: Lifecycle[Lamp, Hand, Wait, bool, Hand] = Lifecycle(
        name="lamp", states=Lamp, events=Hand, actions=Wait, facts=bool, initial=Lamp.DARK,
        acts={Lamp.DARK: Wait.WAIT, Lamp.LIT: Wait.WAIT}, rules=rules,
        levels={Lamp.DARK: (), Lamp.LIT: ()}, final=(Lamp.BROKEN,),
    )  # fmt: skip
    result = check_lifecycle(lamp)
    assert result.is_good
    assert [one.found.states for one in result.searches] == [3, 3]


def is_worn(facts: bool) -> bool:
    return facts


class Collisions(CommunityModel):
    """Asks for what no local rule can prevent, to see that it is really there."""

    def broken(self, state: World) -> str:
        clocks = [clock for _, clock, _ in state.published]
        locators = {(clock, locator) for _, clock, locator in state.published}
        return "a collision" if len(locators) > len(set(clocks)) else ""


def named(word: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if word in scenario.name)


def test_two_devices_that_have_not_heard_each_other_can_collide() -> None:
    shown = search(Collisions(COMMUNITY, named("two devices"))).counterexample
    assert shown is not None
    assert shown.promise == "a collision"
    assert shown.trace[-1].startswith("b: works: publishes clock 1, b")  # a1 had clock 1 before.
    assert not any(step.startswith("b: hears of clock 1") for step in shown.trace)


def test_one_device_never_collides_with_itself() -> None:
    seen = search(Collisions(COMMUNITY, named("fails and crashes")))
    assert seen.counterexample is None
    assert seen.states > 1_000
