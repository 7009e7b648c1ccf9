"""``import workflow``: cheap, pure, and never with a stranger's 'states'."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workflow
from tests.embedding.interpreters import ROOT, printed, run_python
from workflow import ownership

FACES = {"apscheduler", "libtorrent", "prompt_toolkit", "pydantic", "rich", "typer"}
"""What an application that brings its own carrier never loads."""

LOADED = """
import json, sys
before = set(sys.modules)
import workflow
alone = set(sys.modules) - before
from workflow import open_node
print(json.dumps([sorted(alone), sorted(set(sys.modules) - before)]))
"""


def test_importing_loads_nothing_but_itself(tmp_path: Path) -> None:
    alone, with_open_node = json.loads(printed("-c", LOADED, cwd=tmp_path))
    foreign = {name for name in alone if name.partition(".")[0] not in sys.stdlib_module_names}
    assert foreign == {"workflow", "workflow.ownership"}
    assert not {"asyncio", "sqlite3", "ssl", "socket"} & set(alone)
    assert not FACES & set(with_open_node)
    assert "workflow.assembly" in with_open_node


def test_every_name_that_is_promised_is_there() -> None:
    assert sorted(workflow.__all__) == workflow.__all__
    assert set(workflow.__all__) == set(workflow.HOMES) <= set(dir(workflow))
    for name in workflow.__all__:
        assert getattr(workflow, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        workflow.no_such_name  # noqa: B018 - asking is the test.


# ---------------------------------------------------------------------------------------- strangers


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both packages, from which Python imports, as far as the check can tell."""
    for package in ("states", "workflow"):
        (tmp_path / package).mkdir()
        shutil.copy(ROOT / package / "__init__.py", tmp_path / package)
    monkeypatch.setattr(ownership, "__file__", str(tmp_path / "workflow" / "ownership.py"))
    monkeypatch.delitem(sys.modules, "states")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_ours_is_ours(installation: Path) -> None:
    assert ownership.foreign_states() is None


def test_ours_is_ours_where_this_tree_is() -> None:
    assert ownership.foreign_states() is None


def test_one_that_was_installed_over_ours_is_a_strangers(installation: Path) -> None:
    (installation / "states" / "__init__.py").write_text("version = '0.2.1'\n")
    found = ownership.foreign_states()
    assert found is not None
    assert found.place == str(installation / "states")


def test_one_that_comes_before_ours_is_a_strangers(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = installation / "before"
    shutil.copytree(installation / "states", before / "states")
    monkeypatch.syspath_prepend(str(before))
    found = ownership.foreign_states()
    assert found is not None
    assert found.place == str(before / "states")


def test_a_mere_folder_of_that_name_is_none(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installation / "states" / "__init__.py").unlink()
    monkeypatch.setattr(sys, "path", [str(installation)])
    found = ownership.foreign_states()
    assert found is not None
    assert found.explained() == (
        "[package-foreign] another distribution's 'states' shadows ours (it is missing)."
        " Install community-archives into an environment of its own."
    )


CAUGHT = """
try:
    import workflow
except ImportError as error:
    print(type(error).__name__, error.code, error.name, error.path)
"""


def test_pypis_states_fails_the_import(tmp_path: Path) -> None:
    """Before ours on the path, and installed over it."""
    theirs, mixed = tmp_path / "theirs", tmp_path / "mixed"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--target", str(theirs), "states==0.2.1"),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"PyPI's 'states' cannot be had here: {done.stderr.strip()[-200:]}")
    for package in ("states", "workflow"):
        shutil.copytree(ROOT / package, mixed / package)
    shutil.copytree(theirs / "states", mixed / "states", dirs_exist_ok=True)
    expected = "ForeignPackageError package-foreign states {}\n"
    found = printed("-c", CAUGHT, cwd=tmp_path, path=(theirs, ROOT))
    assert found == expected.format(theirs / "states")
    found = printed("-c", CAUGHT, cwd=tmp_path, path=(mixed,))
    assert found == expected.format(mixed / "states")


def test_who_does_not_catch_it_reads_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "__init__.py").touch()
    done = run_python("-c", "import workflow", cwd=tmp_path, path=(tmp_path, ROOT))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "workflow.ownership.ForeignPackageError: [package-foreign] another distribution's 'states'"
        f" shadows ours ({tmp_path / 'states'})."
        " Install community-archives into an environment of its own."
    )


@pytest.mark.parametrize(
    ("program", "line", "is_it"),
    [
        ("/usr/bin/community-archives", "/usr/bin/community-archives run", True),
        ("-m", "python -X dev -m workflow run", True),
        ("-m", "python -m workflow_service run", False),
        ("-m", "python -m workflow.cli.reference run", False),
        ("/usr/bin/pytest", "/usr/bin/pytest -m workflow run", False),
        ("/usr/lib/tool.py", "python -m tool -m workflow run", False),
    ],
)
def test_only_the_command_itself_says_it_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, program: str, line: str, is_it: bool
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "run"])
    monkeypatch.setattr(sys, "orig_argv", line.split())
    assert workflow._is_the_command() is is_it
