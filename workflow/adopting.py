"""Archives that lie elsewhere become this node's own: checked, copied, taken as a generation.

The source is only read. Nothing counts until the rows are committed, so an interrupted adoption is
simply begun again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workflow.actions.tools import Tools
from workflow.archive.index import IndexEntry
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import RatchetKey
from workflow.archive.torrent import Info, PieceHasher, piece_hashes
from workflow.errors import AdoptionError, RatchetKeyMissingError
from workflow.files.folder import is_hole, sync_folder, write_all, write_whole
from workflow.files.found import FoundArchives, find_archives
from workflow.files.torrents import write_info
from workflow.ports.records import Generation
from workflow.ports.work import Progress, Transaction

COPY: Final = 10 * PIECE_LENGTH
"""Bytes that are read, hashed and written at once."""


def no_progress(done: int, total: int, unit: str) -> None:
    """For those who do not want to know."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """Archives that were copied and may be committed."""

    generation: Generation
    entries: tuple[IndexEntry, ...]
    locked: int


def begin_adoption(
    tools: Tools, tx: Transaction, community: str
) -> tuple[Generation, list[RatchetKey]]:
    """Where the archives will lie, and with which keys they are read.

    Raises ``AdoptionError`` when there are archives already, ``UnknownCommunityError``.
    """
    tools.store.community(tx, community)
    if tools.store.generation(tx, community) or tools.store.candidate(tx, community):
        raise AdoptionError(
            "the community has archives here already",
            place=community,
            remedy="Adopt into a new data directory, or remove the community first.",
        )
    # One further than a lifecycle would choose meanwhile: its files must not be these.
    lineage = tools.store.newest_lineage(tx, community) + 2
    number = tools.store.next_generation(tx, community)
    return (
        Generation(community, number, lineage, "", 0, is_own=True),
        tools.store.ratchet_keys(tx, community),
    )


def copy_archives(
    tools: Tools,
    generation: Generation,
    keys: list[RatchetKey],
    path: Path,
    torrent: Path | None,
    progress: Progress,
) -> Adoption:
    """Check every archive at a place and copy its files; blocks.

    Raises ``AdoptionError`` when they are another community's or differ from their .torrent, and
    what reading them raises: ``ArchivesNotFoundError``, ``IndexInvalidError``,
    ``ArchiveInvalidError``, ``TorrentInvalidError``.
    """
    found = find_archives(path, torrent)
    info = found.info()
    if info is not None and info.name != generation.community:
        raise AdoptionError(
            f"the .torrent is that of {info.name}", place=str(found.torrent),
            remedy="Name the community that these archives belong to.",
        )  # fmt: skip
    entries = found.entries(keys)
    locked = _check(found, entries, keys, progress)
    length = info.data_length if info else max(one.offset + one.size for one in entries)
    content = tools.folder.content(
        generation.community, generation.lineage, generation.number, length
    )
    tools.folder.make(content)
    pieces = _copy(found.data, content.data, length, progress)
    index = found.index_bytes()
    copied = Info(generation.community, length, len(index), pieces + piece_hashes(index))
    if info is not None and copied != info:
        raise AdoptionError(
            "the files are not those that the .torrent describes",
            place=str(found.data.parent),
            remedy="Take files and .torrent of one moment, or let them be downloaded.",
        )
    write_whole(content.index, index)
    info_hash = write_info(content, copied)
    return Adoption(
        Generation(
            generation.community, generation.number, generation.lineage, "", length,
            is_own=True, info_hash=info_hash,
        ),
        entries,
        locked,
    )  # fmt: skip


def _check(
    found: FoundArchives,
    entries: tuple[IndexEntry, ...],
    keys: list[RatchetKey],
    progress: Progress,
) -> int:
    """Read every archive; returns how many wait for a key."""
    if not entries:
        raise AdoptionError("the index names no archive", place=str(found.index))
    absent = sum(is_hole(found.data, entry) for entry in entries)
    if absent:
        raise AdoptionError(
            f"{absent} of {len(entries)} archives are not here: only a part was fetched",
            place=str(found.data),
            remedy="Fetch all of them first: 'fetch --all'.",
        )
    locked = 0
    for done, entry in enumerate(entries, 1):
        try:
            found.messages(entry, keys)
        except RatchetKeyMissingError:
            locked += 1
        progress(done, len(entries), "archives")
    return locked


def _copy(source: Path, target: Path, length: int, progress: Progress) -> bytes:
    """Copy so many bytes and sync them; returns the hashes of their pieces."""
    hasher = PieceHasher()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with source.open("rb") as file:
            done = 0
            while part := file.read(min(COPY, length - done)):
                hasher.update(part)
                write_all(descriptor, part)
                done += len(part)
                progress(done, length, "bytes")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(target.parent)
    return hasher.hashes()
