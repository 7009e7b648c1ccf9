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
        or _signed_anew(before, after)
        or _told(before, step)
    )


def _entered(after: Device, step: Step[State, Event, Signal], facts: Facts) -> str:
    """What must be true whenever a state is entered, whatever row led there.

    Trying again after a failure is no new decision.
    """
    if step.event is Event.ACTION_FAILED:
        return ""
    is_due = announcement_is_due(facts) and is_current(after)
    has_waited = _has_waited(facts)
    demands: dict[State, tuple[tuple[bool, str], ...]] = {
        State.SEEDING: (
            (has_generation(facts), "it sets out to seed archives that are not there"),
        ),
        State.CREATING: (
            (is_control_node(facts), "a node without control sets out to create archives"),
            (has_waited, "archives are created before missed messages and own archives are here"),
        ),
        State.ANNOUNCING: (
            (is_control_node(facts), "a node without control sets out to announce"),
            (is_due, "it sets out to announce although nothing is due"),
        ),
        State.SETTLING: ((link_is_wanted(facts), "it follows a link that leads nowhere new"),),
    }
    return next((words for holds, words in demands.get(step.target, ()) if not holds), "")


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


def _signed_anew(before: Device, after: Device) -> str:
    """What may have been sent already is sent again with the same bytes, not with a new clock."""
    row, new = before.announcement, after.announcement
    if row is None or row.sent_at is not None or not is_current(before) or not is_current(after):
        return ""
    return (
        "an announcement that may have been sent is signed anew"
        if new != row and (new is None or new.sent_at is None)
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
