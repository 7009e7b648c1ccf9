"""``why``: why a community stands where it stands, and what would have to happen next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from workflow.cli.applications import AppName, load_app
from workflow.cli.instances import in_prospect, why_of_instance
from workflow.cli.options import AsJson, CommunityName, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.standing import NOBODY, in_words
from workflow.cli.words import (
    hanging,
    note,
    relative,
    say,
    say_json,
    step_data,
    step_line,
    unsaved_key,
    when,
)

if TYPE_CHECKING:
    from states.community import Facts, State
    from states.instance import Instance
    from states.lifecycle import Setback
    from workflow.engine.outlook import Prospect
    from workflow.engine.rows import Recorded
    from workflow.ports.work import Transaction
    from workflow.status import Standing
    from workflow.viewing import View

STEPS: Final = 1000
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Reasons:
    """Everything that ``why`` tells, read at one moment. Times are seconds (UTC epoch)."""

    standing: Standing
    steps: list[Recorded]
    refusals: Mapping[str, int]
    is_key_saved: bool = True

    @property
    def instance(self) -> Instance[State]:
        """The state, and when it is looked at again."""
        return self.standing.instance

    @property
    def since(self) -> float | None:
        """When the state was entered; None when that was long ago, or with the community."""
        of_entry = [step for step in self.steps if step.entry == self.instance.entry]
        return of_entry[0].at if of_entry else None


def why(
    community: CommunityName, *, as_json: AsJson = False, app: AppName = "", data_dir: DataDir
) -> None:
    """Tell why a community stands where it stands.

    Its state, condition, last error and choice, its last steps, what every guard says now, what is
    next, and when. Guards are asked about what the journal says now. What is live is known to the
    running process alone; it is taken from the community's last step.
    """
    if own := load_app(app):
        why_of_instance(own, data_dir, community, as_json=as_json)
        return
    view = view_of(data_dir)
    with closing(view.journal):
        reasons = view.journal.run(lambda tx: _read(view, tx, community))
    now = view.tools.clock.now()
    if as_json:
        say_json(_as_json(reasons, now))
        return
    _say_state(reasons, view, now)
    _say_steps(reasons)
    _say_failures(reasons.instance.setbacks, now)
    _say_refusals(reasons.refusals)
    _say_guards(reasons.standing.facts)
    _say_prospects(reasons, now)
    if not reasons.is_key_saved:
        note(unsaved_key(reasons.standing.community.name))


def _read(view: View, tx: Transaction, text: str) -> Reasons:
    from workflow.engine.history import steps_of  # noqa: PLC0415 - loads the tables.
    from workflow.status import key_is_saved, standings  # noqa: PLC0415

    known = find(view, tx, text)
    (standing,) = standings(tx, view.tools, [known])
    steps = steps_of(tx, "community", known.id, STEPS)
    refusals = view.tools.store.refusals(tx, known.id)
    is_key_saved = key_is_saved(tx, view.tools, standing.facts, known.id)
    return Reasons(standing, steps, refusals, is_key_saved)


def guards(facts: Facts) -> dict[str, tuple[bool, str]]:
    """Every guard of the table: what it says to these facts, and what it asks."""
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.
    from workflow.engine.outlook import guards_of  # noqa: PLC0415

    return guards_of(COMMUNITY, facts)


def prospects(instance: Instance[State], facts: Facts, now: float) -> list[Prospect]:
    """What a waiting state looks at, in its order; nothing for a state that works."""
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.
    from workflow.engine.outlook import prospects_of  # noqa: PLC0415

    return prospects_of(COMMUNITY, instance, lambda at: replace(facts, now=at), now)


def _say_state(reasons: Reasons, view: View, now: float) -> None:
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.
    from states.community import is_control_node  # noqa: PLC0415

    standing, state, since = reasons.standing, reasons.instance.state, reasons.since
    role = "the control node" if is_control_node(standing.facts) else "a member"
    say(f"{standing.community.name}\n  {standing.community.id}")
    entered = f" since {when(since, now)}" if since is not None else ""
    say(hanging("  ", f"It is {role}, {state.value}{entered}."))
    if not COMMUNITY.waits(state):
        say(f"  Its action is {COMMUNITY.acts[state].value}, started {_times(reasons.instance)}.")
    say(hanging("  ", f"Held by {view.holder}." if view.holder else f"{NOBODY.capitalize()}."))
    due_at = reasons.instance.due_at
    rows = {
        "condition": standing.community.condition or "none",
        "last error": reasons.instance.reason or "none",
        "archives": in_words(standing.holding),
        "chosen": standing.choice.words,
        "next due": "not by itself" if due_at is None else when(due_at, now),
    }
    for label, text in rows.items():
        say(hanging(f"  {label:<10} ", text))


def _times(instance: Instance[State]) -> str:
    return "once" if instance.attempts == 1 else f"{instance.attempts} times"


def _say_steps(reasons: Reasons) -> None:
    say("\nHow it came here")
    for step in reasons.steps[-SHOWN:]:
        say(step_line(step))
    if not reasons.steps:
        say("  No step was taken yet.")


def _say_failures(setbacks: tuple[Setback, ...], now: float) -> None:
    if setbacks:
        say("\nWhat failed")
    for one in setbacks:
        often = "once" if one.failures == 1 else f"{one.failures} times"
        again = f"tried again {when(one.until, now)}" if one.until > now else "to be tried again"
        text = f"{often if one.failures else 'just now'}, last {relative(one.at, now)}: "
        say(hanging(f"  {one.state.lower()} failed ", f"{text}{one.reason}; {again}"))


def _say_refusals(refusals: Mapping[str, int]) -> None:
    if refusals:
        say("\nWhat was refused")
    for reason, count in refusals.items():
        say(hanging("  ", f"{count} x {reason}"))


def _say_guards(facts: Facts) -> None:
    asked = guards(facts)
    longest = max(len(name) for name in asked)
    say("\nWhat its guards say now")
    for name, (holds, asks) in asked.items():
        say(hanging(f"  {'yes' if holds else 'no':<3}  {name:<{longest}}  ", asks))


def _say_prospects(reasons: Reasons, now: float) -> None:
    instance = reasons.instance
    say("\nWhat is next")
    if instance.due_at is not None and instance.attempts:
        say(f"  Its action is started again {when(instance.due_at, now)}.")
        return
    seen = prospects(instance, reasons.standing.facts, now)
    if not seen:
        say("  Its action answers, or fails and is tried again." if not instance.answered
            else "  Nothing by itself: it waits for switched_on.")  # fmt: skip
    longest = max((len(one.event) for one in seen), default=0)
    for one in seen:
        say(hanging(f"  {one.event:<{longest}}  ", in_prospect(one, now)))


def _as_json(reasons: Reasons, now: float) -> dict[str, Any]:
    instance = reasons.instance
    standing = reasons.standing
    return {
        "id": standing.community.id,
        "name": standing.community.name,
        "state": instance.state.value,
        "since": reasons.since,
        "attempts": instance.attempts,
        "due_at": instance.due_at,
        "condition": standing.community.condition,
        "last_error": instance.reason,
        "chosen": standing.choice.words,
        "holding": asdict(standing.holding),
        "is_live": standing.facts.torrent_is_live,
        "refusals": dict(reasons.refusals),
        "is_key_saved": reasons.is_key_saved,
        "is_live_known": "as recorded at the last step",
        "steps": [step_data(step) for step in reasons.steps[-SHOWN:]],
        "setbacks": [asdict(one) for one in instance.setbacks],
        "guards": {name: holds for name, (holds, _) in guards(standing.facts).items()},
        "next": [asdict(one) for one in prospects(instance, standing.facts, now)],
    }
