"""History as files for others: lines that lose nothing, pages for people, Discord's form.

Lines are written as the messages come. The two other forms go channel by channel, and messages come
by their time: posts wait on the disk in between, and of each no more is in memory than its place.
"""

from __future__ import annotations

import pickle
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, Literal, cast

from workflow.adopting import no_progress
from workflow.chat.discord_export import DiscordExport, discord_export
from workflow.chat.folder import new_folder
from workflow.chat.html import HtmlExport, html_export
from workflow.chat.jsonl import Line, write_channel, write_line
from workflow.chat.post import Post
from workflow.ports.work import Progress
from workflow.sources import Reader, Source

Format = Literal["jsonl", "html", "discord-json"]
LINES: Final = "messages.jsonl"
STEP: Final = 1000
"""Messages between two tellings of how far it is."""


@dataclass(slots=True)
class ExportReport:
    """What was exported: counts, and ``size`` in bytes.

    ``unreadable`` counts by reason the messages that cannot be shown: lines hold them nevertheless,
    as they are, the other forms do not. ``problems`` names archives that could not be read.
    """

    messages: int = 0
    channels: int = 0
    files: int = 0
    size: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def export(
    source: Source, format: Format, target: Path, progress: Progress = no_progress
) -> ExportReport:
    """Write all messages of a source into the folder ``target``, which appears whole or not at all.

    Raises ``DataDirectoryError`` when ``target`` is there and not an empty folder, or cannot be
    written, and what reading the source raises.
    """
    reader = Reader(source)
    report = ExportReport(unreadable=reader.unreadable, problems=source.problems)
    if format == "jsonl":
        _export_lines(source, reader, target, report, progress)
    else:
        _export_channels(source, reader, _WRITERS[format](target), target, report, progress)
    written = [path for path in target.rglob("*") if path.is_file()]
    report.files, report.size = len(written), sum(path.stat().st_size for path in written)
    report.channels = len(reader.channels)
    return report


def _export_lines(
    source: Source, reader: Reader, target: Path, report: ExportReport, progress: Progress
) -> None:
    with new_folder(target) as folder, (folder / LINES).open("xb") as file:
        told = set[str]()
        for id, channel in reader.channels.items():
            write_channel(file, channel)
            told.add(id)
        for said in reader.read(source.messages()):
            post = said.post
            if post is not None and post.channel not in told:
                write_channel(file, reader.channels[post.channel])
                told.add(post.channel)
            write_line(file, Line(post, said.message))
            report.messages += 1
            if report.messages % STEP == 0:
                progress(report.messages, 0, "messages")


def _export_channels(
    source: Source,
    reader: Reader,
    writing: AbstractContextManager[DiscordExport | HtmlExport],
    target: Path,
    report: ExportReport,
    progress: Progress,
) -> None:
    with writing as writer, TemporaryFile(dir=target.absolute().parent) as file:
        waiting = _Waiting(file)
        for count, (_, post) in enumerate(reader.posts(source.messages()), 1):
            waiting.add(post)
            if count % STEP == 0:
                progress(count, 0, "messages read")
        total = len(waiting)
        for channel in reader.channels.values():
            report.messages += writer.write_channel(channel, waiting.posts(channel.id))
            progress(report.messages, total, "messages written")


_WRITERS: Final[dict[str, Callable[[Path], AbstractContextManager[DiscordExport | HtmlExport]]]] = {
    "html": html_export,
    "discord-json": discord_export,
}


class _Waiting:
    """Posts in a file, in the order in which they came, and where each channel's lie."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0
        self._places: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def add(self, post: Post) -> None:
        self._places[post.channel].append(self._end)
        self._end += self._file.write(pickle.dumps(post, pickle.HIGHEST_PROTOCOL))

    def posts(self, channel: str) -> Iterator[Post]:
        for place in self._places.get(channel, ()):
            self._file.seek(place)
            # The file has no name and was written by this process a moment ago.
            yield cast("Post", pickle.load(self._file))  # noqa: S301
