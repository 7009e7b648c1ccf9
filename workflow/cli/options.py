"""What several commands are told in the same way."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import Annotated, Final

import typer

from workflow.cli.completing import communities
from workflow.cli.settings_file import default_data_dir

DATA_DIR: Final = "COMMUNITY_ARCHIVES_DATA_DIR"
EXIT_CODES: Final = """\b
Exit codes:
  0  done
  1  failed: [code], what happened, and what to do, on stderr
  2  the command was not understood
  3  the event was refused; nothing has changed
  4  done, and something is missing, damaged or not well: it is named
  130  ended by Ctrl-C; what was done is kept"""
INCOMPLETE: Final = 4

CommunityName = Annotated[
    str,
    typer.Argument(
        metavar="COMMUNITY",
        help="A name, an id, or the beginning of either.",
        autocompletion=communities,
    ),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar=DATA_DIR,
        help="Where everything is kept.",
        default_factory=default_data_dir,
        show_default="your user data directory",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def with_data_dir(data_dir: Path) -> str:
    """What a command that is shown needs behind it; nothing where it finds the directory anyway."""
    named = os.environ.get(DATA_DIR)
    usual = Path(named) if named else default_data_dir()
    return "" if data_dir == usual else f" --data-dir {quote(str(data_dir))}"


def examples(*lines: str) -> str:
    """The end of a command's help."""
    shown = "\n".join(f"  community-archives {line}" for line in lines)
    return f"\b\nExamples:\n{shown}\n\n{EXIT_CODES}"
