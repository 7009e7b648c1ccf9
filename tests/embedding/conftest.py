"""Nodes as an application opens them: with their defaults, met by nobody of this machine's user."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def user_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("share")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder
