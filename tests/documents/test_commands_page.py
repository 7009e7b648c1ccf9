"""docs/commands.md is what the commands say of themselves, and every command says enough."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from workflow.cli.app import app
from workflow.cli.reference import PROGRAM, Told, commands, reference

ROOT: Final = Path(__file__).resolve().parents[2]
COMMANDS: Final = commands()
TEXTS: Final = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
VARIABLE: Final = re.compile(r"\bCOMMUNITY_ARCHIVES_[A-Z_]+\b")
NOT_OURS: Final = re.compile(r"\s{2,}\S.*$|\s[|<>&]\s?.*$")
"""What it is for, and what the shell does with it."""


def test_the_page_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert page == reference(), "run 'make reference' and commit docs/commands.md"


def test_all_of_help_is_on_the_page() -> None:
    group: Any = typer.main.get_command(app)
    told = {one.name.split()[0] for one in COMMANDS}
    assert told == {name for name, one in group.commands.items() if not one.hidden}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.name)
def test_each_command_explains_itself(command: Told) -> None:
    assert command.summary.endswith(".")
    assert command.examples, "an example shows what it is for"
    assert 0 in {int(code) for code in command.exit_codes}, "exit codes stand in its help"
    for option in command.options:
        assert option.meaning, f"{option.form} needs a help text"


@pytest.mark.parametrize(
    "example", [line for one in COMMANDS for line in one.examples], ids=lambda line: line
)
def test_each_example_is_understood(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMMUNITY_ARCHIVES_DATA_DIR", raising=False)
    program, *words = shlex.split(NOT_OURS.sub("", example))
    assert program == PROGRAM
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with command.make_context(command.name, words) as context:
        assert not context.args


def test_every_variable_of_the_environment_is_documented() -> None:
    used = {
        name
        for path in (ROOT / "workflow").rglob("*.py")
        for name in VARIABLE.findall(path.read_text("utf-8"))
    }
    documented = {name for path in TEXTS for name in VARIABLE.findall(path.read_text("utf-8"))}
    assert len(used) > 5
    assert not used - documented
