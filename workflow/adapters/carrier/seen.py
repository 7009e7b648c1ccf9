"""Which files were read, so that it is noticed without reading when others lie there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from workflow.ports.carrier import Content


@dataclass(frozen=True, slots=True)
class Seen:
    """The files of a generation as they were read: (device, inode) of each, lengths in bytes.

    ``data_length`` is up to where bytes of ``data`` were read.
    """

    content: Content
    data_length: int
    index_length: int
    data_file: tuple[int, int]
    index_file: tuple[int, int]

    def trouble(self) -> str:
        """What is no longer as it was read, as far as can be seen without reading; or ''."""
        for path, file in (
            (self.content.data, self.data_file),
            (self.content.index, self.index_file),
        ):
            try:
                status = path.stat()
            except OSError as error:
                return f"{path.name}: {error.strerror}"
            if (status.st_dev, status.st_ino) != file:
                return f"{path.name} was replaced"
            if path == self.content.index and status.st_size != self.index_length:
                return f"{path.name} has another length"
            if path == self.content.data and status.st_size < self.data_length:
                return f"{path.name} was cut off"
        return ""


def identity_of(file: BinaryIO) -> tuple[int, int]:
    """Device and inode of an open file: its own name, whatever path it has."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino
