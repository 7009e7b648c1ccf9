"""Files that a command writes for a person: new ones, never over what is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from workflow.errors import ConfigurationError

PRIVATE: Final = 0o600
PUBLIC: Final = 0o666
"""Less what the umask takes away."""


def write_new(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file that is not there yet. Raises ``ConfigurationError``."""
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
    except OSError as error:
        raise ConfigurationError(
            f"it cannot be written: {error.strerror}",
            place=str(path),
            remedy="Name a new file in a folder that is there.",
        ) from None
