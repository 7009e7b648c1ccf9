"""A step and a refusal as a person reads them in the history."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from states import archive_import, node
from states.community import COMMUNITY, Event, Facts, State
from states.instance import DEFAULT_BACKOFF, Instance
from states.lifecycle import Level, Refusal, Rule, Setback, Step, decide, explain, look

CONTROL = Facts(
    now=1_000.0,
    holds_control_key=True,
    is_control_device=True,
    epoch_matches=True,
    torrent_is_live=True,
    is_caught_up=True,
    announce_due_at=1_000.0,
)
MEMBER = replace(CONTROL, holds_control_key=False)


@pytest.mark.parametrize(
    ("state", "event", "facts", "words"),
    [
        (State.SEEDING, Event.TORRENT_SEEDED, MEMBER,
         "seeding --torrent_seeded--> announcing refused: is_control_node is false; taken: idle"),
        (State.SEEDING, Event.TORRENT_SEEDED, replace(CONTROL, announce_due_at=None),
         "seeding --torrent_seeded--> announcing refused: announcement_is_due is false; "  # noqa: ISC004
         "taken: idle"),
        (State.SEEDING, Event.TORRENT_SEEDED, replace(MEMBER, announce_due_at=None),
         "seeding --torrent_seeded--> announcing refused: is_control_node is false; taken: idle"),
        (State.SEEDING, Event.TORRENT_SEEDED, CONTROL,
         "seeding --torrent_seeded--> announcing"),
        (State.OFF, Event.SWITCHED_ON, CONTROL, "off --switched_on--> idle"),
        (State.IDLE, Event.ANNOUNCE_DUE, MEMBER,
         "idle --announce_due--> seeding refused: is_control_node is false; taken: stay"),
        (State.CREATING, Event.ARCHIVES_WRITTEN, MEMBER,
         "creating --archives_written--> seeding refused: is_control_node is false; taken: idle"),
        (State.FETCHING, Event.ACTION_FAILED, CONTROL, "fetching --action_failed--> again"),
        (State.FETCHING, Event.ACTION_FAILED, replace(CONTROL, attempts=3),
         "fetching --action_failed--> again refused: may_retry is false; taken: idle"),
    ],
)  # fmt: skip
def test_a_step_in_words(state: State, event: Event, facts: Facts, words: str) -> None:
    step = decide(COMMUNITY, state, event, facts)
    assert isinstance(step, Step)
    assert explain(COMMUNITY, step) == words


def test_a_refusal_in_words() -> None:
    refusal = decide(COMMUNITY, State.IDLE, Event.ARCHIVES_WRITTEN, CONTROL)
    assert isinstance(refusal, Refusal)
    assert str(refusal) == refusal.words == "idle does not answer archives_written"


def test_a_lifecycle_shows_itself_as_a_picture() -> None:
    """What is in the picture is proved where it is drawn."""
    shown = COMMUNITY._repr_mimebundle_()
    assert shown["text/plain"].startswith("lifecycle community: 8 states")
    assert set(COMMUNITY._repr_mimebundle_(include={"text/plain"}, exclude=None)) <= set(shown)


VALUES: list[Any] = [
    COMMUNITY.rules[0],
    COMMUNITY.levels[State.IDLE][0],
    Setback("SEEDING", 1, 0.0, 5.0),
    look(COMMUNITY, State.IDLE, CONTROL, 0.0),
    decide(COMMUNITY, State.OFF, Event.SWITCHED_ON, CONTROL),
    decide(COMMUNITY, State.OFF, Event.SETTLED, CONTROL),
    CONTROL,
    archive_import.Facts(),
    Instance("c", State.OFF),
    DEFAULT_BACKOFF,
]


@pytest.mark.parametrize("value", [COMMUNITY, *VALUES], ids=lambda one: type(one).__name__)
def test_a_value_never_changes(value: Any) -> None:
    assert fields(value)
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


@pytest.mark.parametrize("value", [node.Facts(), *VALUES], ids=lambda one: type(one).__name__)
def test_a_value_has_no_room_for_more(value: Any) -> None:
    """There are as many as there are communities and steps."""
    assert not hasattr(value, "__dict__")


def test_what_need_not_be_said_is_not_said() -> None:
    assert Rule((State.OFF,), (Event.SETTLED,), (), State.IDLE).tell == ()
    assert Rule((State.OFF,), (Event.SETTLED,), (), State.IDLE).discard is False
    assert Level(Event.SETTLED, len).held_back_by == ()
    assert Setback("SEEDING", 1, 0.0, 5.0).reason == ""
