"""``join``, ``fetch``, ``peers``, ``announcement show``: the member's side, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from workflow.cli.asking import Asking, Remote, acting, ask_once, note_if_nobody_runs, quiet
from workflow.cli.completing import communities
from workflow.cli.networking import Networking, networked
from workflow.cli.options import INCOMPLETE, AsJson, CommunityName, DataDir, examples
from workflow.cli.place import find, view_of
from workflow.cli.spans import window_of
from workflow.cli.watching import Look, watch
from workflow.cli.words import note, say, say_event, say_json, size, table

if TYPE_CHECKING:
    from workflow.ports.work import Transaction
    from workflow.viewing import View

PATIENCE: Final = 180.0
"""Seconds in which something has to happen."""
LONGEST_FILE: Final = 64 * 1024
"""Bytes of a file that holds an announcement, at most."""

announcement = typer.Typer(
    name="announcement",
    help="Announcements that travel by hand.",
    epilog=examples("announcement show gardeners > gardeners.announcement"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
Target = Annotated[
    str,
    typer.Argument(
        metavar="ANNOUNCEMENT",
        help="A line from 'announcement show', a file with it, or a community's id.",
    ),
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What you call it here.")]


class _Target(NamedTuple):
    """What is to be joined or fetched: a community, and perhaps what leads to its archives."""

    community: str
    line: str = ""
    magnet: str = ""


@announcement.callback()
def _announcement() -> None:
    """Announcements that travel by hand."""


@announcement.command(
    epilog=examples(
        "announcement show gardeners > gardeners.announcement",
        "announcement show gardeners --torrent gardeners.torrent",
    )
)
def show(
    community: CommunityName,
    *,
    torrent: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a .torrent, for other programs."),
    ] = None,
    data_dir: DataDir,
) -> None:
    """Print the newest signed announcement as one line of text.

    Whoever has it can 'join' and 'fetch': the signature is checked there as if it had come over
    the network. Members can pass it on, too. A .torrent is signed by nobody; it names the trackers
    of the link, as status-go's does.
    """
    view = view_of(data_dir)
    from workflow.announcing import announcement_of  # noqa: PLC0415 - as all here, when it is needed.
    from workflow.cli.writing import write_new  # noqa: PLC0415

    with closing(view.journal):
        known = view.journal.run(lambda tx: find(view, tx, community))
        say(view.journal.run(lambda tx: announcement_of(tx, view.tools, known.id)))
        if torrent is not None:
            write_new(torrent, view.journal.run(lambda tx: _torrent_of(view, tx, known.id)))


def _torrent_of(view: View, tx: Transaction, id: str) -> bytes:
    """The .torrent of what is offered. Raises ``ContentDamagedError`` when it is not here."""
    from workflow.archive.magnet import parse_magnet  # noqa: PLC0415
    from workflow.archive.torrent import Torrent  # noqa: PLC0415
    from workflow.errors import ContentDamagedError  # noqa: PLC0415
    from workflow.files.torrents import torrent_of  # noqa: PLC0415

    generation = view.tools.store.generation(tx, id)
    if generation is None:
        raise ContentDamagedError("there are no archives", place=id)
    content = view.tools.folder.content_of(generation)
    found = torrent_of(content, generation.info_hash)
    if found is None:
        raise ContentDamagedError("its .torrent is not here", place=str(content.torrent))
    trackers = parse_magnet(generation.locator).trackers if generation.locator else ()
    return Torrent(found.info, tuple((url,) for url in trackers)).encode()


def join(target: Target, *, name: Name = "", data_dir: DataDir) -> None:
    """Become a member: follow a community's announcements.

    Nothing is fetched before 'run' or 'fetch' does it.
    """
    say(f"{join_here(data_dir, target, name)}: joined.")


def join_here(data_dir: Path, target: str, name: str) -> str:
    """Become a member; returns what the community is called here. Raises as ``_read_target``."""
    import asyncio  # noqa: PLC0415 - as all that is loaded here, only needed when it comes to it.

    wanted = _read_target(target, "", data_dir)
    if wanted.magnet:
        raise typer.BadParameter("a magnet link is nothing to join; see 'fetch --unsigned'")
    quiet()

    asyncio.run(_begin(Remote(data_dir), wanted, name))
    return name or wanted.community[:12]


@networked
def fetch(
    target: Annotated[
        str,
        typer.Argument(
            metavar="COMMUNITY|ANNOUNCEMENT",
            help="A community that is known; a line, or a file with it; with --unsigned a magnet.",
            autocompletion=communities,
        ),
    ],
    *,
    name: Name = "",
    unsigned: Annotated[
        bool,
        typer.Option("--unsigned", help="Follow a bare magnet link, which nobody has signed."),
    ] = False,
    of: Annotated[
        str,
        typer.Option(
            "--community",
            metavar="COMMUNITY",
            help="Whose archives the magnet link leads to; a whole id if it is not known here yet.",
            autocompletion=communities,
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="From now on all archives; this is the default.")
    ] = False,
    latest: Annotated[
        bool, typer.Option("--latest", help="From now on only the archives of the latest week.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="From now on only archives from this day or moment on."),
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="To the end of this one.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir,
    networking: Networking,
) -> None:
    """Fetch and import what is lacking, now.

    Verifies the announcement, fetches the index, then only the archives that are chosen and not
    here, and imports them. What is chosen stays so until something else is, and nothing that is
    here is deleted. What is interrupted goes on where it was. Exit code 4 says that an archive was
    put aside or waits for a key.
    """
    import asyncio  # noqa: PLC0415

    choice = _read_choice(since, until, everything=everything, latest=latest)
    quiet()
    wanted = _read_target(target, of, data_dir)
    if bool(wanted.magnet) != unsigned:
        raise typer.BadParameter("--unsigned goes with a magnet link, and only with one")

    asyncio.run(_fetch(data_dir, networking, wanted, name, choice, as_json))


async def _fetch(
    data_dir: Path,
    networking: Networking,
    wanted: _Target,
    name: str,
    choice: Mapping[str, object] | None,
    as_json: bool,
) -> None:
    async with acting(data_dir, networking) as asking:
        before = _bytes_here(data_dir, wanted.community)
        await _begin(asking, wanted, name, choice)
        await asking("try_again", wanted.community)
        look = await watch(
            asking, wanted.community, name or wanted.community[:12], _is_fetched,
            otherwise="no announcement of it has been heard", as_json=as_json, patience=PATIENCE,
        )  # fmt: skip
        summary = _summary(data_dir, wanted.community)
        summary["fetched"] = summary["bytes"] - before
        if as_json:
            say_event({"event": "done", **look, **summary})
        else:
            _say_summary(summary)
        note_if_nobody_runs(asking, "the archives are offered to others by 'run'.")
    if summary["waiting"] or summary["quarantined"]:
        raise typer.Exit(INCOMPLETE)


def _is_fetched(look: Look) -> bool:
    return bool(look["is_at_rest"] and look["generation"] and not look["is_wanting"])


def peers(community: CommunityName, *, as_json: AsJson = False, data_dir: DataDir) -> None:
    """Show with whom archives are exchanged at this moment."""
    quiet()
    view = view_of(data_dir)
    with closing(view.journal):
        known = view.journal.run(lambda tx: find(view, tx, community))
    if not view.holder:
        note("Nobody runs on this data directory, so nobody is connected.")
        found: list[dict[str, Any]] = []
    else:
        found = list(ask_once(data_dir, "peers", known.id)["peers"])
    if as_json:
        say_json(found)
        return
    rows = [
        (
            one["address"],
            one["client"],
            f"{one['progress']:.0%}",
            f"{size(one['download_rate'])}/s",
            f"{size(one['upload_rate'])}/s",
        )
        for one in found
    ]
    if rows:
        for line in table([("ADDRESS", "CLIENT", "HAS", "FROM THEM", "TO THEM"), *rows]):
            say(line)
    elif view.holder:
        note("Nobody is connected.")


async def _begin(
    asking: Asking, wanted: _Target, name: str, choice: Mapping[str, object] | None = None
) -> None:
    await asking("join", wanted.community, name=name)
    if choice is not None:  # Before a link is taken, so that nothing else is fetched.
        await asking("choose", wanted.community, **choice)
    if wanted.line:
        await asking("receive", wanted.community, line=wanted.line)
    if wanted.magnet:
        await asking("follow_unsigned", wanted.community, magnet=wanted.magnet)


def _read_choice(
    since: str, until: str, *, everything: bool, latest: bool
) -> Mapping[str, object] | None:
    """What is to be chosen, as the verb 'choose' wants it; None when nothing was said of it."""
    if everything + latest + bool(since or until) > 1:
        raise typer.BadParameter("one of --all, --latest, or --since and --until")
    if since or until:
        span = window_of(since, until)
        return {"since": span.start if since else None, "until": span.end if until else None}
    return {"is_latest": latest} if everything or latest else None


def _read_target(text: str, of: str, data_dir: Path) -> _Target:
    """What a person means: a line, a file that holds one, a magnet link, a community.

    Raises ``AnnouncementInvalidError``, ``MagnetInvalidError``, ``MalformedIdError``,
    ``UnknownCommunityError``.
    """
    from workflow.archive.announcement import LINE_PREFIX, from_line  # noqa: PLC0415
    from workflow.archive.magnet import parse_magnet  # noqa: PLC0415
    from workflow.errors import JournalMissingError, UnknownCommunityError  # noqa: PLC0415
    from workflow.identity import public_key_of  # noqa: PLC0415

    if not text.startswith((LINE_PREFIX, "magnet:", "0x")):
        with suppress(OSError), Path(text).open("rb") as file:  # Else it is no file.
            text = file.read(LONGEST_FILE).decode("utf-8", "replace").strip()
    if text.startswith(LINE_PREFIX):
        return _Target(from_line(text)[0], line=text)
    if text.lower().startswith("magnet:"):
        id = _id_of(of, data_dir) or parse_magnet(text).name
        public_key_of(id)
        return _Target(id, magnet=text)
    if text.startswith("0x") and len(text) == len("0x") + 66:
        public_key_of(text)
        return _Target(text)
    try:
        return _Target(_id_of(text, data_dir))
    except (JournalMissingError, UnknownCommunityError) as unknown:
        what = "a file with an announcement, its text, or a community's whole id."
        meant = unknown.advice if unknown.advice.startswith("Did") else ""
        raise UnknownCommunityError(
            "there is no such file, and no community is called so here",
            place=text,
            remedy=f"{meant} Else name {what}" if meant else f"Name {what}",
        ) from None


def _id_of(text: str, data_dir: Path) -> str:
    """The id of a community that is known here; a whole id, and nothing, is what it is."""
    if not text or (text.startswith("0x") and len(text) == len("0x") + 66):
        return text
    view = view_of(data_dir)
    with closing(view.journal):
        return view.journal.run(lambda tx: find(view, tx, text)).id


def _bytes_here(data_dir: Path, id: str) -> int:
    """Bytes of archives that are on this disk; none of a community that is not known."""
    from workflow.errors import UnknownCommunityError  # noqa: PLC0415

    with suppress(UnknownCommunityError):
        return int(_summary(data_dir, id)["bytes"])
    return 0


def _summary(data_dir: Path, id: str) -> dict[str, Any]:
    """What of a community is here now, counted without reading the archives again."""
    view = view_of(data_dir)
    store = view.tools.store
    with closing(view.journal):
        name, archives, tallies = view.journal.run(
            lambda tx: (
                store.community(tx, id).name,
                store.archive_states(tx, id),
                store.tallies(tx, id),
            )
        )
    here = [one for one in archives if one.is_here]
    return {
        "name": name,
        "archives": len(here),
        "bytes": sum(one.entry.size for one in here),
        "messages": sum(one.stored for one in tallies),
        "not_chosen": sum(not one.is_here for one in archives),
        "waiting": sum(one.is_locked for one in archives),
        "quarantined": sum(one.state == "QUARANTINED" for one in archives),
    }


def _say_summary(summary: dict[str, Any]) -> None:
    is_all = not summary["waiting"] and not summary["quarantined"]
    which = "the chosen archives" if summary["not_chosen"] else "all archives"
    say(f"{summary['name']}: {f'{which} are' if is_all else f'NOT {which} could be'} imported.")
    say(f"  archives   {summary['archives']:,}, {size(summary['bytes'])},"
        f" of which {size(summary['fetched'])} were fetched now")  # fmt: skip
    if summary["not_chosen"]:
        say(f"  not chosen {summary['not_chosen']:,}")
    say(f"  messages   {summary['messages']:,}")
    if summary["waiting"]:
        note(f"{summary['waiting']} archives wait for the community's key.")
    if summary["quarantined"]:
        note(f"{summary['quarantined']} archives were put aside: 'verify' says why.")
