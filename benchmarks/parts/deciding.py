from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.parts.baselines import Model, machine
from benchmarks.parts.report import per_second, ratio, rounds, row, span, table
from states import COMMUNITY, decide, explain
from states.community import Event, Facts, State

CONTROL: Final = Facts(
    now=1e9,
    holds_control_key=True,
    is_control_device=True,
    epoch_matches=True,
    generation=1,
    locator="magnet:?",
    torrent_is_live=True,
    announce_due_at=0.0,
    window_due_at=1e8,
    is_caught_up=True,
)
MEMBER: Final = Facts(now=1e9, generation=1, torrent_is_live=True)
QUESTIONS: Final = (
    (State.IDLE, Event.WINDOW_CLOSED, CONTROL),  # Two guards hold.
    (State.SEEDING, Event.TORRENT_SEEDED, CONTROL),  # All guards of the rule hold.
    (State.SEEDING, Event.TORRENT_SEEDED, MEMBER),  # The first guard does not; otherwise.
    (State.ANNOUNCING, Event.LINK_SENT, CONTROL),  # No guard is asked.
    (State.IDLE, Event.LINK_RECEIVED, MEMBER),  # Nothing changes.
)
"""The steps of a lifecycle's way round, and the two that are heard most on it."""


def run(times: int, decisions: int) -> None:
    turns = decisions // len(QUESTIONS)

    def ours() -> None:
        for _ in range(turns):
            for state, event, facts in QUESTIONS:
                decide(COMMUNITY, state, event, facts)

    def in_words() -> None:
        for _ in range(turns):
            for state, event, facts in QUESTIONS:
                explain(COMMUNITY, decide(COMMUNITY, state, event, facts))  # type: ignore[arg-type]

    made = machine()
    models = [Model(facts) for _, _, facts in QUESTIONS]
    made.add_model(models)
    asked = [
        (model, state.name, event.name)
        for model, (state, event, _) in zip(models, QUESTIONS, strict=True)
    ]

    def registered() -> None:
        for _ in range(turns):
            for model, state, event in asked:
                model.state = state
                model.trigger(event)

    guarded = {
        (state, event): [rule for rule in COMMUNITY.rules if state in rule.within and event in rule.on]
        for state, event, _ in QUESTIONS
    }
    bare = {(state, event): rules[0].target(state) for (state, event), rules in guarded.items()}

    def by_hand() -> None:
        for _ in range(turns):
            for state, event, facts in QUESTIONS:
                for rule in guarded[state, event]:
                    if all(guard(facts) for guard in rule.given):
                        break

    def lookup() -> None:
        for _ in range(turns):
            for state, event, _ in QUESTIONS:
                bare[state, event]

    works: dict[str, Callable[[], None]] = {
        "a registered model's trigger": registered,
        "decide()": ours,
        "decide(), and explain() it": in_words,
        "dict lookup, guards called": by_hand,
        "bare dict lookup": lookup,
    }
    seconds = [one / decisions for one in rounds(list(works.values()), times)]
    table("Decisions: the shipped community table, five questions in turn", "each", "", "time")
    for name, each in zip(works, seconds, strict=True):
        row(name, span(each), per_second(each), ratio(each, seconds[0]))
