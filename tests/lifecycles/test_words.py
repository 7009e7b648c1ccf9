"""A step and a refusal as a person reads them in the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from states.community import COMMUNITY, Event, Facts, State
from states.lifecycle import Refusal, Step, decide, explain

CONTROL = Facts(
    now=1_000.0,
    holds_control_key=True,
    is_control_device=True,
    epoch_matches=True,
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
    assert shown["image/svg+xml"].startswith("<svg")
    assert all(state.value in shown["image/svg+xml"] for state in State)
    assert set(COMMUNITY._repr_mimebundle_(include={"text/plain"}, exclude=None)) <= set(shown)
