"""``import`` and ``adopt``: history that was kept elsewhere comes in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.completing import communities
from workflow.cli.options import INCOMPLETE, AsJson, DataDir, examples
from workflow.cli.place import find, node_at, view_of
from workflow.cli.progress import progress
from workflow.cli.words import hanging, note, say, say_json

if TYPE_CHECKING:
    from workflow.importing import ImportReport, Item
    from workflow.node import Node
    from workflow.ports.records import Community

SHOWN: Final = 10
"""Channels and problems that a summary names."""
STDIN: Final = "-"

importing = typer.Typer(
    name="import",
    help="Import chats that were kept elsewhere.",
    epilog=examples("import discord export/ --create chess", "import jsonl chat.jsonl --create go"),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Into = Annotated[
    str,
    typer.Option(
        "--community",
        metavar="COMMUNITY",
        help="Into this one: a name, an id, or its beginning.",
        autocompletion=communities,
    ),
]
Create = Annotated[
    str, typer.Option(metavar="NAME", help="Into a new one of this name, with a new key.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Import nothing unless all of it can be imported.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@importing.command(
    epilog=examples(
        "import discord export/ --community gardeners --dry-run",
        "import discord general.json chat.json --create gardeners",
    )
)
def discord(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    *,
    community: Into = "",
    create: Create = "",
    strict: Strict = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Import what DiscordChatExporter wrote as JSON.

    Partitions, overlapping files and importing again are no problem: messages are known by their
    ids. Of an export that was cut off, all whole messages are taken. Attachments are taken from
    files beside the export, and never fetched.
    """
    from workflow.importing import read_discord  # noqa: PLC0415 - as all here, when it is needed.

    _import(lambda: read_discord(paths), community, create, strict, dry_run, as_json, data_dir)


@importing.command(
    epilog=examples(
        "import jsonl messages.jsonl --community gardeners",
        "import jsonl - --community gardeners < messages.jsonl",
    )
)
def jsonl(
    path: Annotated[str, typer.Argument(metavar="PATH|-", help="A file, or - for what is piped.")],
    *,
    community: Into = "",
    create: Create = "",
    strict: Strict = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Import one message a line.

    A line is a JSON object with id, channel and time (RFC 3339, or milliseconds since 1970), and
    what is known of author, text, reply_to and attachments. 'raw', as 'export' writes it, brings
    the very bytes back.
    """
    from workflow.chat.jsonl import read_lines  # noqa: PLC0415
    from workflow.importing import read_jsonl  # noqa: PLC0415

    if path != STDIN:
        _import(
            lambda: read_jsonl(Path(path)), community, create, strict, dry_run, as_json, data_dir
        )
        return
    if strict:
        raise typer.BadParameter("what is piped cannot be read twice", param_hint="--strict")
    _import(
        lambda: read_lines(sys.stdin.buffer, "stdin"),
        community, create, strict, dry_run, as_json, data_dir,
    )  # fmt: skip


@importing.command(
    "ratchet-keys",
    epilog=examples("import ratchet-keys keys.txt", "import ratchet-keys keys.txt --encrypt"),
)
def ratchet_keys(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Lines: KEY TIME COMMUNITY.")],
    *,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Write archives for holders of the key from now on.")
    ] = False,
    data_dir: DataDir,
) -> None:
    """Import the keys of encrypted communities.

    A line is a key (64 hexadecimal digits), the time it was made (milliseconds since 1970), and the
    community's id. Archives and indexes that wait for a key are read when 'run' goes on. With
    --encrypt, a control node writes its archives for the holders of its newest key.
    """
    from workflow.inspection import read_ratchet_keys  # noqa: PLC0415

    async def work(node: Node) -> None:
        keys = read_ratchet_keys(path)
        owners = [await node.find(f"0x{key.group_id.hex()}") for key in keys]
        for known, key in zip(owners, keys, strict=True):
            await node.add_ratchet_key(known.id, key)
            if encrypt:
                await node.set_encrypted(known.id, is_encrypted=True)
            say(f"{known.name}: key {key.id.hex()[:16]} is here.")

    _with_node(data_dir, work)


def adopt(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, an index, a .torrent.")],
    *,
    community: Annotated[
        str,
        typer.Option(
            "--community",
            metavar="COMMUNITY",
            help="Whose archives they are.",
            autocompletion=communities,
        ),
    ],
    torrent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Their .torrent, if it lies elsewhere.")
    ] = None,
    data_dir: DataDir,
) -> None:
    """Take over archives that lie elsewhere.

    status-go's, a download, or a rescued folder of ours. They are checked byte by byte, copied and
    imported; later archives are appended to them. The
    place they come from is only read. A community that is not known here yet is joined as a member,
    if its whole id is given.
    """

    async def work(node: Node) -> None:
        await node.enable()
        known = await _known_or_joined(node, community)
        with progress("Checking and copying") as told:
            adopted = await node.adopt(known.id, path, torrent, told)
        with progress("Importing") as told:
            await _until_imported(node, known.id, len(adopted.entries), told)
        covered = await node.verify(known.id)
        messages = sum(cell.stored for cell in covered.cells)
        say(f"{known.name}: {len(adopted.entries):,} archives adopted, {messages:,} messages.")
        say(f"  info-hash  {adopted.generation.info_hash}")
        if adopted.locked:
            note(f"{adopted.locked} of them wait for the community's key.")

    _with_node(data_dir, work, acting=True)


def _import(
    source: Callable[[], Iterable[Item]],
    community: str,
    create: str,
    strict: bool,
    dry_run: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    if bool(community) == bool(create):
        raise typer.BadParameter("name either --community or --create")
    if strict:
        _refuse_problems(_rehearsed(source(), community, data_dir))
    if dry_run:
        report = _rehearsed(source(), community, data_dir)
    else:
        report = _imported(source(), community, create, data_dir)
    if as_json:
        say_json(_as_json(report))
    else:
        _say_report(report, community or create, is_dry_run=dry_run)
    if report.problem_count:
        raise typer.Exit(INCOMPLETE)


async def _known_or_joined(node: Node, text: str) -> Community:
    from workflow.errors import MalformedIdError, UnknownCommunityError  # noqa: PLC0415

    try:
        return await node.find(text)
    except UnknownCommunityError as unknown:
        try:
            await node.join(text)
        except MalformedIdError:
            raise unknown from None
    return await node.find(text)


def _refuse_problems(rehearsed: ImportReport) -> None:
    from workflow.errors import ExportInvalidError  # noqa: PLC0415

    if rehearsed.problem_count:
        for problem in rehearsed.problems[:SHOWN]:
            note(f"  ! {problem}")
        raise ExportInvalidError(
            "not all of it can be imported: nothing was",
            remedy="Correct the files, or leave out --strict to import what can be.",
        )


def _rehearsed(items: Iterable[Item], community: str, data_dir: Path) -> ImportReport:
    """Import into a directory that is thrown away, with an eye on what is stored here already."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    if not community:
        with TemporaryDirectory() as scratch:
            return _imported(items, "", "rehearsal", Path(scratch))
    from workflow.importing import Before, archived_weeks  # noqa: PLC0415

    view = view_of(data_dir)
    with view.journal as journal, TemporaryDirectory() as scratch, progress("Reading") as told:
        store = view.tools.store
        known = journal.run(lambda tx: find(view, tx, community))
        channels = journal.run(lambda tx: store.channels(tx, known.id))
        before = Before(
            journal.run(lambda tx: archived_weeks(store.archive_states(tx, known.id))),
            lambda ids: journal.run(lambda tx: store.known_origins(tx, known.id, ids)),
        )

        async def work(node: Node) -> ImportReport:
            await node.mirror(known, channels)
            return await node.import_items(known.id, items, before=before, progress=told)

        report: ImportReport = _with_node(Path(scratch), work)
        return report


def _imported(items: Iterable[Item], community: str, create: str, data_dir: Path) -> ImportReport:
    async def work(node: Node) -> ImportReport:
        if create:  # Whoever creates a community wants it kept.
            await node.enable()
            id = await node.create_community(create)
        else:
            id = (await node.find(community)).id
        with progress("Importing") as told:
            return await node.import_items(id, items, progress=told)

    report: ImportReport = _with_node(data_dir, work)
    return report


def _with_node(
    data_dir: Path, work: Callable[[Node], Coroutine[Any, Any, Any]], *, acting: bool = False
) -> Any:
    """Hold the data directory and work on it; without ``acting`` no lifecycle goes on meanwhile."""
    import asyncio  # noqa: PLC0415

    from loguru import logger  # noqa: PLC0415

    logger.remove()

    async def held() -> Any:
        node = node_at(data_dir)
        try:
            if acting:
                await node.start_imports()
            return await work(node)
        finally:
            await node.stop()

    return asyncio.run(held())


async def _until_imported(
    node: Node, id: str, total: int, told: Callable[[int, int, str], None]
) -> None:
    import asyncio  # noqa: PLC0415

    while True:
        done, waiting = await node.imports(id)
        told(done, total, "archives")
        if not waiting:
            return
        await asyncio.sleep(0.05)


def _say_report(report: ImportReport, name: str, *, is_dry_run: bool) -> None:
    say(f"{name}: {report.new:,} messages {'would be' if is_dry_run else 'were'} imported.")
    if report.new:
        first, last = min(report.weeks), max(report.weeks)
        say(f"  weeks      {len(report.weeks):,}, {_day(first.start)} to {_day(last.end - 1)}")
        say(f"  size       {report.size / 1e6:,.1f} MB, as archives hold them")
    for label, count, what in (
        ("known", report.known, "were here already"),
        ("doubled", report.doubled, "came more than once"),
        ("late", report.late, "are of weeks that are archived: they become supplements"),
    ):
        if count:
            say(f"  {label:<10} {count:,} {what}")
    for old, new in list(report.renamed.items())[:SHOWN]:
        say(hanging("  renamed    ", f"{old} is called {new}"))
    _say_channels(report)
    for problem in report.problems[:SHOWN]:
        note(f"  ! {problem}")
    if report.problem_count > SHOWN:
        note(f"  ! and {report.problem_count - SHOWN:,} more problems")
    if report.new and not is_dry_run:
        note("'run' makes archives of weeks that are over, in an hour; 'archive now' at once.")


def _say_channels(report: ImportReport) -> None:
    if report.channels:
        say(f"  channels   {len(report.channels):,}")
    widest = max((len(f"{count:,}") for count in report.channels.values()), default=0)
    for channel, count in report.channels.most_common(SHOWN):
        say(f"    {count:>{widest},}  {channel}")
    if len(report.channels) > SHOWN:
        say(f"    and {len(report.channels) - SHOWN:,} more (--json names all, week by week)")


def _as_json(report: ImportReport) -> dict[str, Any]:
    return {
        "new": report.new,
        "known": report.known,
        "doubled": report.doubled,
        "late": report.late,
        "bytes": report.size,
        "channels": dict(report.channels),
        "weeks": [
            {"from": week.start, "to": week.end, "messages": count}
            for week, count in sorted(report.weeks.items())
        ],
        "cells": [
            {"channel": channel, "from": week.start, "to": week.end, "messages": count}
            for (week, channel), count in sorted(report.cells.items())
        ],
        "renamed": report.renamed,
        "problems": [
            {"file": one.file, "position": one.position, "what": one.what}
            for one in report.problems
        ],
        "problem_count": report.problem_count,
    }


def _day(time: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
