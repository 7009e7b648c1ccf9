"""What must hold at every single step, said without looking at the table.

Entering a state is a promise of its own: an action that checks once more must not be the only
thing that stands between a wrong row and the network.
"""

from __future__ import annotations

from states.community import (
    Event,
    Facts,
    Signal,
    State,
    announcement_is_due,
    has_generation,
    is_control_node,
    link_is_wanted,
)
from states.lifecycle import Step
from workflow.check.device import Device, is_current


def step_promises(
    before: Device, after: Device, step: Step[State, Event, Signal], facts: Facts
) -> str:
    """The first promise that this step breaks, in words; empty when it breaks none."""
    return (
        (_entered(after, step, facts) if step.is_entry else "")
        or _superseded(before, step)
        or _told(before, step)
    )


def _entered(after: Device, step: Step[State, Event, Signal], facts: Facts) -> str:
    """What must be true whenever a state is entered, whatever row led there."""
    is_first = step.event is not Event.ACTION_FAILED
    match step.target:
        case State.SEEDING if is_first and not has_generation(facts):
            return "it sets out to seed archives that are not there"
        case State.CREATING if is_first and not is_control_node(facts):
            return "a node that is not the control node sets out to create archives"
        case State.CREATING if is_first and not _has_waited(facts):
            return "archives are created before missed messages and own archives have come in"
        case State.ANNOUNCING if is_first and not is_control_node(facts):
            return "a node that is not the control node sets out to announce"
        case State.ANNOUNCING if is_first and not (
            announcement_is_due(facts) and is_current(after)
        ):
            return "it sets out to announce although nothing is due"
        case State.SETTLING if not link_is_wanted(facts):
            return "it follows a link that leads nowhere new"
        case _:
            return ""


def _has_waited(facts: Facts) -> bool:
    waits = not facts.is_caught_up or link_is_wanted(facts)
    return facts.now >= facts.catch_up_deadline or not waits


def _superseded(before: Device, step: Step[State, Event, Signal]) -> str:
    """Nothing is taken from an older link once a newer wanted one is stored."""
    if step.event not in (Event.INDEX_FETCHED, Event.ARCHIVES_DOWNLOADED) or before.task is None:
        return ""
    is_newer = before.link.clock > before.task.clock and before.link.locator != before.task.locator
    follows = before.candidate != "" or step.event is Event.INDEX_FETCHED
    return (
        "it goes on with an older link although a newer one is known"
        if (is_newer and follows)
        else ""
    )


def _told(before: Device, step: Step[State, Event, Signal]) -> str:
    """Each signal is told when, and only when, it is true."""
    expected: set[Signal] = set()
    match step.event:
        case Event.WINDOW_CLOSED if step.is_entry:
            expected = {Signal.CREATING}
        case Event.ARCHIVES_WRITTEN if not step.discard:
            expected = {Signal.CREATED}
        case Event.NOTHING_TO_WRITE:
            expected = {Signal.NONE_CREATED}
        case Event.TORRENT_SEEDED:
            expected = {Signal.SEEDING}
        case Event.TORRENT_DROPPED if before.was_seeded:
            expected = {Signal.UNSEEDED}
        case Event.INDEX_FETCHED if step.target is State.DOWNLOADING:
            expected = {Signal.DOWNLOAD_STARTED}
        case Event.INDEX_FETCHED:
            expected = {Signal.DOWNLOAD_FINISHED}
        case _:
            pass
    if set(step.tell) == expected:
        return ""
    names = ", ".join(signal.value for signal in expected) or "nothing"
    told = ", ".join(signal.value for signal in step.tell) or "nothing"
    return f"on {step.event.value} it tells {told} where {names} is true"
