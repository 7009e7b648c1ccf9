"""``config``: what is in force, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer

from workflow.cli.kinds import IS_SET, Origin, without_secrets
from workflow.cli.networking import networked
from workflow.cli.options import DATA_DIR, AsJson, DataDir
from workflow.cli.settings import ABOUTS, DEFAULT, Settings
from workflow.cli.settings_file import DATA_DIR_KEY, FILE, configured, file_of, folders
from workflow.cli.words import hanging, say, say_json
from workflow.defaults import torrents

LABEL: Final = 16
"""Columns of the names."""


@networked
def config(
    context: typer.Context, *, as_json: AsJson = False, data_dir: DataDir, networking: Settings
) -> None:
    """Show what is in force, and where each value comes from.

    A flag counts more than an environment variable, that more than the settings file, that more
    than the default. Everything is checked as 'run' would check it. Of what may hold a secret only
    that it is set is shown: passwords, a tracker's query and the long words of its path, and the
    arguments of a command.
    """
    torrents(data_dir, networking.settings())  # It refuses what cannot be meant.
    file = file_of(data_dir)
    source = context.get_parameter_source("data_dir")
    values: dict[str, tuple[Any, Origin]] = {
        DATA_DIR_KEY: (str(data_dir), _origin_of_place(source.name if source else ""))
    }
    for name in ABOUTS:
        values[name] = (_shown(name, networking), networking.origins.get(name, DEFAULT))
    if as_json:
        say_json(
            {
                "settings_file": str(file.path) if file.path else None,
                "settings": {
                    name: {"value": value, **origin._asdict()}
                    for name, (value, origin) in values.items()
                },
            }
        )
        return
    for name, (value, origin) in values.items():
        say(hanging(f"{name:<{LABEL}}", f"{_in_words(value)}  ({_told(origin, file.path)})"))
    say(hanging(f"{'settings file':<{LABEL}}", str(file.path or f"none; {_looked_for(data_dir)}")))


def _origin_of_place(source: str) -> Origin:
    """Where the data directory was named; by nobody, files and systemd are asked."""
    if source == "COMMANDLINE":
        return Origin("flag", "--data-dir")
    if source == "ENVIRONMENT":
        return Origin("environment", DATA_DIR)
    file = configured()
    if DATA_DIR_KEY in file.values:
        return Origin("file", file.place(DATA_DIR_KEY))
    if os.environ.get("STATE_DIRECTORY"):
        return Origin("environment", "STATE_DIRECTORY")
    return DEFAULT


def _shown(name: str, settings: Settings) -> Any:
    """A value for everybody's eyes, as JSON can have it."""
    value = getattr(settings, name)
    if name == "notify_command":
        program, *arguments = value or ("",)
        return f"{program} {IS_SET}" if arguments else program
    if isinstance(value, tuple):
        return (
            [without_secrets(one) for one in value] if name in {"trackers", "waku"} else list(value)
        )
    if isinstance(value, Mapping):
        return {key: IS_SET if "pass" in key else one for key, one in value.items()}
    return str(value) if isinstance(value, Path) else value


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}={_in_words(one)}" for name, one in value.items()]
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value in (None, "") else str(value)


def _told(origin: Origin, file: Path | None) -> str:
    if origin.source == "environment":
        return f"variable {origin.place}"
    if origin.source == "file":
        return origin.place.replace(f"{file}", "settings file", 1)
    return f"flag {origin.place}" if origin.place else origin.source


def _looked_for(data_dir: Path) -> str:
    """Where one would count that is about this directory."""
    return "it may be " + " or ".join(str(one / FILE) for one in (data_dir, *folders()))
