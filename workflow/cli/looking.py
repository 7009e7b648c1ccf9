"""``status`` and ``history``: what the journal says, read by whoever wants to know."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.applications import AppName, Seen, load_app, seen_of
from workflow.cli.instances import status_of_instances
from workflow.cli.options import AsJson, CommunityName, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.words import (
    hanging,
    note,
    path,
    relative,
    say,
    say_json,
    step_data,
    step_line,
    table,
    when,
)

if TYPE_CHECKING:
    from workflow.assembly import View
    from workflow.engine.rows import Recorded
    from workflow.ports.work import Transaction
    from workflow.status import Status

LONGEST_NAME: Final = 14
BATCH: Final = 1000
NOBODY: Final = "nobody runs on this data directory, so nothing is live"


def status(
    community: CommunityName = "",
    *,
    as_json: AsJson = False,
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Show where every community stands, or one in detail.

    Reads the journal only. What is live is known to the running process alone; shown is what was
    true at the community's last step, and nothing is live when nobody runs.
    """
    if own := load_app(app):
        status_of_instances(own, data_dir, community, as_json=as_json)
        return
    from workflow.status import status_of  # noqa: PLC0415 - loads the tables.

    view = view_of(data_dir)
    with closing(view.journal):

        def read(tx: Transaction) -> list[Status]:
            store = view.tools.store
            known = [find(view, tx, community)] if community else store.communities(tx)
            return [status_of(tx, view.tools, one.id) for one in known]

        found = view.journal.run(read)
    now = view.tools.clock.now()
    if as_json:
        say_json([_as_json(one, view) for one in found])
    elif community:
        _say_detail(found[0], view, now)
    elif found:
        _say_lines(found, now)
        note(f"live: as recorded at the last step; {view.holder or NOBODY}")
    else:
        note("No community is known here yet.")


def history(
    community: CommunityName = "",
    *,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="SEQ", help="Only steps behind this number.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many steps at the most.")] = 20,
    as_json: AsJson = False,
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Show the newest steps, or those behind a number.

    The oldest comes first. Numbers have no gaps: remember the last one, ask with --after, and you
    miss nothing. Without COMMUNITY the steps of everything are shown, imports included.
    """
    seen = seen_of(data_dir, load_app(app))
    with closing(seen.journal):
        steps = seen.journal.run(lambda tx: _steps(seen, tx, community, after, limit))
    if as_json:
        say_json([step_data(step) for step in steps])
        return
    for step in steps:
        say(step_line(step))
    if not steps:
        note("No step was taken." if after is None else f"No step behind {after} was taken.")


def _steps(
    seen: Seen, tx: Transaction, community: str, after: int | None, limit: int
) -> list[Recorded]:
    from workflow.engine.history import steps_after, steps_of  # noqa: PLC0415
    from workflow.engine.rows import newest_seq  # noqa: PLC0415

    if not community:
        start = max(0, newest_seq(tx) - limit) if after is None else after
        return steps_after(tx, start, limit)
    named = seen.find(tx, community)
    if after is None:
        return steps_of(tx, named.lifecycle, named.id, limit)
    found: list[Recorded] = []
    while len(found) < limit and (batch := steps_after(tx, after, BATCH)):
        of_it = (named.lifecycle, named.id)
        found += [step for step in batch if (step.lifecycle, step.id) == of_it]
        after = batch[-1].seq
    return found[:limit]


def _as_json(status: Status, view: View) -> dict[str, Any]:
    return {**asdict(status), "is_live_known": "as recorded at the last step",
            "held_by": view.holder or None}  # fmt: skip


def _say_lines(found: list[Status], now: float) -> None:
    head = ("COMMUNITY", "PATH", "NODE", "LIVE", "NEXT")
    lines = table([head, *(_cells(one, now) for one in found)])
    for line, one in zip(lines, [None, *found], strict=True):
        say(line)
        if one is not None and (one.condition or one.reason):
            say(hanging("  ! ", "; ".join(filter(None, (one.condition, one.reason)))))


def _cells(one: Status, now: float) -> tuple[str, ...]:
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.

    short = one.name if len(one.name) <= LONGEST_NAME else one.name[: LONGEST_NAME - 1] + "…"
    state = COMMUNITY.states(one.state)
    is_at_work = not COMMUNITY.waits(state) and one.due_at is None
    due = "-" if one.due_at is None else relative(max(one.due_at, now), now, units=1)
    return (
        short,
        path(state, is_control_node=one.is_control_node),
        "control" if one.is_control_node else "member",
        "live" if one.is_live else "no",
        "works" if is_at_work else due,
    )


def _say_detail(one: Status, view: View, now: float) -> None:
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.

    state = COMMUNITY.states(one.state)
    is_at_work = not COMMUNITY.waits(state) and one.due_at is None
    next_look = "the action that is at work answers" if is_at_work else "only when something comes"
    archives = f"generation {one.generation}" if one.generation else "none yet"
    live = "live, as recorded at the last step" if one.is_live else "not live"
    say(f"{one.name}\n  {one.id}")
    say(f"  path       {path(state, is_control_node=one.is_control_node)}")
    say(f"  node       {'control node' if one.is_control_node else 'member'}")
    say(f"  archives   {archives}, {live}")
    if one.due_at is not None:
        next_look = f"{'since ' if one.due_at < now else ''}{when(one.due_at, now)}"
    say(f"  next       {next_look}")
    say(f"  held by    {view.holder or NOBODY}")
    for label, text in (("condition", one.condition), ("last error", one.reason)):
        if text:
            say(hanging(f"  {label:<10} ", text))
    for reason, count in one.refusals.items():
        say(hanging("  refused    ", f"{count} x {reason}"))
