"""``messages``: what people said, a line each, from the store or from archives anywhere."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.completing import communities
from workflow.cli.options import INCOMPLETE, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.spans import window_of
from workflow.cli.words import note, say_as_is

if TYPE_CHECKING:
    from workflow.archive.message import ArchivedMessage
    from workflow.archive.windows import Window
    from workflow.chat.post import Channel, Post
    from workflow.sources import Reader, Source
    from workflow.viewing import View

    Said = tuple[ArchivedMessage, Post]

SHOWN: Final = 10
LEAST_BEGINNING: Final = 8
"""Characters of a channel's id that may stand for all of it."""
"""Problems that are named, at most."""
ID_LENGTH: Final = 68
"""Characters of a community's id, which stands before the UUIDs of its channels."""
HEXADECIMAL: Final = frozenset("0123456789abcdefx-")

SourceName = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A community, or a path: a folder of archives, an index, a .torrent.",
        autocompletion=communities,
    ),
]
RatchetKeyFile = Annotated[
    Path | None,
    typer.Option("--ratchet-key", metavar="FILE", help="Keys to encrypted archives at a path."),
]


def messages(
    source: SourceName,
    *,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|ID", help="Only this channel; may be given again."),
    ] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="From this day or moment on.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="To the end of this one.")] = "",
    author: Annotated[str, typer.Option(metavar="TEXT", help="A part of a name, or an id.")] = "",
    grep: Annotated[str, typer.Option(metavar="PATTERN", help="A regular expression.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the oldest N.")
    ] = None,
    tail: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the newest N.")] = None,
    confirmed: Annotated[
        bool,
        typer.Option("--confirmed", help="Without what no archive holds although it should."),
    ] = False,
    ratchet_key: RatchetKeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")] = False,
    data_dir: DataDir,
) -> None:
    """Show what people said, the oldest first.

    Times are in UTC and days are whole days; a moment is written as in RFC 3339. Capitals make no
    difference. With --json a channel's line stands before its first message, and 'import jsonl'
    takes all of it. Exit code 4 says that archives could not be read.
    """
    from workflow.chat.jsonl import Line, write_channel, write_line  # noqa: PLC0415 - as all here.
    from workflow.cli.transcript import Transcript  # noqa: PLC0415
    from workflow.sources import Reader  # noqa: PLC0415

    if limit and tail:
        raise typer.BadParameter("name either --limit or --tail")
    window = window_of(since, until)
    matches = _matching(author, grep)
    names = [name.removeprefix("#").casefold() for name in channel or []]
    if "" in names:
        raise typer.BadParameter("a channel has a name", param_hint="--channel")
    with source_at(source, data_dir, ratchet_key, confirmed=confirmed) as opened:
        reader = Reader(opened)
        transcript = Transcript(reader.channels)
        wanted = _Wanted(opened, reader, names, matches, transcript.remember)
        chosen = wanted.newest(window, tail) if tail else wanted.oldest(window, limit)
        told = set[str]()
        if not as_json:
            for line in transcript.lines(chosen, is_coloured=_is_coloured()):
                say_as_is(line)
        else:
            for message, post in chosen:
                if post.channel not in told:
                    write_channel(sys.stdout.buffer, reader.channels[post.channel])
                    told.add(post.channel)
                write_line(sys.stdout.buffer, Line(post, message))
        sys.stdout.flush()
        if not wanted.count:
            is_asked = any((since, until, names, author, grep)) or reader.unreadable
            note("No message matches." if is_asked else "There are no messages here.")
        say_what_is_missing(reader.unreadable, opened.problems)


@contextmanager
def source_at(
    text: str, data_dir: Path, ratchet_key: Path | None, *, confirmed: bool = False
) -> Iterator[Source]:
    """The history that ``text`` names: a community's of the data directory, or that at a path.

    Raises ``UnknownCommunityError``, ``DataDirectoryError``, ``KeyFileError``, and what
    ``workflow.sources.LeftHistory`` raises.
    """
    from workflow.inspection import read_ratchet_keys  # noqa: PLC0415
    from workflow.sources import LeftHistory, StoredHistory  # noqa: PLC0415

    known = None if _is_path(text) else _known(text, data_dir)
    if known is not None:
        view, id = known
        with view.journal as journal:
            if ratchet_key is not None:
                raise typer.BadParameter(
                    "a community's keys are in the data directory", param_hint="--ratchet-key"
                )
            yield StoredHistory(view.tools, journal.run, id, is_confirmed=confirmed)
        return
    if confirmed:
        raise typer.BadParameter("archives hold what they hold", param_hint="--confirmed")
    yield LeftHistory(Path(text), read_ratchet_keys(ratchet_key) if ratchet_key else ())


def say_what_is_missing(unreadable: dict[str, int], problems: list[str]) -> None:
    """Tell what cannot be shown, and end with exit code 4 when archives could not be read."""
    if unreadable:
        reasons = sorted(unreadable.items(), key=lambda item: (-item[1], item[0]))
        total = sum(unreadable.values())
        parts = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
        note(f"{total:,} {'message' if total == 1 else 'messages'} cannot be shown: {parts}.")
    for problem in problems[:SHOWN]:
        note(f"  ! {problem}")
    if len(problems) > SHOWN:
        note(f"  ! and {len(problems) - SHOWN:,} more")
    if problems:
        raise typer.Exit(INCOMPLETE)


class _Wanted:
    """The posts that were asked for; ``count`` is how many there are.

    ``remember`` is told of every post that was looked at, as others may reply to it.
    """

    def __init__(
        self,
        source: Source,
        reader: Reader,
        names: list[str],
        matches: Callable[[Post], bool],
        remember: Callable[[Post], None],
    ) -> None:
        self.count = 0
        self._source = source
        self._reader = reader
        self._names = names
        self._matches = matches
        self._remember = remember
        self._in: dict[str, bool] = {}
        self._traces = self._traces_of(source)

    def oldest(self, window: Window, limit: int | None) -> Iterator[Said]:
        """The oldest of a window, so many at most."""
        for said in self._in_window(window):
            self.count += 1
            yield said
            if self.count == limit:
                return

    def newest(self, window: Window, limit: int) -> Iterator[Said]:
        """The newest of a window, so many at most, the oldest of them first."""
        from workflow.sources import backwards  # noqa: PLC0415

        kept: deque[Said] = deque()
        for part in backwards(self._source, window):
            kept.extendleft(reversed(deque(self._in_window(part), maxlen=limit - len(kept))))
            if len(kept) == limit:
                break
        self.count = len(kept)
        yield from kept

    def _in_window(self, window: Window) -> Iterator[Said]:
        messages = self._source.messages(window)
        if self._traces is not None:
            # Far cheaper than to check the signatures of what stands in other channels.
            traces = self._traces
            messages = (one for one in messages if any(trace in one.payload for trace in traces))
        for message, post in self._reader.posts(messages):
            self._remember(post)
            if self._is_in(post.channel) and self._matches(post):
                yield message, post

    def _traces_of(self, source: Source) -> list[bytes] | None:
        """What messages of the wanted channels contain; None when that is not known.

        Raises ``ConfigurationError`` when no channel is called so.
        """
        from workflow.errors import ConfigurationError  # noqa: PLC0415

        if not self._names or not source.channels:
            return None
        for name in self._names:
            if not any(_is_called(one, name) for one in source.channels):
                if set(name) <= HEXADECIMAL:
                    return None
                raise ConfigurationError(
                    f"there is no channel '{name}'",
                    place=source.name,
                    remedy=_similar(source, name),
                )
        return [one.id.encode() for one in source.channels if self._is_in(one.id)]

    def _is_in(self, channel: str) -> bool:
        if channel not in self._in:
            one = self._reader.channels[channel]
            self._in[channel] = not self._names or any(_is_called(one, n) for n in self._names)
        return self._in[channel]


def _is_called(channel: Channel, name: str) -> bool:
    """By its name or id; a beginning of the id counts when it is long enough to mean something."""
    if name in (channel.name.casefold(), channel.id):
        return True
    own = channel.id[ID_LENGTH:] or channel.id
    if len(name) > ID_LENGTH:
        return channel.id.startswith(name)
    return len(name) >= LEAST_BEGINNING and own.startswith(name)


def _similar(source: Source, name: str) -> str:
    import difflib  # noqa: PLC0415

    names = [one.name for one in source.channels]
    close = difflib.get_close_matches(name, names) or sorted(names)[:SHOWN]
    return f"Name one that is there, such as {', '.join(map(repr, close))}."


def _matching(author: str, grep: str) -> Callable[[Post], bool]:
    from workflow.cli.pattern import pattern  # noqa: PLC0415

    part = author.casefold()
    found = pattern(grep) if grep else None

    def matches(post: Post) -> bool:
        if part:
            who = post.author
            if not any(part in text.casefold() for text in (who.id, who.name, who.nickname)):
                return False
        if found is None:
            return True
        return found("\n".join([post.text, *(one.name for one in post.attachments)]))

    return matches


def _known(text: str, data_dir: Path) -> tuple[View, str] | None:
    """The community of this name with its data directory; None when there is a file instead."""
    from workflow.errors import (  # noqa: PLC0415
        AmbiguousCommunityError,
        JournalMissingError,
        UnknownCommunityError,
    )

    try:
        view = view_of(data_dir)
        try:
            known = view.journal.run(lambda tx: find(view, tx, text))
            if text not in (known.name, known.id) and _is_there(text):
                view.journal.close()  # A file's whole name says more than the beginning of another.
                return None
        except BaseException:
            view.journal.close()
            raise
        else:
            return view, known.id
    except (AmbiguousCommunityError, JournalMissingError, UnknownCommunityError):
        if not _is_there(text):
            raise
        return None


def _is_path(text: str) -> bool:
    return os.sep in text or text.startswith(".") or text.endswith(".torrent")


def _is_there(text: str) -> bool:
    with suppress(OSError):  # Some names are too long for any file.
        return Path(text).exists()
    return False


def _is_coloured() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
