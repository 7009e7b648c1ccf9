"""A person with a home of their own on a machine that nobody has configured yet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workflow.cli import settings_file
from workflow.cli.app import app


@dataclass(frozen=True)
class Told:
    """What a command printed, or the error that it ended with."""

    out: str
    err: str
    code: int
    error: BaseException | None


@dataclass(frozen=True)
class Person:
    """Types commands, which run in this process; ``etc`` is the machine's configuration."""

    home: Path
    etc: Path

    @property
    def data_dir(self) -> Path:
        return self.home / ".local/share/community-archives"

    @property
    def config_file(self) -> Path:
        return self.home / ".config/community-archives/settings.toml"

    def __call__(self, *arguments: str) -> Told:
        done = CliRunner().invoke(app, arguments, prog_name="community-archives")
        error = None if isinstance(done.exception, SystemExit) else done.exception
        return Told(done.stdout, done.stderr, done.exit_code, error)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    for name in os.environ:
        if name.startswith(("COMMUNITY_ARCHIVES_", "XDG_")) or name.endswith("_DIRECTORY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(settings_file, "OF_THE_MACHINE", tmp_path / "etc")
    return Person(tmp_path / "home", tmp_path / "etc")
