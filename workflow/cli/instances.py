"""``status`` and ``why`` of an application of one's own: its instances, whatever they stand for."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.cli.words import (
    hanging,
    note,
    relative,
    say,
    say_json,
    span,
    step_data,
    step_line,
    table,
    when,
)

if TYPE_CHECKING:
    from workflow.application import Application, ApplicationView
    from workflow.engine.outlook import Prospect
    from workflow.engine.rows import AnyInstance, AnyWorkflow, Recorded
    from workflow.ports.work import Transaction

SHOWN: Final = 5
"""Steps that ``why`` shows."""
NOT_RUNNING: Final = "nobody runs it now"


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """Where one instance stands; ``reason`` is why the last try failed.

    ``due_at`` (seconds, UTC epoch) is when it looks again, or its action is started again.
    """

    lifecycle: str
    id: str
    state: str
    is_final: bool
    is_working: bool
    entry: int
    attempts: int
    due_at: float | None
    reason: str


def status_of_instances(app: Application, data_dir: Path, text: str, *, as_json: bool) -> None:
    """Show where every instance stands, or one; those at an end are only counted."""
    view, now = _opened(app, data_dir)
    with closing(view.journal):
        found = view.journal.run(lambda tx: _standings(view, tx, text))
    if as_json:
        say_json([{**asdict(one), "held_by": view.holder or None} for one in found])
        return
    shown = [one for one in found if text or not one.is_final]
    head = ("LIFECYCLE", "ID", "STATE", "NEXT")
    for line in table([head, *(_cells(one, now) for one in shown)]) if shown else ():
        say(line)
    for one in shown:
        if one.reason:
            say(hanging(f"  ! {one.id}: ", one.reason))
    at_an_end = Counter((one.lifecycle, one.state) for one in found if one.is_final)
    if at_an_end and not text:
        told = (f"{count} {name} {state}" for (name, state), count in sorted(at_an_end.items()))
        note(f"At an end: {', '.join(told)}.")
    if not found:
        note(f"'{app.name}' has no instances here yet.")
    note(f"Held by {view.holder}." if view.holder else f"{NOT_RUNNING.capitalize()}.")


def why_of_instance(app: Application, data_dir: Path, named: str, *, as_json: bool) -> None:
    """Tell why an instance stands where it stands."""
    view, now = _opened(app, data_dir)
    with closing(view.journal):
        reasons = view.journal.run(lambda tx: _reasons(view, tx, named, now))
    if as_json:
        say_json(_as_json(reasons))
        return
    _say_state(reasons, view, now)
    say("\nHow it came here")
    for step in reasons.steps[-SHOWN:]:
        say(step_line(step))
    if not reasons.steps:
        say("  No step was taken yet.")
    if reasons.instance.setbacks:
        say("\nWhat failed")
    for one in reasons.instance.setbacks:
        until = f"; held back until {when(one.until, now)}" if one.until > now else ""
        text = f"{relative(one.at, now)}: {one.reason}{until}"
        say(hanging(f"  {one.state.lower()} failed ", text))
    if reasons.guards:
        say("\nWhat its guards say now")
    longest = max(map(len, reasons.guards), default=0)
    for name, (holds, asks) in reasons.guards.items():
        say(hanging(f"  {'yes' if holds else 'no':<3}  {name:<{longest}}  ", asks))
    _say_next(reasons, now)


@dataclass(frozen=True, slots=True)
class _Reasons:
    """What ``why`` tells, read at one moment."""

    workflow: AnyWorkflow
    instance: AnyInstance
    steps: list[Recorded]
    guards: dict[str, tuple[bool, str]]
    prospects: list[Prospect]

    @property
    def since(self) -> float | None:
        """When the state was entered; None for the first one, into which no step has led."""
        of_entry = [step for step in self.steps if step.entry == self.instance.entry > 1]
        return of_entry[0].at if of_entry else None

    @property
    def answered(self) -> list[str]:
        """The events that its state has rows for."""
        events = (
            str(event.value)
            for rule in self.workflow.lifecycle.rules
            if self.instance.state in rule.within
            for event in rule.on
        )
        return list(dict.fromkeys(events))

    @property
    def is_working(self) -> bool:
        """True in a state with an action, at work or waiting for another try."""
        lifecycle, state = self.workflow.lifecycle, self.instance.state
        return not lifecycle.waits(state) and state not in lifecycle.final


def _opened(app: Application, data_dir: Path) -> tuple[ApplicationView, float]:
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415 - loads the engine.
    from workflow.application import view_app  # noqa: PLC0415

    return view_app(app, data_dir), SystemClock().now()


def _standings(view: ApplicationView, tx: Transaction, text: str) -> list[InstanceStatus]:
    from workflow.engine.rows import load, load_all  # noqa: PLC0415

    if text:
        named = view.find(tx, text)
        workflow = view.workflow(named.lifecycle)
        return [_standing(workflow, load(tx, workflow, named.id))]
    return [
        _standing(workflow, one)
        for workflow in view.app.workflows
        for one in load_all(tx, workflow)
    ]


def _standing(workflow: AnyWorkflow, one: AnyInstance) -> InstanceStatus:
    from states.instance import is_running  # noqa: PLC0415

    return InstanceStatus(
        workflow.name,
        one.id,
        str(one.state.value),
        one.state in workflow.lifecycle.final,
        is_running(workflow.lifecycle, one),
        one.entry,
        one.attempts,
        one.due_at,
        one.reason,
    )


def _cells(one: InstanceStatus, now: float) -> tuple[str, ...]:
    if one.is_final:
        due = "at its end"
    elif one.due_at is None:
        due = "works" if one.is_working else "-"
    else:
        due = relative(max(one.due_at, now), now, units=1)
    return one.lifecycle, one.id, one.state, due


def _reasons(view: ApplicationView, tx: Transaction, text: str, now: float) -> _Reasons:
    from workflow.engine.history import steps_of  # noqa: PLC0415
    from workflow.engine.outlook import guards_of, prospects_of  # noqa: PLC0415
    from workflow.engine.rows import load  # noqa: PLC0415

    named = view.find(tx, text)
    workflow = view.workflow(named.lifecycle)
    instance = load(tx, workflow, named.id)

    def facts_at(moment: float) -> Any:
        return workflow.read_facts(tx, [instance], moment)[0]

    steps = steps_of(tx, workflow.name, named.id)
    try:
        guards = guards_of(workflow.lifecycle, facts_at(now))
        prospects = prospects_of(workflow.lifecycle, instance, facts_at, now)
    except Exception as error:
        raise _of_its_own(error, named.id) from error
    return _Reasons(workflow, instance, steps, guards, prospects)


def _of_its_own(error: Exception, id: str) -> Exception:
    """What an application's own function has raised, as an error that says whose it is."""
    from states.errors import CommunityArchivesError  # noqa: PLC0415
    from workflow.errors import ApplicationError  # noqa: PLC0415

    if isinstance(error, CommunityArchivesError):
        return error
    return ApplicationError(
        f"its facts cannot be read or asked: {type(error).__name__}: {error}",
        place=id,
        remedy="Correct the application's read_facts, guard or level that raises this.",
    )


def _say_state(reasons: _Reasons, view: ApplicationView, now: float) -> None:
    instance, lifecycle, since = reasons.instance, reasons.workflow.lifecycle, reasons.since
    say(f"{lifecycle.name} {instance.id}")
    entered = f" since {when(since, now)}" if since is not None else ""
    say(hanging("  ", f"It is {instance.state.value}{entered}."))
    if reasons.is_working:
        times = "once" if instance.attempts == 1 else f"{instance.attempts} times"
        say(f"  Its action is {lifecycle.acts[instance.state].value}, started {times}.")
    say(hanging("  ", f"Held by {view.holder}." if view.holder else f"{NOT_RUNNING.capitalize()}."))


def _say_next(reasons: _Reasons, now: float) -> None:
    instance, lifecycle = reasons.instance, reasons.workflow.lifecycle
    say("\nWhat is next")
    if instance.state in lifecycle.final:
        say("  Nothing: it is at its end.")
    elif reasons.is_working and instance.due_at is not None:
        say(f"  Its action is started again {when(instance.due_at, now)}.")
    elif reasons.is_working and not instance.answered:
        say("  Its action answers, or fails.")
    longest = max((len(one.event) for one in reasons.prospects), default=0)
    for one in reasons.prospects:
        say(hanging(f"  {one.event:<{longest}}  ", in_prospect(one, now)))
    if reasons.answered:
        say(hanging("  It answers ", f"{', '.join(reasons.answered)}."))


def in_prospect(one: Prospect, now: float) -> str:
    """``holds from 2026-11-25 10:00:00 UTC (in 3 d) on, and then leads to seeding``."""
    if one.at is None:
        return one.outcome
    if one.at > now:
        return f"holds from {when(one.at, now)} on, and then {one.outcome}"
    begun = f", for {span(now - one.at)}" if one.at > 0 else ""
    return f"holds now{begun}, and {one.outcome}"


def _as_json(reasons: _Reasons) -> dict[str, Any]:
    return {
        **asdict(_standing(reasons.workflow, reasons.instance)),
        "since": reasons.since,
        "steps": [step_data(step) for step in reasons.steps[-SHOWN:]],
        "setbacks": [asdict(one) for one in reasons.instance.setbacks],
        "guards": {name: holds for name, (holds, _) in reasons.guards.items()},
        "next": [asdict(one) for one in reasons.prospects],
        "answers": reasons.answered,
    }
