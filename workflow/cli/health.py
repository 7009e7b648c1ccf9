"""``health``: is all well? For cron, systemd, and a container's health check."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated, Final

import typer

from workflow.cli.options import INCOMPLETE, AsJson, DataDir
from workflow.cli.place import view_of
from workflow.cli.spans import seconds_of
from workflow.cli.words import note, say, say_json

USUAL_AGE: Final = "8d"
"""``workflow.health.MAX_AGE`` as people write it; that one is loaded with the tables."""
MaxAge = Annotated[
    str,
    typer.Option(
        metavar="SPAN",
        envvar="COMMUNITY_ARCHIVES_MAX_AGE",
        help="How old the last announcement, and what is not archived, may be.",
    ),
]


def health(*, max_age: MaxAge = USUAL_AGE, as_json: AsJson = False, data_dir: DataDir) -> None:
    """Tell what is wrong, a line each, for cron and the like.

    It says nothing when all is well. It looks whether somebody runs and does what is due, at every
    community's failures, condition and liveness, at links whose archives are not here, at archives
    that are not imported, at what should have been archived, announced or heard of, at the disk and
    at the clock. That takes less than a second: rows are read, no archives ('verify' reads these),
    and nobody is asked. Exit code 4 says that there is a problem, 1 that the data directory could
    not be read.
    """
    from workflow.health import health_data, health_of  # noqa: PLC0415 - it loads the tables.

    age = seconds_of(max_age)
    view = view_of(data_dir)
    with closing(view.journal):
        found = view.journal.run(
            lambda tx: health_of(tx, view.tools, age, is_held=bool(view.holder))
        )
    if as_json:
        say_json(health_data(found))
    for problem in found.problems if not as_json else ():
        say(problem.line)
    if not found.is_healthy:
        raise typer.Exit(INCOMPLETE)
    if sys.stderr.isatty():  # Cron sends a letter for each word.
        note(f"All is well; communities: {found.communities}.")
