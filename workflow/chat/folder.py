"""A folder of an export appears whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow.errors import DataDirectoryError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well.

    Until then it lies beside it under a name of its own; an error removes it, and what a crash
    left of it is removed by the next try. Raises ``DataDirectoryError`` when ``target`` is there
    and not an empty folder, and for whatever the file system refuses.
    """
    target = target.absolute()
    try:
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise DataDirectoryError(
                "the export's folder is not empty",
                place=str(target),
                remedy="Name a folder that does not exist yet, or an empty one.",
            )
        staging = target.with_name(f".{target.name}.incomplete")
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(parents=True)
        try:
            yield staging
            if target.exists():
                target.rmdir()
            staging.rename(target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as error:
        raise DataDirectoryError(
            f"the export cannot be written: {error.strerror or error}",
            place=str(target),
            remedy="Make room on the disk, or choose another folder.",
        ) from error
