"""``archive now`` and ``announce``: what the schedule would do later, at once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.asking import acting, note_if_nobody_runs, quiet
from workflow.cli.networking import Networking, networked
from workflow.cli.options import AsJson, CommunityName, DataDir, examples
from workflow.cli.place import find, view_of
from workflow.cli.watching import Look, watch
from workflow.cli.words import moment, note, say, say_event

if TYPE_CHECKING:
    from workflow.archive.windows import Window
    from workflow.ports.records import Community

PATIENCE: Final = 300.0
"""Seconds in which something has to happen."""

archive = typer.Typer(
    name="archive",
    help="Make archives.",
    epilog=examples("archive now gardeners", "archive now gardeners --open-window"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@archive.callback()
def _archive() -> None:
    """Make archives."""


@archive.command(
    "now", epilog=examples("archive now gardeners", "archive now gardeners --open-window")
)
@networked
def archive_now(
    community: CommunityName,
    *,
    open_window: Annotated[
        bool, typer.Option("--open-window", help="Also what there is of the window under way.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir,
    networking: Networking,
) -> None:
    """Archive, seed and announce what is stored, without waiting.

    By itself it would be done an hour after a window's end. A window that is not over yet is left
    alone, unless you ask for it; what comes after this moment is then archived in its turn.
    """
    import asyncio  # noqa: PLC0415 - as all that is loaded here, only needed when it comes to it.

    known, under_way = _with_open_windows(data_dir, community)
    quiet()
    if under_way and not open_window:
        for window in under_way:
            note(f"Left alone: the window until {moment(window.end)} is not over.")

    asyncio.run(_archive_now(data_dir, networking, known, open_window, as_json))


async def _archive_now(
    data_dir: Path, networking: Networking, known: Community, open_window: bool, as_json: bool
) -> None:
    async with acting(data_dir, networking) as asking:
        before = await asking("look", known.id)
        await asking("archive", known.id, with_open_window=open_window)
        look = await watch(
            asking, known.id, known.name, _is_done,
            as_json=as_json, patience=PATIENCE,
        )  # fmt: skip
        if as_json:
            say_event({"event": "done", **look})
        elif look["generation"] == before["generation"]:
            say(f"{known.name}: nothing new; generation {look['generation']}.")
            if look["state"] == "off":
                note(f"It is off: 'community-archives send {known.name} switched_on' first.")
        else:
            is_told = look["announced_clock"] > before["announced_clock"]
            say(f"{known.name}: generation {look['generation']} is made, seeded"
                f"{' and announced' if is_told else ''}.")  # fmt: skip
            say(f"  {look['locator']}")
        note_if_nobody_runs(asking, "it is seeded again by 'community-archives run'.")


def _is_done(look: Look) -> bool:
    return bool(look["is_at_rest"])


@networked
def announce(
    community: CommunityName,
    *,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Take control first: another device with the same key had it."
        ),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir,
    networking: Networking,
) -> None:
    """Announce the archives again, now.

    They are checked and seeded first: what is not live is not announced. When another device
    announces with the same key, this one has stopped doing so; --take-over makes it the control
    node again, after it has taken what the other one had made.
    """
    import asyncio  # noqa: PLC0415

    known, _ = _with_open_windows(data_dir, community)
    quiet()

    asyncio.run(_announce(data_dir, networking, known, take_over, as_json))


async def _announce(
    data_dir: Path, networking: Networking, known: Community, take_over: bool, as_json: bool
) -> None:
    async with acting(data_dir, networking) as asking:
        before = await asking("look", known.id)
        if take_over:
            await asking("take_over", known.id)
        await asking("announce", known.id)
        look = await watch(
            asking, known.id, known.name,
            lambda look: look["is_at_rest"] and look["announced_clock"] > before["announced_clock"],
            otherwise="there is nothing to announce", as_json=as_json, patience=PATIENCE,
        )  # fmt: skip
        if as_json:
            say_event({"event": "done", **look})
        else:
            say(f"{known.name}: announced.")
            say(f"  {look['locator']}")
        note_if_nobody_runs(asking, "it is seeded again by 'community-archives run'.")


def _with_open_windows(data_dir: Path, text: str) -> tuple[Community, list[Window]]:
    """The community, and its windows with unarchived messages that are not over yet."""
    view = view_of(data_dir)
    now = view.tools.clock.now()
    with closing(view.journal):
        known = view.journal.run(lambda tx: find(view, tx, text))
        store = view.tools.store
        due = view.journal.run(lambda tx: store.due_windows(tx, known.id, float("inf")))
    return known, [one for one in due if one.end > now]
