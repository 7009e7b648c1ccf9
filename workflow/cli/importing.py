"""``import``: chats that were kept elsewhere come in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from workflow.cli.asking import Asking, ask_once, carried_out, holding, quiet
from workflow.cli.communities import writable_keys
from workflow.cli.completing import communities
from workflow.cli.options import INCOMPLETE, AsJson, DataDir, examples
from workflow.cli.piped import is_piped, kept
from workflow.cli.place import find, node_at, view_of
from workflow.cli.progress import progress
from workflow.cli.words import hanging, note, say, say_json, unsaved_key

if TYPE_CHECKING:
    from workflow.importing import Before, ImportReport, Item
    from workflow.ports.records import Channel, Community
    from workflow.viewing import View

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
    files beside the export, and never fetched. Where 'run' is there, it reads the files. Ctrl-C
    ends the import; what has been imported stays.
    """
    from workflow.importing import read_discord  # noqa: PLC0415 - as all here, when it is needed.

    what = _What("discord", tuple(paths), lambda: read_discord(paths))
    _import(what, _Where(community, create), strict, dry_run, as_json, data_dir)


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
    the very bytes back. Where 'run' is there, it reads the file. Ctrl-C ends the import; what has
    been imported stays.
    """
    from workflow.chat.jsonl import read_lines  # noqa: PLC0415
    from workflow.errors import ExportInvalidError  # noqa: PLC0415
    from workflow.importing import read_jsonl  # noqa: PLC0415

    where, file = _Where(community, create), Path(path)
    if path != STDIN and not is_piped(file, ExportInvalidError):
        what = _What("jsonl", (file,), lambda: read_jsonl(file))
        _import(what, where, strict, dry_run, as_json, data_dir)
        return
    if strict:
        raise typer.BadParameter("what is piped cannot be read twice", param_hint="--strict")
    called = "stdin" if path == STDIN else path
    with sys.stdin.buffer if path == STDIN else file.open("rb") as piped:
        if dry_run:
            what = _What("jsonl", (), lambda: read_lines(piped, called))
            _import(what, where, strict, dry_run, as_json, data_dir)
            return
        with kept(piped, data_dir) as copy:
            what = _What("jsonl", (copy,), lambda: read_jsonl(copy, called), called)
            _import(what, where, strict, dry_run, as_json, data_dir)


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
    from io import BytesIO  # noqa: PLC0415

    from workflow.errors import KeyFileError  # noqa: PLC0415
    from workflow.inspection.ratchet_keys import MAX_LENGTH  # noqa: PLC0415

    ask = partial(ask_once, data_dir, "ratchet_keys", encrypt=encrypt)
    if is_piped(path, KeyFileError):
        with path.open("rb") as piped, kept(BytesIO(piped.read(MAX_LENGTH + 1)), data_dir) as copy:
            added = ask(path=str(copy), called=str(path))
    else:
        added = ask(path=str(path.absolute()))
    for one in added["keys"]:
        say(f"{one['community']}: key {one['id'][:16]} is here.")


@dataclass(frozen=True, slots=True)
class _What:
    """What is to be imported: files of a form, and how a rehearsal reads them here."""

    form: str
    paths: tuple[Path, ...]
    items: Callable[[], Iterable[Item]]
    called: str = ""


@dataclass(frozen=True, slots=True)
class _Where:
    """Into which community: one that is known, or a new one of this name."""

    community: str
    create: str


def _import(
    what: _What, where: _Where, strict: bool, dry_run: bool, as_json: bool, data_dir: Path
) -> None:
    if bool(where.community) == bool(where.create):
        raise typer.BadParameter("name either --community or --create")
    quiet()
    if strict:
        _refuse_problems(_rehearsed(what.items(), where.community, data_dir))
    if dry_run:
        report = _rehearsed(what.items(), where.community, data_dir)
    else:
        report = _imported(what, where, data_dir)
    if as_json:
        say_json(report.as_data())
    else:
        _say_report(report, where.community or where.create, is_dry_run=dry_run)
    if where.create and not dry_run:
        note(unsaved_key(where.create))
    if report.problem_count:
        raise typer.Exit(INCOMPLETE)


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
    import asyncio  # noqa: PLC0415
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    async def rehearse(scratch: Path, mirrored: _Mirrored | None) -> ImportReport:
        node = node_at(scratch)
        try:
            if mirrored is None:
                id, before = await node.create_community("rehearsal"), None
            else:
                id, before = mirrored.known.id, mirrored.before
                await node.mirror(mirrored.known, mirrored.channels)
            with progress("Reading") as told:
                return await node.import_items(id, items, before=before, progress=told)
        finally:
            await node.stop()

    with TemporaryDirectory() as scratch:
        if not community:
            return asyncio.run(rehearse(Path(scratch), None))
        view = view_of(data_dir)
        with view.journal:
            return asyncio.run(rehearse(Path(scratch), _mirrored(view, community)))


class _Mirrored(NamedTuple):
    """What a rehearsal knows of the real community."""

    known: Community
    channels: list[Channel]
    before: Before


def _mirrored(view: View, community: str) -> _Mirrored:
    from workflow.importing import Before, archived_weeks  # noqa: PLC0415

    store, run = view.tools.store, view.journal.run
    known = run(lambda tx: find(view, tx, community))
    return _Mirrored(
        known,
        run(lambda tx: store.channels(tx, known.id)),
        Before(
            run(lambda tx: archived_weeks(store.archive_states(tx, known.id))),
            lambda ids: run(lambda tx: store.known_origins(tx, known.id, ids)),
        ),
    )


def _imported(what: _What, where: _Where, data_dir: Path) -> ImportReport:
    import asyncio  # noqa: PLC0415

    from workflow.importing import ImportReport  # noqa: PLC0415

    async def work() -> ImportReport:
        async with holding(data_dir) as asking:
            id = await _target(asking, where, data_dir)
            done = await carried_out(
                asking, "import", id, "Importing", form=what.form, called=what.called,
                paths=[str(path.absolute()) for path in what.paths],
            )  # fmt: skip
        return ImportReport.from_data(done)

    return asyncio.run(work())


async def _target(asking: Asking, where: _Where, data_dir: Path) -> str:
    """The community's id; a new one is wanted to be kept, and has its key here."""
    from workflow.errors import NameTakenError  # noqa: PLC0415

    if not where.create:
        view = view_of(data_dir)
        with view.journal:
            return view.journal.run(lambda tx: find(view, tx, where.community)).id
    keys = writable_keys(data_dir)
    key = keys.create()
    try:
        created = await asking("create", name=where.create, key=key.hex())
    except NameTakenError:
        keys.remove(key)  # It is nobody's. After any other failure it may be a community's.
        raise
    return str(created["id"])


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


def _day(time: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
