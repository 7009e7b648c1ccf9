"""``send``: an event for a community's lifecycle, done by whoever holds the data directory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.applications import AppName, load_app, seen_of
from workflow.cli.asking import answer_waiting, quiet
from workflow.cli.options import CommunityName, DataDir
from workflow.cli.words import note, say, step_line

if TYPE_CHECKING:
    from workflow.engine.rows import Outcome

REFUSED: Final = 3


def send(
    community: CommunityName,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="For example switched_off.")],
    *,
    command_id: Annotated[
        str, typer.Option(metavar="ID", help="Yours; with the same id nothing is done twice.")
    ] = "",
    wait: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="For the answer.")] = 60.0,
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Send an event; print the step, or the refusal.

    The process that holds the data directory does it; when nobody does, this command takes the
    step itself and leaves what follows from it to the next run. Events are believed: to say that
    something has happened does not make it happen.
    """
    import asyncio  # noqa: PLC0415 - as all that is loaded here, only needed when it comes to it.
    from uuid import uuid4  # noqa: PLC0415

    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.engine.inbox import Command, Inbox, ask  # noqa: PLC0415

    own = load_app(app)
    seen = seen_of(data_dir, own)
    with closing(seen.journal):
        named = seen.journal.run(lambda tx: seen.find(tx, community))
    clock = SystemClock()
    command = Command(
        command_id or str(uuid4()), named.lifecycle, named.id, event, "operator", clock.now()
    )
    inbox = Inbox(data_dir)
    held: list[Path] = []

    async def hold() -> None:
        await answer_waiting(data_dir, inbox, own)
        held.append(data_dir)

    quiet()
    outcome = asyncio.run(ask(inbox, command, hold, clock, wait))
    _tell(outcome, command.id)
    if held:
        note("Nobody runs on this data directory: what follows from this waits for the next run.")


def _tell(outcome: Outcome, command_id: str) -> None:
    if outcome.is_repeat:
        note(f"This command ({command_id}) was done before; its answer was:")
    if outcome.refusal:
        say(f"refused: {outcome.refusal}")
        raise typer.Exit(REFUSED)
    for step in outcome.steps:
        say(step_line(step))
