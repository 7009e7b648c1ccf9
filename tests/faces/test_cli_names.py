"""A community is named by its name, its id, or the beginning of either; a shell completes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faces.command_line import ROOT, environment
from tests.faces.person import Person, person, write
from workflow.cli import completing
from workflow.cli.narrowing import typed
from workflow.errors import AmbiguousCommunityError, UnknownCommunityError

__all__ = ["person"]

NAMES = ("gardeners", "gardens", "chess")


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("owned")
    nobody = Person(directory, directory)
    for name in NAMES:
        assert nobody("community", "create", name, "--data-dir", str(directory)).code == 0
    return directory


@pytest.fixture
def owner(owned: Path, person: Person) -> Person:
    """A person with three communities, two of which begin alike."""
    shutil.copytree(owned, person.data_dir)
    return person


def id_of(owner: Person, name: str) -> str:
    return owner("why", name, "--json").out.split('"id": "')[1][:68]


COMMANDS = (
    ["status"], ["why"], ["history"], ["peers"], ["announcement", "show"], ["diagram"],
    ["verify"], ["selftest"], ["fetch"], ["join"], ["announce"], ["archive", "now"],
    ["community", "remove"], ["community", "export-key"], ["messages"],
)  # fmt: skip
"""Commands whose first argument is a community."""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_may_mean_several_is_refused_with_their_names(
    owner: Person, command: list[str]
) -> None:
    error = owner(*command, "gard").error
    assert isinstance(error, AmbiguousCommunityError)
    assert "'gard' may mean: gardeners (0x" in str(error)
    assert "gardens (0x" in str(error)
    assert error.advice == "Give more of the name or of the id."


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_misspelt_is_asked_back(owner: Person, command: list[str]) -> None:
    error = owner(*command, "Chess").error
    assert isinstance(error, UnknownCommunityError)
    assert "Did you mean 'chess'?" in error.explained()


def test_send_import_and_adopt_name_communities_in_the_same_way(
    owner: Person, tmp_path: Path
) -> None:
    key = write(tmp_path / "key", "11" * 32)
    lines = write(tmp_path / "lines", "")
    for command in (
        ["send", "gard", "switched_off"],
        ["import", "jsonl", str(lines), "--community", "gard"],
        ["import", "jsonl", str(lines), "--community", "gard", "--dry-run"],
        ["adopt", str(tmp_path), "--community", "gard"],
        ["community", "import-key", str(key), "--community", "gard"],
        ["fetch", "magnet:?xt=urn:btih:" + "1" * 40, "--unsigned", "--community", "gard"],
    ):
        assert isinstance(owner(*command).error, AmbiguousCommunityError), command
    assert not list(owner.data_dir.glob("keys/*" + "11" * 8 + "*")), "and no key is kept"


def test_the_beginning_of_a_name_or_id_is_enough(owner: Person) -> None:
    id = id_of(owner, "chess")
    for text in ("chess", "ch", id, id[:40]):
        assert owner("status", text).out.startswith(f"chess\n  {id}\n")
    assert owner("community", "remove", "ch", "--yes").out == "chess: removed.\n"


def test_a_whole_name_comes_before_the_beginning_of_another(owner: Person) -> None:
    assert owner("community", "create", "garden").code == 0
    assert owner("status", "garden").out.startswith("garden\n")


def test_nothing_is_nobodys_name(owner: Person) -> None:
    assert owner("community", "remove", "gardens", "--yes").code == 0
    assert owner("community", "remove", "chess", "--yes").code == 0
    assert isinstance(owner("community", "remove", "", "--yes").error, UnknownCommunityError)


def test_a_file_of_this_name_comes_before_the_beginning_of_a_community(
    owner: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ch").mkdir()
    error = owner("messages", "ch").error
    assert getattr(error, "code", "") == "archives-not-found"


# --------------------------------------------------------------------------------------- completion


def completed(home: Path, line: str) -> list[str]:
    """What bash is told when the key is pressed behind ``line``."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-m", "workflow"],
        env=environment(
            HOME=str(home),
            _COMMUNITY_ARCHIVES_COMPLETE="complete_bash",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_the_names_of_communities(owner: Person) -> None:
    assert completed(owner.home, "community-archives why ga") == ["gardeners", "gardens"]


@pytest.mark.parametrize("variable", ["COMP_WORDS", "_TYPER_COMPLETE_ARGS"])
def test_only_the_command_on_the_line_is_built_to_complete_it(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("_COMMUNITY_ARCHIVES_COMPLETE", "complete_some_shell")
    assert list(typed(["-m"])) == []
    monkeypatch.setenv(variable, "community-archives why ga")
    assert typed([]) == ["why", "ga"]
    monkeypatch.delenv("_COMMUNITY_ARCHIVES_COMPLETE")
    assert typed(["status"]) == ["status"]


def said(directory: Path | None, incomplete: str) -> list[tuple[str, str]]:
    import typer  # noqa: PLC0415
    from typer.main import get_command  # noqa: PLC0415

    from workflow.cli.app import app  # noqa: PLC0415

    context = typer.Context(get_command(app))
    context.params = {"data_dir": directory}
    return completing.communities(context, incomplete)


def test_completion_offers_names_and_for_awkward_ones_ids(owner: Person) -> None:
    assert owner("community", "create", "two words").code == 0
    id, awkward = id_of(owner, "chess"), id_of(owner, "two words")
    assert said(None, "ch") == [("chess", id[:12])]
    assert said(owner.data_dir, id[:20]) == [("chess", id[:12])]
    assert (awkward, "") in said(None, "")
    assert len(said(None, "")) == 4


def test_completion_is_silent_when_there_is_nothing_to_read(person: Person) -> None:
    assert said(None, "") == []
    write(person.data_dir / "journal.sqlite3", "something else entirely")
    assert said(None, "") == []
    write(person.config_file, "no TOML")
    assert said(None, "") == []


def test_completion_loads_neither_tables_nor_networks(tmp_path: Path) -> None:
    code = (
        "import sys, workflow.adapters.store.names, workflow.engine.file_name;"
        "print(*({'states', 'transitions', 'loguru', 'asyncio', 'libtorrent'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []
