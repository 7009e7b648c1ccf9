"""The keys to encrypted archives, from a text file.

One key a line, three words: the key (64 hex digits), the time it was made (milliseconds), and the
community's id (66 hex digits). ``0x`` may stand before hex digits; empty lines and lines that
begin with ``#`` are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from workflow.archive.ratchet import RatchetKey
from workflow.errors import KeyFileError

MAX_LENGTH: Final = 256 * 1024
"""Bytes in the file, at most: more than a thousand keys."""

_LINE: Final = re.compile(
    rb"(?:0x)?([0-9A-Fa-f]{64})[ \t]+([0-9]{1,18})[ \t]+(?:0x)?(0[23][0-9A-Fa-f]{64})"
)


def read_ratchet_keys(path: Path, called: str = "") -> list[RatchetKey]:
    """The keys in a file, in its order; errors name it ``called``, if not by its path.

    Raises ``KeyFileError`` with the number of the first line that is not a key, and when the file
    cannot be read or is longer than 256 KiB. No key is ever shown.
    """
    place = called or str(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_LENGTH + 1)
    except OSError as error:
        raise KeyFileError(f"it cannot be read: {error.strerror}", place=place) from error
    if len(text) > MAX_LENGTH:
        raise KeyFileError(f"a file of keys is not longer than {MAX_LENGTH} bytes", place=place)
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(b"#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None:
            raise KeyFileError(
                f"line {number} is not a key",
                place=place,
                remedy="Write a line: key (hex), time in milliseconds, community id (hex).",
            )
        key, time, group = found.groups()
        keys.append(
            RatchetKey(bytes.fromhex(key.decode()), int(time), bytes.fromhex(group.decode()))
        )
    return keys
