"""``why``: why a community stands where it stands, and what would have to happen next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from workflow.cli.looking import NOBODY
from workflow.cli.options import AsJson, CommunityName, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.words import (
    hanging,
    note,
    relative,
    say,
    say_json,
    span,
    step_data,
    step_line,
    unsaved_key,
    when,
)

if TYPE_CHECKING:
    from states.community import Facts, State
    from states.instance import Instance
    from states.lifecycle import Setback
    from workflow.assembly import View
    from workflow.engine.rows import Recorded
    from workflow.ports.records import Community
    from workflow.ports.work import Transaction

STEPS: Final = 1000
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Prospect:
    """A condition that the state looks at: from when on it holds, and what comes of it then."""

    event: str
    at: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """Everything that ``why`` tells, read at one moment. Times are seconds (UTC epoch)."""

    community: Community
    instance: Instance[State]
    facts: Facts
    steps: list[Recorded]
    refusals: Mapping[str, int]
    is_key_saved: bool = True

    @property
    def since(self) -> float | None:
        """When the state was entered; None when that was long ago, or with the community."""
        of_entry = [step for step in self.steps if step.entry == self.instance.entry]
        return of_entry[0].at if of_entry else None


def why(community: CommunityName, *, as_json: AsJson = False, data_dir: DataDir) -> None:
    """Tell why a community stands where it stands.

    Its last steps, its last error, what every guard says now, and what is next.
    Guards are asked about what the journal says now. What is live is known to the running process
    alone; it is taken from the community's last step.
    """
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
    _say_guards(reasons.facts)
    _say_prospects(reasons, now)
    if not reasons.is_key_saved:
        note(unsaved_key(reasons.community.name))


def _read(view: View, tx: Transaction, text: str) -> Reasons:
    from workflow.engine.history import steps_of  # noqa: PLC0415 - loads the tables.
    from workflow.engine.rows import load  # noqa: PLC0415

    known = find(view, tx, text)
    instance: Instance[State] = load(tx, view.community, known.id)
    facts = view.tools.facts(tx, known.id)
    steps = steps_of(tx, view.community.name, known.id, STEPS)
    return Reasons(
        known, instance, facts, steps, view.tools.store.refusals(tx, known.id),
        not facts.is_control_device or view.tools.store.key_is_saved(tx, known.id),
    )  # fmt: skip


def guards(facts: Facts) -> dict[str, tuple[bool, str]]:
    """Every guard of the table: what it says to these facts, and what it asks."""
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.

    return {
        guard.__name__: (guard(facts), (guard.__doc__ or "").partition("\n")[0])
        for rule in COMMUNITY.rules
        for guard in rule.given
    }


def prospects(instance: Instance[State], facts: Facts, now: float) -> list[Prospect]:
    """What a waiting state looks at, in its order; nothing for a state that works."""
    from states import COMMUNITY, Refusal, decide  # noqa: PLC0415 - loads the tables.

    found = []
    for level in COMMUNITY.levels.get(instance.state, ()):
        since = level.since(facts)
        if since is None:
            found.append(Prospect(level.event.value, None, "is not in sight"))
            continue
        held_by = {state.name for state in level.held_back_by}
        untils = [
            one.until for one in instance.setbacks if one.state in held_by and since <= one.at
        ]
        at = max([since, *untils])
        step = decide(COMMUNITY, instance.state, level.event, replace(facts, now=max(at, now)))
        if isinstance(step, Refusal) or not step.is_entry:
            tried = () if isinstance(step, Refusal) else step.tried
            false = [answer.guard for answer in tried if not answer.holds]
            outcome = f"changes nothing: {', '.join(false)} is false"
        else:
            outcome = f"leads to {step.target.value}"
        if untils and at > now:
            outcome += ", held back after a failure"
        found.append(Prospect(level.event.value, at, outcome))
    return found


def _say_state(reasons: Reasons, view: View, now: float) -> None:
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.
    from states.community import is_control_node  # noqa: PLC0415

    state, since = reasons.instance.state, reasons.since
    role = "the control node" if is_control_node(reasons.facts) else "a member"
    say(f"{reasons.community.name}\n  {reasons.community.id}")
    entered = f" since {when(since, now)}" if since is not None else ""
    say(hanging("  ", f"It is {role}, {state.value}{entered}."))
    if not COMMUNITY.waits(state):
        say(f"  Its action is {COMMUNITY.acts[state].value}, started {_times(reasons.instance)}.")
    if reasons.community.condition:
        say(hanging("  Condition: ", reasons.community.condition))
    say(hanging("  ", f"Held by {view.holder}." if view.holder else f"{NOBODY.capitalize()}."))


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
    seen = prospects(instance, reasons.facts, now)
    if not seen:
        say("  Its action answers, or fails and is tried again." if not instance.answered
            else "  Nothing by itself: it waits for switched_on.")  # fmt: skip
    longest = max((len(one.event) for one in seen), default=0)
    for one in seen:
        if one.at is None:
            text = one.outcome
        elif one.at <= now:
            begun = f", for {span(now - one.at)}" if one.at > 0 else ""
            text = f"holds now{begun}, and {one.outcome}"
        else:
            text = f"holds from {when(one.at, now)} on, and then {one.outcome}"
        say(hanging(f"  {one.event:<{longest}}  ", text))


def _as_json(reasons: Reasons, now: float) -> dict[str, Any]:
    instance = reasons.instance
    return {
        "id": reasons.community.id,
        "name": reasons.community.name,
        "state": instance.state.value,
        "since": reasons.since,
        "attempts": instance.attempts,
        "due_at": instance.due_at,
        "condition": reasons.community.condition,
        "refusals": dict(reasons.refusals),
        "is_key_saved": reasons.is_key_saved,
        "is_live_known": "as recorded at the last step",
        "steps": [step_data(step) for step in reasons.steps[-SHOWN:]],
        "setbacks": [asdict(one) for one in instance.setbacks],
        "guards": {name: holds for name, (holds, _) in guards(reasons.facts).items()},
        "next": [asdict(one) for one in prospects(instance, reasons.facts, now)],
    }
