"""Of all commands only the one that is asked for is built: building them takes as long as loading.

typer makes every option of every command before it looks at what was typed. A person waits for it,
and so does whoever asks ``status`` once a minute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Final

import typer
from typer.models import CommandInfo

HELP: Final = frozenset({"-h", "--help"})
COMPLETING: Final = "_COMMUNITY_ARCHIVES_COMPLETE"
LINES: Final = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where bash, and where the other shells, put what stands on the line that is to be completed."""


def typed(arguments: Sequence[str]) -> Sequence[str]:
    """The words behind the program's name; for a shell that completes a line, those of the line."""
    if COMPLETING not in os.environ:
        return arguments
    return next(filter(None, (os.environ.get(name, "").split() for name in LINES)), [])[1:]


def narrowed(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """An application that answers these words as ``app`` does, with no more than it takes.

    One command where one is named; for the list of all of them, their names and summaries. All else
    (a slip, a question about the version) is left to ``app`` itself.
    """
    chosen = copy(app)
    if not words or words[0] in HELP:
        chosen.registered_commands = [_summary_of(one) for one in app.registered_commands]
        return chosen
    chosen.registered_commands = [
        one for one in app.registered_commands if words[0] == _name_of(one)
    ]
    chosen.registered_groups = [one for one in app.registered_groups if words[0] == one.name]
    return chosen if chosen.registered_commands or chosen.registered_groups else app


def _name_of(command: CommandInfo) -> str:
    return command.name or str(getattr(command.callback, "__name__", ""))


def _summary_of(command: CommandInfo) -> CommandInfo:
    summary = copy(command)
    summary.callback = _without_options(command.callback, _name_of(command))
    return summary


def _without_options(callback: Callable[..., Any] | None, name: str) -> Callable[[], None]:
    def does_nothing() -> None:
        """Stand in for a command in a list."""

    does_nothing.__name__, does_nothing.__doc__ = name, callback.__doc__ if callback else None
    return does_nothing
