"""Whatever is wrong, with whichever command: a sentence, and 1 or 2; never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faces.in_process import InProcess
from tests.faces.test_json import commands

ALL = dict(commands())
GARBAGE = "\x1b[31m\x07" + "ü" * 300


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them write where they are."""
    monkeypatch.chdir(tmp_path)


def needed(command: Any, value: str) -> list[str]:
    """A value for everything that the command asks for, files aside."""
    return [
        value
        for one in command.params
        if one.required and one.param_type_name == "argument"
        for _ in range(max(1, one.nargs))
    ]


def options(command: Any) -> set[str]:
    return {text for one in command.params for text in one.opts}


def is_a_sentence(said: Any) -> bool:
    return (
        said.code in (1, 2)
        and bool(said.err)
        and "Traceback" not in said.err
        and "[unexpected]" not in said.err
    )


HOLDING = [
    name
    for name, command in ALL.items()
    # 'diagram' needs none, and these tell of it as of everything.
    if "--data-dir" in options(command) and name not in {"diagram", "config", "doctor"}
]


@pytest.mark.parametrize("name", ALL)
def test_an_option_that_there_is_not(tmp_path: Path, name: str) -> None:
    said = InProcess(tmp_path)(*name.split(), "--no-such-option")
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith(f"Usage: community-archives {name}")


@pytest.mark.parametrize("name", HOLDING)
def test_a_data_directory_that_is_below_a_file(here: InProcess, name: str) -> None:
    file = here.data_dir / "journal.sqlite3"
    more = ["--name", "x", "--create", "x"] if name.startswith(("import", "community")) else []
    kept = [one for one in more if one in options(ALL[name]) or not one.startswith("--")]
    given = [*needed(ALL[name], "gardeners"), "--data-dir", str(file / "below")]
    said = here(*name.split(), *given, *(kept if len(kept) == len(more) else []))
    assert is_a_sentence(said), said


NAMING = [one for one in ALL if needed(ALL[one], "x") and one != "community create"]


@pytest.mark.parametrize("name", NAMING)
def test_garbage_for_every_argument(here: InProcess, name: str) -> None:
    said = here(*name.split(), *needed(ALL[name], GARBAGE))
    assert is_a_sentence(said), said


READING = ["status", "why", "history", "peers", "verify", "messages", "diagram"]


@pytest.mark.parametrize("name", READING)
def test_a_community_that_is_not_known(here: InProcess, name: str) -> None:
    said = here(name, "weavers")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("[community-unknown] ")
    assert "weavers" in said.err
    assert "status" in said.err, "what to do"
