"""What is set: by a flag, an environment variable, the settings file, or nobody.

One class says all of it: names, kinds, defaults and what they mean. The flags of commands, the
table of ``config`` and docs/settings.md are made from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workflow.cli.kinds import (
    COMMAND,
    NUMBER,
    About,
    Level,
    Origin,
    abouts,
    choice,
    setting,
    variable,
)
from workflow.cli.networking import Networking
from workflow.cli.settings_file import DATA_DIR_KEY, SettingsFile, file_of

DEFAULT: Final = Origin("default")


@dataclass(frozen=True, slots=True)
class Settings(Networking):
    """Everything that can be set for a node. ``announce_every`` is in hours."""

    announce_every: float = setting(
        8.0,
        NUMBER,
        "Repeat the announcements of communities that are created from now on after so many hours;"
        " 0: never.",
    )
    notify_command: tuple[str, ...] = setting(
        (),
        COMMAND,
        "A command line that is run when health is degraded, and when it has recovered.",
    )
    log_level: Level = setting(
        Level.WARNING, choice(Level), "What 'run' writes of the log on stderr, besides the steps."
    )


ABOUTS: Final[Mapping[str, About]] = abouts(Settings)


def read_settings(data_dir: Path, flags: Mapping[str, Sequence[str]] | None = None) -> Settings:
    """What is in force for a data directory.

    ``flags`` has, by a setting's name, the words that were given for it; none of them is empty.
    Raises ``SettingsInvalidError``.
    """
    file = file_of(data_dir)
    _refuse_strangers(file, data_dir)
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, about in ABOUTS.items():
        said = _said(name, about, flags or {}, file)
        if said is not None:
            value, origins[name] = said
            values[name] = checked(name, about, value, origins[name])
    return Settings(**values, origins=origins)


def _said(
    name: str, about: About, flags: Mapping[str, Sequence[str]], file: SettingsFile
) -> tuple[Any, Origin] | None:
    """A value as it was written, by whoever counts most; None when nobody says anything."""
    if name in flags:
        return about.kind.worded(flags[name]), Origin("flag", about.flag)
    text = os.environ.get(variable(name), "")
    words = text.split() if about.kind.is_plural else [text]
    if text and words:
        return about.kind.worded(words), Origin("environment", variable(name))
    if name in file.values:
        return file.values[name], Origin("file", file.place(name))
    return None


def checked(name: str, about: About, value: Any, origin: Origin) -> Any:
    """A value as it is used, of one as a file would have it. Raises ``SettingsInvalidError``."""
    from workflow.errors import ConfigurationError, SettingsInvalidError  # noqa: PLC0415

    try:
        return about.kind.checked(value)
    except ValueError as error:
        raise SettingsInvalidError(f"{name}: {error}", place=origin.place) from None
    except ConfigurationError as error:
        raise SettingsInvalidError(
            f"{name}: {error}", place=origin.place, remedy=error.advice
        ) from None


def _refuse_strangers(file: SettingsFile, data_dir: Path) -> None:
    """A misspelt name would silently leave a default in force. Raises ``SettingsInvalidError``."""
    from difflib import get_close_matches  # noqa: PLC0415 - as all here, if needed.

    from workflow.errors import SettingsInvalidError  # noqa: PLC0415

    lies_inside = file.path is not None and file.path.parent == data_dir
    known = {*ABOUTS} if lies_inside else {*ABOUTS, DATA_DIR_KEY}
    for key in file.values:
        if key in known:
            continue
        if key == DATA_DIR_KEY:
            remedy = "Take it out: this file is about the directory that it lies in."
        elif near := get_close_matches(key, known, n=1):
            remedy = f"Did you mean '{near[0]}'?"
        else:
            remedy = f"There are: {', '.join(sorted(known))}."
        raise SettingsInvalidError(
            f"there is no setting '{key}'", place=file.place(key), remedy=remedy
        )
