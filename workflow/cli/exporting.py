"""``export``: all of a history as files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.options import AsJson, DataDir
from workflow.cli.progress import progress
from workflow.cli.reading import RatchetKeyFile, SourceName, say_what_is_missing, source_at
from workflow.cli.words import say, say_json


class Form(Enum):
    """What can be written."""

    JSONL = "jsonl"
    HTML = "html"
    DISCORD_JSON = "discord-json"


def export(
    source: SourceName,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder for the files, or an empty one.")
    ],
    *,
    form: Annotated[Form, typer.Option("--format", help="What to write.")],
    ratchet_key: RatchetKeyFile = None,
    as_json: AsJson = False,
    data_dir: DataDir,
) -> None:
    """Write all messages as files.

    The folder appears whole or not at all. jsonl is one file, messages.jsonl, that loses nothing:
    'import jsonl' gives the same messages. html is pages for people that ask no network for
    anything. discord-json is what DiscordChatExporter writes. Exit code 4 says that archives could
    not be read.
    """
    from workflow.cli.words import size  # noqa: PLC0415 - as all here, when it is needed.
    from workflow.exporting import export as write  # noqa: PLC0415

    with source_at(source, data_dir, ratchet_key) as opened, progress("Exporting") as told:
        report = write(opened, form.value, folder, told)
    if as_json:
        say_json(
            {
                "folder": str(folder),
                "format": form.value,
                "messages": report.messages,
                "channels": report.channels,
                "files": report.files,
                "size": report.size,
                "unreadable": report.unreadable,
                "problems": report.problems,
            }
        )
    else:
        say(f"{report.messages:,} messages of {report.channels:,} channels written to {folder}")
        say(f"  files      {report.files:,}")
        say(f"  size       {size(report.size)}")
    say_what_is_missing(report.unreadable, report.problems)
