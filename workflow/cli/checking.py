"""``check``: the tables, walked through everything that may go wrong with them."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow.cli.applications import AppName, load_app
from workflow.cli.words import note, say


def check(
    *,
    only: Annotated[
        str, typer.Option(metavar="TEXT", help="Only the worlds with this in their name.")
    ] = "",
    app: AppName = "",
) -> None:
    """Walk the tables through everything that may go wrong.

    Crashes, lost, doubled and reordered messages, keys that come and go, two devices: every state
    that can be reached in these small worlds is visited, by the functions that take the steps when
    it is real. A broken promise is shown with the shortest way to it.

    With --app: whether its tables hang together. Every state is asked for every event, with every
    mix of its guards' answers, and then with its guards and facts; what its actions do is not seen.
    """
    from dataclasses import replace  # noqa: PLC0415 - as all here, only when it comes to it.

    from workflow.check import (  # noqa: PLC0415
        check_all,
        check_community,
        check_lifecycle,
        report,
    )
    from workflow.check.scenarios import SCENARIOS  # noqa: PLC0415

    own = load_app(app)
    if own is not None:
        if only:
            raise typer.BadParameter("an application has no worlds", param_hint="--only")
        results = [check_lifecycle(one.lifecycle, one.samples) for one in own.workflows]
    elif only:
        chosen = [scenario for scenario in SCENARIOS if only in scenario.name]
        if not chosen:
            raise typer.BadParameter(f"no world has '{only}' in its name", param_hint="--only")
        # A part of the worlds need not take every row.
        results = [replace(check_community(scenarios=chosen), never_taken=())]
    else:
        note("Walking through hundreds of thousands of states; this takes a minute.")
        results = check_all()
    say(report(results))
    if not all(result.is_good for result in results):
        raise typer.Exit(1)
