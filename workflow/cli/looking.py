"""``status`` and ``history``: what the journal says, read by whoever wants to know."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.applications import AppName, Seen, load_app, seen_of
from workflow.cli.instances import status_of_instances
from workflow.cli.options import AsJson, CommunityName, DataDir
from workflow.cli.standing import as_data, look_at, say_detail, say_lines
from workflow.cli.words import note, say, say_event, say_json, step_data, step_line

if TYPE_CHECKING:
    from workflow.engine.rows import Recorded
    from workflow.ports.work import Transaction

BATCH: Final = 1000


def status(
    community: Annotated[
        str, typer.Argument(metavar="[COMMUNITY]", help="One of them; all when left out.")
    ] = "",
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until Ctrl-C: each step, and what it changed.")
    ] = False,
    since: Annotated[
        int | None,
        typer.Option(min=0, metavar="SEQ", help="Also the steps behind this number, without gaps."),
    ] = None,
    as_json: AsJson = False,
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Show where every community stands, or one in detail.

    The word NOW stands before the state. HAS is how many of the chosen archives are here and
    imported, DUE IN when something is looked at next by itself. Rows are read, no archives. What
    is live, and how many peers there are, is asked of the process that runs; nothing is live when
    nobody runs. With --json and --follow or --since there is a line of JSON for each look and step.
    """
    if own := load_app(app):
        if follow or since is not None:
            raise typer.BadParameter("only the shipped application is followed; see 'history'")
        status_of_instances(own, data_dir, community, as_json=as_json)
        return
    look = look_at(data_dir, community)
    if as_json:
        if follow or since is not None:
            say_event({"event": "status", "seq": look.seq, "communities": as_data(look)})
        else:
            say_json(as_data(look))
    elif community:
        say_detail(look)
    else:
        say_lines(look)
    after = look.seq if since is None else since
    if since is not None:
        from workflow.cli.following import say_steps  # noqa: PLC0415

        after = say_steps(data_dir, community, after, as_json=as_json)
        note(f"The newest step is {after}: '--since {after}' goes on behind it.")
    if follow:
        import asyncio  # noqa: PLC0415 - as what follows, only needed when it comes to it.

        from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
        from workflow.cli.following import follow_steps  # noqa: PLC0415

        asyncio.run(follow_steps(data_dir, community, look, after, SystemClock(), as_json=as_json))


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
