from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.parts.baselines import Model, machine
from benchmarks.parts.report import per_second, ratio, rounds, row, span, table
from states import COMMUNITY, Step, decide, explain
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


RULES: Final = {
    (state, event): [rule for rule in COMMUNITY.rules if state in rule.within and event in rule.on]
    for state, event, _ in QUESTIONS
}
TARGETS: Final = {question: rules[-1].target(question[0]) for question, rules in RULES.items()}


def run(times: int, decisions: int) -> None:
    works = {
        "a registered model's trigger": _registered(),
        "decide()": _decide,
        "decide(), and explain() it": _decide_in_words,
        "dict lookup, guards called": _by_hand,
        "bare dict lookup": _lookup,
    }
    turns = decisions // len(QUESTIONS)
    seconds = rounds([_repeated(work, turns) for work in works.values()], times)
    table("Decisions: the shipped community table, five questions in turn", "each", "", "time")
    for name, whole in zip(works, seconds, strict=True):
        each = whole / turns / len(QUESTIONS)
        row(name, span(each), per_second(each), ratio(whole, seconds[0]))


def _repeated(work: Callable[[], None], turns: int) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(turns):
            work()

    return repeated


def _registered() -> Callable[[], None]:
    made = machine()
    asked = []
    for state, event, facts in QUESTIONS:
        model = Model(facts)
        made.add_model(model)
        asked.append((model, state.name, event.name))

    def trigger() -> None:
        for model, state, event in asked:
            model.state = state
            model.trigger(event)

    return trigger


def _decide() -> None:
    for state, event, facts in QUESTIONS:
        decide(COMMUNITY, state, event, facts)


def _decide_in_words() -> None:
    for state, event, facts in QUESTIONS:
        step = decide(COMMUNITY, state, event, facts)
        if isinstance(step, Step):
            explain(COMMUNITY, step)


def _by_hand() -> None:
    for state, event, facts in QUESTIONS:
        for rule in RULES[state, event]:
            if all(guard(facts) for guard in rule.given):
                break


def _lookup() -> None:
    for state, event, _ in QUESTIONS:
        TARGETS[state, event]
