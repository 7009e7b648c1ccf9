"""What can be read once only: it is kept where whoever holds the data directory can read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from workflow.cli.place import made

if TYPE_CHECKING:
    from states.errors import CommunityArchivesError


def is_piped(file: Path, kind: type[CommunityArchivesError]) -> bool:
    """Something that is there and can be read once. Raises ``kind``."""
    try:
        if file.is_dir():
            raise kind("a folder has no lines", place=str(file))
        return file.exists() and not file.is_file()
    except OSError as error:
        raise kind(f"the file cannot be read: {error.strerror}", place=str(file)) from error


@contextmanager
def kept(piped: IO[bytes], data_dir: Path) -> Iterator[Path]:
    """What is piped, in a file where whoever holds the data directory can read it."""
    from shutil import copyfileobj  # noqa: PLC0415
    from tempfile import NamedTemporaryFile  # noqa: PLC0415

    made(data_dir)
    with NamedTemporaryFile(dir=data_dir, prefix="piped-", suffix=".jsonl") as copy:
        copyfileobj(piped, copy)
        copy.flush()
        yield Path(copy.name).absolute()
