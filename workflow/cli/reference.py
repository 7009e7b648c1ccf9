"""The page of all commands: ``python -m workflow.cli.reference FILE`` (``make reference``).

What it says is what ``--help`` says, asked of the same objects: nothing here knows any command by
name. Options that many commands share are told once.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import typer.main

from workflow.cli.app import app
from workflow.cli.options import EXIT_CODES

PROGRAM: Final = "community-archives"
SHARED_BY: Final = 5
"""Commands that have an option, at least, for it to be told once for all of them."""
EXTRA: Final = re.compile(r"\s*\[([^\[\]]*)\]$")
CODE: Final = re.compile(r"^  (\d+)  (.+)$", re.MULTILINE)
HEAD: Final = f"""\
<!-- Generated from the commands by "make reference"; do not edit. -->

# Commands

`{PROGRAM} COMMAND --help` says the same. Data goes to stdout, all else to stderr.
"""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of a table: an option or an argument, what it means, and what holds without it."""

    form: str
    meaning: str
    without: str


class Told:
    """One command as the page tells it; ``name`` has the names of its groups before it."""

    def __init__(self, name: str, command: Any) -> None:
        self.name = name
        self._command = command

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return " ".join(self._command.help.split("\n\n")[0].split())

    @property
    def more(self) -> list[str]:
        """The further paragraphs of its help, and what its epilog adds."""
        told = [" ".join(part.split()) for part in self._command.help.split("\n\n")[1:]]
        return told + [f"```text\n{one}\n```" for one in self._epilog("", without=True)]

    @property
    def panel(self) -> str:
        """Under which heading ``--help`` has it; empty where it has none."""
        panel = getattr(self._command, "rich_help_panel", None)
        return panel if isinstance(panel, str) else ""

    @property
    def usage(self) -> str:
        """How it is called."""
        parts = self._command.collect_usage_pieces(self._context)
        return " ".join([PROGRAM, self.name, *parts])

    @property
    def examples(self) -> list[str]:
        """Lines to type, with what they are for behind them."""
        found = "\n".join(self._epilog("Examples:"))
        return textwrap.dedent(found).splitlines()

    @property
    def exit_codes(self) -> dict[str, str]:
        """What its exit codes mean, by number."""
        return dict(CODE.findall("\n".join(self._epilog("Exit codes:"))))

    @cached_property
    def options(self) -> list[Option]:
        """All that can be given to it, in the order of its help."""
        records = [one.get_help_record(self._context) for one in self._command.params]
        return [_option(form, text) for form, text in filter(None, records)]

    @property
    def _context(self) -> Any:
        return self._command.context_class(self._command, info_name=self.name)

    def _epilog(self, title: str, *, without: bool = False) -> Iterator[str]:
        for part in (self._command.epilog or "").split("\n\n"):
            text = part.lstrip("\b\n")
            has_title = text.startswith(("Examples:", "Exit codes:"))
            if without and text and not has_title:
                yield text
            elif title and text.startswith(title):
                yield text.partition("\n")[2]


def commands() -> list[Told]:
    """Every command that can be called, in the order of ``--help``."""
    found: list[Told] = []

    def walk(group: Any, before: str) -> None:
        for name, command in group.commands.items():
            if command.hidden:
                continue
            if hasattr(command, "commands"):
                walk(command, f"{before}{name} ")
            else:
                found.append(Told(f"{before}{name}", command))

    walk(typer.main.get_command(app), "")
    return found


def reference() -> str:
    """The page."""
    told = commands()
    counts = Counter(option for one in told for option in one.options)
    shared = [option for option, count in counts.items() if count >= SHARED_BY]
    usual = dict(CODE.findall(EXIT_CODES))
    parts = [HEAD, *_overview(told), "## Exit codes\n", _table(("code", "means"), usual.items())]
    parts += ["## Options of many commands\n", _options(shared)]
    for one in told:
        parts += [f"## {one.name}\n", one.summary + "\n", *(part + "\n" for part in one.more)]
        parts += [f"```text\n{one.usage}\n```\n"]
        own = [option for option in one.options if option not in shared]
        parts += [_options(own)] if own else []
        also = [f"`{_name(option)}`" for option in one.options if option in shared]
        if also:
            head = "Also" if own else "Options"
            parts += [f"{head}, as [above](#options-of-many-commands): {', '.join(also)}.\n"]
        if one.examples:
            parts += ["Examples:\n", "```text\n" + "\n".join(one.examples) + "\n```\n"]
        if one.exit_codes not in ({}, usual):
            parts += ["Its exit codes:\n", _table(("code", "means"), one.exit_codes.items())]
    return "\n".join(parts)


def _overview(told: list[Told]) -> Iterator[str]:
    for panel in dict.fromkeys(one.panel for one in told):
        if panel:
            yield f"**{panel}**\n"
        rows = [
            (f"[`{one.name}`](#{one.name.replace(' ', '-')})", one.summary)
            for one in told
            if one.panel == panel
        ]
        yield _table(("command", "does"), rows)


def _options(options: list[Option]) -> str:
    rows = [(f"`{one.form}`", one.meaning, one.without) for one in options]
    return _table(("option or argument", "means", "without it"), rows)


def _option(form: str, text: str) -> Option:
    extra = EXTRA.search(text)
    meaning = EXTRA.sub("", text)
    without: list[str] = []
    for part in extra.group(1).split("; ") if extra else ():
        kind, _, value = part.partition(": ")
        if kind in {"env var", "env"}:
            without.insert(0, f"`{value}`")
        elif kind == "default":
            without.append(value.strip("()"))
        elif part == "required":
            without.append("needed")
        else:
            meaning += f" ({part.replace('>=', ' ≥ ').replace('<=', ' ≤ ')})"
    return Option(form.replace(" RANGE", ""), meaning, ", else ".join(without))


def _name(option: Option) -> str:
    return option.form.split()[0].rstrip(",")


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [" | ".join(str(cell).replace("|", "\\|") for cell in line) for line in lines]
    return "".join(f"| {line} |\n" for line in cells)


if __name__ == "__main__":  # pragma: no cover
    Path(sys.argv[1]).write_text(reference(), "utf-8")
