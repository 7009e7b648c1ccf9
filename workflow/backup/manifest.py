"""What belongs to a backup: written last, at once, so that what was broken off has none.

The manifest names every file with its SHA-256. Of ``data`` it names the runs of bytes that are
there, because a member may have chosen a part; only these are hashed, and the rest is a hole.
Nothing that it names is changed by a later backup into the same folder, before that one has put its
own in place: until then the earlier one is whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, Final

from workflow.archive.pieces import PIECE_LENGTH
from workflow.backup.runs import Run
from workflow.errors import BackupInvalidError, ContentDamagedError
from workflow.files.folder import open_to_read, sync_folder, write_whole

MANIFEST: Final = "manifest.json"
UNFINISHED: Final = "unfinished"
"""A file that is there while a backup is not whole yet."""
FORMAT: Final = 1
LONGEST: Final = 256 * 1024 * 1024
"""Bytes of a manifest, at most."""
STEP: Final = 10 * PIECE_LENGTH
"""Bytes that are read at once."""

Tell = Callable[[int], None]
"""Told how many bytes were read."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup: where it lies in it, its length in bytes, and what of it is there."""

    path: str
    size: int
    runs: tuple[Run, ...]
    sha256: str

    @property
    def length(self) -> int:
        """Bytes that are there."""
        return sum(end - start for start, end in self.runs)


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A community in a backup; ``is_controlled`` when the node that was backed up had control.

    ``key`` is the public control key in hexadecimal digits.
    """

    id: str
    name: str
    key: str
    archives: int
    generation: int
    info_hash: str
    is_controlled: bool
    has_key: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup. ``made_at`` is in seconds (UTC epoch); ``problems`` is what was damaged already.

    ``settings`` is None when no settings file lay in the data directory.
    """

    made_at: float
    number: int
    journal: Kept
    settings: Kept | None
    files: tuple[Kept, ...]
    communities: tuple[BackedUp, ...]
    has_keys: bool
    problems: tuple[str, ...]

    @property
    def all_files(self) -> tuple[Kept, ...]:
        """All files of the backup."""
        return (self.journal, *((self.settings,) if self.settings else ()), *self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.length for one in self.all_files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put it in place, whole or not at all."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, ensure_ascii=False)
    write_whole(folder / MANIFEST, text.encode())
    sync_folder(folder)


def read_manifest(folder: Path) -> Manifest:
    """What belongs to the backup in this folder; the files are not looked at.

    Raises ``BackupInvalidError`` when there is none, or one that was broken off.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            text = file.read(LONGEST)
    except OSError as error:
        # Where not even that can be asked, there is none.
        if error.errno == errno.ENOENT and (folder / UNFINISHED).exists():
            raise BackupInvalidError(
                "this backup was broken off before it was whole",
                place=str(folder),
                remedy="Make it again: 'community-archives backup', into the same folder.",
            ) from None
        raise BackupInvalidError(
            f"there is no backup here: {error.strerror}",
            place=str(folder / MANIFEST),
            remedy="Name the folder that 'community-archives backup' has written.",
        ) from error
    try:
        return _manifest(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupInvalidError(
            "the manifest of the backup cannot be read", place=str(folder / MANIFEST)
        ) from error


def _manifest(data: dict[str, Any]) -> Manifest:
    if data.pop("format") != FORMAT:
        raise BackupInvalidError(
            "the backup was made by a newer version", remedy="Upgrade community-archives."
        )
    data["made_at"], data["number"] = float(data["made_at"]), int(data["number"])
    data["journal"] = _kept(data["journal"], "journal-*.sqlite3")
    settings = data.get("settings")  # An early backup says nothing of them.
    data["settings"] = _kept(settings, "settings-*.toml") if settings else None
    data["files"] = tuple(_kept(one, "archives/*", "keys/*") for one in data["files"])
    data["communities"] = tuple(BackedUp(**one) for one in data["communities"])
    data["problems"] = tuple(map(str, data["problems"]))
    return Manifest(**data)


def _kept(data: dict[str, Any], *patterns: str) -> Kept:
    """A file as the manifest names it: where one like it belongs. Raises ``ValueError``."""
    path = PurePosixPath(data["path"])
    runs = tuple((int(start), int(end)) for start, end in data["runs"])
    size = int(data["size"])
    behind = 0
    for start, end in runs:
        if not behind <= start < end <= size:
            raise ValueError(runs)
        behind = end
    if ".." in path.parts or "\0" in str(path) or not any(fnmatch(str(path), p) for p in patterns):
        raise ValueError(path)
    return Kept(str(path), size, runs, str(data["sha256"]))


def sha256_of(path: Path, runs: tuple[Run, ...], tell: Tell) -> str:
    """The hash of these runs of a file. Raises ``ContentDamagedError`` when it ends before."""
    digest = hashlib.sha256()
    for part in read_runs(path, runs):
        digest.update(part)
        tell(len(part))
    return digest.hexdigest()


def read_runs(path: Path, runs: tuple[Run, ...], step: int = STEP) -> Iterator[bytes]:
    """These runs of a file, so many bytes at a time.

    Raises ``ContentDamagedError`` when it is missing, ends before, or cannot be read.
    """
    try:
        with open_to_read(path) as file:
            for start, end in runs:
                file.seek(start)
                for offset in range(start, end, step):
                    part = file.read(min(step, end - offset))
                    if len(part) < min(step, end - offset):
                        raise ContentDamagedError(
                            f"byte {offset + len(part)} is behind the end", place=str(path)
                        )
                    yield part
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> ContentDamagedError:
    """What is raised when a file cannot be read, which is no matter of writing."""
    return ContentDamagedError(f"it cannot be read: {error.strerror}", place=str(path))
