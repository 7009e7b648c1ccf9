"""What others use of us is in the wheel, and needs nothing of this tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.embedding.interpreters import ROOT, printed, run_python

EXAMPLES = ROOT / "docs" / "examples"
WHERE = "import workflow; from workflow import Post; print(workflow.__file__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", place],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (built,) = place.glob("*.whl")
    return built


def test_it_is_imported_from_an_archive_too(wheel: Path, tmp_path: Path) -> None:
    found = printed("-c", WHERE, cwd=tmp_path, path=(wheel,))
    assert found == f"{wheel}/workflow/__init__.py\n"


def test_somebody_elses_adapter_is_tested_with_the_wheel_alone(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example's two files, elsewhere; its one setting is the one that pytest-asyncio wants."""
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    project = tmp_path / "project"
    shutil.copytree(EXAMPLES, project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "test_where.py").write_text(
        "import workflow\n\n\ndef test_where() -> None:\n"
        f"    assert workflow.__file__.startswith({str(tmp_path / 'site')!r})\n"
    )
    settings = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    (project / "pytest.ini").write_text(settings)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    done = run_python(
        *("-m", "pytest", "--quiet", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"),
        cwd=project,
        path=(tmp_path / "site",),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 passed" in done.stdout
