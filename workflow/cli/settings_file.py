"""The settings file: where it lies, which data directory it is about, and on which line a key is.

A settings file is about one data directory. It lies in it as ``settings.toml``, or, under the same
name, in a folder of configuration: the one that systemd names, the user's, or that of the machine.
The first of these that is there may name its data directory; else it is about the default one. For
any other data directory it does not count, so that two nodes never share a port by accident.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workflow.defaults import SETTINGS

NAME: Final = "community-archives"
FILE: Final = SETTINGS
OF_THE_MACHINE: Final = Path("/etc") / NAME
DATA_DIR_KEY: Final = "data_dir"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What stands in a settings file; an empty one where there is none."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    def place(self, key: str) -> str:
        """``settings.toml, line 3``: where a key stands; without the line if it is hard to say."""
        named = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[\].=]""")
        lines = self.text.splitlines()
        found = next((number for number, line in enumerate(lines, 1) if named.match(line)), None)
        return f"{self.path}, line {found}" if found else str(self.path)


def folders() -> tuple[Path, ...]:
    """The folders of configuration, in the order in which they are looked at."""
    from platformdirs import user_config_path  # noqa: PLC0415 - as all here, if needed.

    if named := _first_of("CONFIGURATION_DIRECTORY"):
        return (named,)
    return (user_config_path(NAME), OF_THE_MACHINE)


def default_data_dir() -> Path:
    """Where everything is kept when nobody says where. Raises ``SettingsInvalidError``."""
    return data_dir_of(configured())


def data_dir_of(file: SettingsFile) -> Path:
    """The data directory that a file in a folder of configuration is about.

    Raises ``SettingsInvalidError`` when what it names is no whole path.
    """
    from platformdirs import user_data_path  # noqa: PLC0415

    named = file.values.get(DATA_DIR_KEY)
    if named is None:
        return _first_of("STATE_DIRECTORY") or user_data_path(NAME)
    path = Path(named).expanduser() if isinstance(named, str) else Path()
    if not path.is_absolute():
        from workflow.errors import SettingsInvalidError  # noqa: PLC0415 - it loads the tables.

        raise SettingsInvalidError(
            f"{DATA_DIR_KEY}: it is a whole path, from / or ~ on", place=file.place(DATA_DIR_KEY)
        )
    return path


def configured() -> SettingsFile:
    """The file in the first folder of configuration that has one.

    Raises ``SettingsInvalidError`` when it cannot be read.
    """
    return next((_read(path) for path in _candidates(folders())), SettingsFile())


def file_of(data_dir: Path) -> SettingsFile:
    """The file that counts for a data directory. Raises ``SettingsInvalidError``."""
    for path in _candidates((data_dir,)):
        return _read(path)
    file = configured()
    if file.path is not None and data_dir_of(file).resolve() == data_dir.resolve():
        return file
    return SettingsFile()


def _candidates(places: tuple[Path, ...]) -> list[Path]:
    # os.path: a folder that this user may not look into has no file for this user.
    return [path / FILE for path in places if os.path.isfile(path / FILE)]  # noqa: PTH113


def _first_of(variable: str) -> Path | None:
    """The first of the folders that systemd names, separated by colons."""
    first = os.environ.get(variable, "").partition(":")[0]
    return Path(first) if first else None


def _read(path: Path) -> SettingsFile:
    import tomllib  # noqa: PLC0415 - only where there is a file.

    from workflow.errors import SettingsInvalidError  # noqa: PLC0415 - it loads the tables.

    try:
        text = path.read_bytes().decode("utf-8")
        return SettingsFile(path, tomllib.loads(text), text)
    except OSError as error:
        raise SettingsInvalidError(
            f"the settings cannot be read: {error.strerror}",
            place=str(path),
            remedy="Make the file readable for this user.",
        ) from error
    except ValueError as error:  # UnicodeDecodeError and TOMLDecodeError, which tells the line.
        raise SettingsInvalidError(
            f"it is no TOML: {error}",
            place=str(path),
            remedy='A line is: name = "text", or a number, or a list in [].',
        ) from error
