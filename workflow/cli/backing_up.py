"""``backup`` and ``restore``: everything in another place, and from there again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.asking import ask_once, quiet
from workflow.cli.options import INCOMPLETE, AsJson, DataDir, with_data_dir
from workflow.cli.place import key_store
from workflow.cli.progress import progress
from workflow.cli.words import hanging, moment, note, say, say_json, size

if TYPE_CHECKING:
    from workflow.backup import Manifest


def backup(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder, or that of an earlier backup.")
    ],
    *,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="The communities' private keys as well.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Back up the data directory, whoever runs on it.

    Journal, archives and what describes them are copied as they are at one moment; into an earlier
    backup only what is new, but for the journal. All of it is read again and checked. What is
    broken off leaves an earlier backup as it was. Private keys are not in it unless you ask for
    them: whoever has the backup then controls the communities. Exit code 4 says that something was
    damaged already.
    """
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415 - when it is needed.
    from workflow.backup import back_up  # noqa: PLC0415

    quiet()
    with progress("Backing up") as told:
        saved = back_up(
            data_dir, folder, now=SystemClock().now(), with_keys=with_keys, progress=told
        )
    made = saved.manifest
    if as_json:
        say_json({"folder": str(folder), "new": saved.new, **_as_json(made)})
    else:
        copied = size(saved.new)
        say(f"Backed up into {folder}: {size(made.size)}, of which {copied} were copied now.")
        _say_communities(made)
    _tell_that_keys_are_saved(data_dir, made)
    if not made.has_keys:
        note(
            hanging(
                "",
                "The private keys are NOT in it. Save each by 'community export-key', or make the"
                " backup again with --with-keys, and keep it where nobody else can read it.",
            )
        )
    for problem in made.problems:
        note(hanging("  ! ", problem))
    if made.problems:
        raise typer.Exit(INCOMPLETE)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where 'backup' has put it.")],
    *,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Make a new data directory from a backup.

    The directory must be empty, or not there yet. Every byte of the backup is checked before
    anything is begun. What is restored counts as another device: it neither archives nor announces
    before you say so, because the one that was backed up may still run, or may have announced
    more since.
    """
    from shlex import quote  # noqa: PLC0415

    from workflow.backup import restore as bring_back  # noqa: PLC0415

    quiet()
    with progress("Restoring") as told:
        random = key_store(data_dir).random
        restored = bring_back(folder, data_dir, random=random, progress=told)
    made = restored.manifest
    if as_json:
        say_json({"to_take_over": restored.to_take_over, **_as_json(made)})
    else:
        then = moment(made.made_at)
        say(f"Restored into {data_dir} what was backed up {then}: {size(made.size)}.")
        _say_communities(made)
    if not made.has_keys:
        note("The private keys were not in the backup: see 'community import-key'.")
    if restored.to_take_over:
        note("Once no other device announces these communities, let this one do it:")
    for name in restored.to_take_over:
        command = f"community-archives announce {quote(name)} --take-over"
        note(f"  {command}{with_data_dir(data_dir)}")
    for problem in made.problems:
        note(hanging("  ! ", f"damaged before it was backed up: {problem}"))


def _tell_that_keys_are_saved(data_dir: Path, made: Manifest) -> None:
    """Once all is said: the backup is whole, even if nobody answers or a passphrase is wrong."""
    from states import CommunityArchivesError  # noqa: PLC0415

    try:
        for one in made.communities:
            if one.has_key and one.is_controlled:
                ask_once(data_dir, "key_saved", one.id, key=one.key)
    except (CommunityArchivesError, typer.Abort) as error:
        why = error.explained() if isinstance(error, CommunityArchivesError) else "broken off."
        text = f"The keys are in the backup, but 'status' goes on saying that they are not: {why}"
        note(hanging("", text))


def _say_communities(made: Manifest) -> None:
    for one in made.communities:
        key = ", with its key" if one.has_key else ""
        archives = "1 archive" if one.archives == 1 else f"{one.archives:,} archives"
        say(f"  {one.name}: {archives}, generation {one.generation}{key}")


def _as_json(made: Manifest) -> dict[str, Any]:
    return {
        "made_at": made.made_at,
        "bytes": made.size,
        "has_keys": made.has_keys,
        "communities": [asdict(one) for one in made.communities],
        "problems": made.problems,
    }
