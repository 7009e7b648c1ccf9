"""The order in which the reference writes, for comparison: it must fail where ours must not.

For each generation: the index is cut and written again in place; the archives are added to ``data``
at wherever it ends; the .torrent is written in place; then the database learns how far all is
archived. Offsets follow from the sizes in the index, and nothing is synced.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.crash.weekly import ID
from workflow.archive.index import IndexEntry, decode_index, encode_index
from workflow.archive.torrent import Info, Torrent, piece_hashes

CREATED: Final = os.O_WRONLY | os.O_CREAT


@dataclass(frozen=True)
class ReferenceOrder:
    """``archives`` are the entries and bytes (without padding) that each generation adds."""

    root: Path
    archives: tuple[tuple[tuple[IndexEntry, bytes], ...], ...]

    def next_generation(self, done: int) -> None:
        """Add what comes next when the database says that ``done`` generations are archived."""
        index = self.root / "index"
        entries = list(decode_index(index.read_bytes())) if index.exists() else []
        blocks = []
        for known, raw in self.archives[done]:
            offset = sum(entry.size for entry in entries)
            entry = IndexEntry.at(
                offset, window=known.window, topics=known.topics, raw_size=len(raw)
            )
            entries.append(entry)
            blocks.append(raw + bytes(entry.padding))
        _write(index, CREATED | os.O_TRUNC, encode_index(entries))
        data = self.root / "data"
        for block in blocks:
            _write(data, CREATED | os.O_APPEND, block)
        everything, listed = data.read_bytes(), index.read_bytes()
        pieces = piece_hashes(everything) + piece_hashes(listed)
        info = Info(ID, len(everything), len(listed), pieces)
        _write(self.root / "torrent", CREATED | os.O_TRUNC, Torrent(info).encode())


def _write(path: Path, flags: int, content: bytes) -> None:
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
