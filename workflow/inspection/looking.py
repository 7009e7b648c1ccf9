"""One path: what is there, whether all of it is sound, and what an archive says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from workflow.archive.index import IndexEntry
from workflow.archive.magnet import magnet_uri
from workflow.archive.pieces import PIECE_LENGTH
from workflow.archive.ratchet import RatchetKey
from workflow.archive.torrent import HASH_LENGTH, Info, PieceHasher, Torrent, piece_hashes
from workflow.errors import (
    ArchivesNotFoundError,
    ContentDamagedError,
    MagnetInvalidError,
    TorrentInvalidError,
)
from workflow.inspection.contents import read_contents
from workflow.inspection.findings import (
    Inspection,
    Problem,
    SeenArchive,
    SeenMessage,
    SeenTorrent,
    Watch,
)
from workflow.inspection.opening import Opened, open_at

CHUNK: Final = 10 * PIECE_LENGTH
"""Bytes that are read at once."""


def _nobody(_done: int, _total: int) -> None: ...


def inspect(path: Path, keys: Sequence[RatchetKey] = (), watch: Watch = _nobody) -> Inspection:
    """Look at a folder of archives, an index, a .torrent, or a file with one archive.

    All bytes are read: pieces are compared with the .torrent (without one, its info-hash is made
    of the files), and every archive is opened, if it is plain or its key is among ``keys``.
    Raises ``ArchivesNotFoundError`` when ``path`` is none of these; whatever else is wrong is
    among the problems that are returned.
    """
    opened = open_at(path, tuple(keys))
    length = opened.data_length
    done = length or 0
    total = done + sum(entry.size for entry in opened.entries)
    problems = list(opened.problems)
    holes = opened.holes()
    torrent = _seen_torrent(opened, holes, problems, lambda hashed: watch(hashed, total))
    archives = []
    for entry in opened.entries:
        if opened.has_archives and entry not in holes:
            archives.append(read_contents(opened, entry).seen(_damaged_in(entry, torrent)))
        else:
            archives.append(SeenArchive(entry, "absent", None, "", 0, ()))
        done += entry.size
        watch(done, total)
    return Inspection(
        path,
        opened.kind,
        opened.community,
        torrent,
        length,
        None if opened.index is None else len(opened.index),
        opened.form,
        opened.key,
        tuple(archives),
        tuple(problems),
    )


def inspect_archive(
    path: Path, id: str, keys: Sequence[RatchetKey] = ()
) -> tuple[str, Iterator[SeenMessage], tuple[Problem, ...]]:
    """The messages of the one archive whose id begins with ``id``, and what is wrong with it.

    Returns its id, its messages as far as they can be read, and the problems. A file that holds
    one archive has it under every id. Raises ``ArchivesNotFoundError`` when no id begins so, or
    more than one.
    """
    opened = open_at(path, tuple(keys))
    chosen = [
        entry for entry in opened.entries if opened.kind == "archive" or entry.id.startswith(id)
    ]
    if len(chosen) != 1:
        raise ArchivesNotFoundError(
            f"{len(chosen) or 'no'} archives here have an id that begins with '{id[:70]}'",
            place=str(path),
            remedy="Give enough of one of the ids that 'inspect' lists.",
        )
    contents = read_contents(opened, chosen[0])
    return chosen[0].id, contents.messages(), contents.problems


def _seen_torrent(
    opened: Opened,
    holes: Sequence[IndexEntry],
    problems: list[Problem],
    watch: Callable[[int], None],
) -> SeenTorrent | None:
    torrent, index, length = opened.torrent, opened.index, opened.data_length
    damaged: tuple[int, ...] | None = None
    absent = frozenset(number for one in holes for number in _pieces_of(one))
    if opened.found is not None and index is not None and length is not None:
        try:
            of_data = _hashes(opened.found.data, length, watch)
            if torrent is not None:
                damaged = _damaged(
                    torrent.info, of_data, index, absent, str(opened.found.data), problems
                )
            elif opened.torrent_path is None:
                pieces = of_data + piece_hashes(index)
                torrent = Torrent(Info(opened.name, length, len(index), pieces))
        except TorrentInvalidError as error:
            problems.append(Problem.of(error, str(opened.found.data)))
        except OSError as error:
            problems.append(
                Problem(
                    ContentDamagedError.code,
                    f"it cannot be read: {error.strerror}",
                    str(opened.found.data),
                )
            )
    if torrent is None:
        return None
    info = torrent.info
    return SeenTorrent(
        opened.torrent_path,
        info.name,
        info.info_hash,
        _magnet(torrent),
        torrent.trackers,
        torrent.created_by,
        torrent.creation_date,
        info.data_length,
        info.index_length,
        info.index_pieces.stop,
        damaged,
        absent=len(absent),
    )


def _magnet(torrent: Torrent) -> str:
    info_hash, name = torrent.info.info_hash, torrent.info.name
    urls = dict.fromkeys(url for tier in torrent.trackers for url in tier if url)
    try:
        return magnet_uri(info_hash, name, urls)
    except MagnetInvalidError:  # too many trackers, or too long ones
        return magnet_uri(info_hash, name, ())


def _hashes(data: Path, length: int, watch: Callable[[int], None]) -> bytes:
    hasher, done = PieceHasher(), 0
    with data.open("rb") as file:
        while chunk := file.read(min(CHUNK, length - done)):
            hasher.update(chunk)
            done += len(chunk)
            watch(done)
    return hasher.hashes()


def _damaged(
    info: Info,
    of_data: bytes,
    index: bytes,
    absent: Collection[int],
    place: str,
    problems: list[Problem],
) -> tuple[int, ...]:
    """The numbers of the pieces that are here and not those of the .torrent."""
    if len(index) != info.index_length:
        problems.append(
            Problem(
                ContentDamagedError.code,
                f"'index' has {len(index)} bytes, the .torrent says {info.index_length}",
                place.removesuffix("data") + "index",
            )
        )
    if len(of_data) < HASH_LENGTH * info.data_pieces.stop:
        problems.append(
            Problem(
                ContentDamagedError.code,
                f"'data' is shorter than the {info.data_length} bytes of the .torrent",
                place,
            )
        )
    of_index = piece_hashes(index)
    damaged = tuple(
        number
        for numbers, found in ((info.data_pieces, of_data), (info.index_pieces, of_index))
        for place_in_file, number in enumerate(numbers)
        if number not in absent and _hash(found, place_in_file) != _hash(info.pieces, number)
    )
    if damaged:
        problems.append(
            Problem(
                ContentDamagedError.code,
                f"{len(damaged)} of {info.index_pieces.stop} pieces are damaged: {_runs(damaged)}",
                place,
            )
        )
    return damaged


def _hash(hashes: bytes, number: int) -> bytes:
    return hashes[HASH_LENGTH * number : HASH_LENGTH * (number + 1)]


def _runs(numbers: Sequence[int], at_most: int = 10) -> str:
    """``3-5, 9``; the first few of them."""
    starts = [numbers[0], *(after for before, after in pairwise(numbers) if after > before + 1)]
    ends = [*(before for before, after in pairwise(numbers) if after > before + 1), numbers[-1]]
    runs = [
        str(start) if start == end else f"{start}-{end}"
        for start, end in zip(starts, ends, strict=True)
    ]
    return ", ".join(runs[:at_most]) + (", …" if len(runs) > at_most else "")


def _damaged_in(entry: IndexEntry, torrent: SeenTorrent | None) -> int:
    if torrent is None or not torrent.damaged:
        return 0
    pieces = _pieces_of(entry)
    return bisect_left(torrent.damaged, pieces.stop) - bisect_left(torrent.damaged, pieces.start)


def _pieces_of(entry: IndexEntry) -> range:
    return range(entry.offset // PIECE_LENGTH, (entry.offset + entry.size) // PIECE_LENGTH)
