"""Everything that ``--json`` prints stands in ``docs/json.md``, and nothing else does.

Beside what is run here, every test that runs a command with ``--json`` compares what it prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.faces.documented import complaints, named, tables
from tests.faces.in_process import InProcess
from workflow.cli.app import app


def commands(group: Any = None, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def with_json() -> list[str]:
    return [
        name
        for name, command in commands()
        if any("--json" in option.opts for option in command.params)
    ]


def test_every_command_that_prints_json_is_on_the_page() -> None:
    headings = [name.partition(": ")[0].split(", ") for name in tables()[0]]
    told = {" ".join(name.split()[:2]) for names in headings for name in names}
    missing = [name for name in with_json() if name not in told]
    assert missing == []


def test_the_page_tells_of_commands_that_there_are() -> None:
    known = {name for name, _ in commands()}
    for heading in tables()[0]:
        for name in heading.partition(": ")[0].split(", "):
            assert any(name == one or name.startswith(f"{one} ") for one in known), heading


def test_every_part_is_used_and_every_type_is_known() -> None:
    documents, parts = tables()
    used = {
        kind
        for table in (*documents.values(), *parts.values())
        for kinds in table.types.values()
        for kind in kinds
    }
    own = {"text", "integer", "number", "truth", "null", "anything", "list", "object"}
    assert used - own <= set(parts)
    merged = {"look", "saved"}  # These are only ever merged into something else.
    assert set(parts) - used == merged


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "gardeners"],
        ["status", "--since", "3"],
        ["why", "gardeners"],
        ["history", "--limit", "1000"],
        ["health"],
        ["doctor"],
        ["doctor", "--network", "private", "--listen", "127.0.0.1:0", "--peer", "127.0.0.1:1"],
        ["peers", "gardeners"],
        ["config"],
        ["backup", "OUT"],
        ["verify"],
        ["inspect", "FOLDER"],
        ["inspect", "FOLDER", "FOLDER"],
        ["inspect", "FOLDER", "--archive", "0x"],
        ["export", "gardeners", "OUT", "--format", "jsonl"],
    ],
    ids=" ".join,
)
def test_what_is_printed_is_what_is_documented(here: InProcess, arguments: list[str]) -> None:
    (folder,) = (here.data_dir / "archives").glob("*/*")
    places = {"FOLDER": str(folder), "OUT": str(here.data_dir.parent / "out")}
    said = here(*(places.get(one, one) for one in arguments), "--json")
    assert said.code in (0, 4), said.err
    assert said.out
    assert complaints(arguments[0], said.out) == []


def test_the_comparison_notices_what_differs(here: InProcess) -> None:
    (told,) = json.loads(here("status", "--json").out)
    more = {**told, "mood": "good"}
    assert complaints("status", json.dumps([more])) == ["Part: community: mood is not documented"]
    less = {name: value for name, value in told.items() if name != "peers"}
    assert complaints("status", json.dumps([less])) == [
        "Part: community: peers is documented, and is not there"
    ]
    other = {**told, "name": 7}
    (said,) = complaints("status", json.dumps([other]))
    assert said.startswith("Part: community: name is 7, and should be text")
    deep = {**told, "holding": {**told["holding"], "lost": 1}}
    assert complaints("status", json.dumps([deep])) == ["Part: holding: lost is not documented"]
    assert complaints("sing", "{}") == ["'sing'  is not documented"]
    assert [table.name for table in named("selftest", "done")] == ["selftest: done"]
