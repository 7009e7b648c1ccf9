"""Torrents as libtorrent is given them: by a hash, to be fetched, or to be seeded.

Nothing of a stranger's gets into them but the hashes of pieces: no tracker, web seed, node or name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import libtorrent as lt

from workflow.archive.torrent import Info
from workflow.ports.carrier import Content

WANTED, NOT_WANTED = 4, 0
"""libtorrent's priorities."""


def metadata_params(name: str, folder: Path) -> lt.add_torrent_params:
    """A torrent of which nothing is known but its info-hash, and nothing is wanted but that."""
    params = lt.add_torrent_params()
    params.info_hashes = lt.info_hash_t(lt.sha1_hash(bytes.fromhex(name)))
    params.flags = lt.torrent_flags.default_dont_download
    params.save_path = str(folder.absolute())
    return params


def fetching_params(
    info: Info,
    wanted: Mapping[str, Collection[int]],
    files: tuple[Path, Path],
    here: Collection[int],
) -> lt.add_torrent_params:
    """A torrent of which some pieces are wanted, into these files, while others are here.

    What is here was read by us, so libtorrent need not; and it is shared from now on.
    """
    params = _params_of(info, files)
    params.flags = lt.torrent_flags.no_verify_files | lt.torrent_flags.sequential_download
    number_of_pieces = info.index_pieces.stop
    has, priorities = [False] * number_of_pieces, [NOT_WANTED] * number_of_pieces
    for number in here:
        has[number] = True
    for numbers in wanted.values():
        for number in numbers:
            priorities[number] = WANTED
    params.have_pieces = has
    params.piece_priorities = priorities
    params.file_priorities = [WANTED, WANTED]  # Or pieces would go to a file of libtorrent's own.
    return params


def seeding_params(content: Content, info: Info, numbers: Collection[int]) -> lt.add_torrent_params:
    """A torrent of which the index and these pieces of ``data`` are here and were read by us.

    Of a whole one, libtorrent hashes each piece once more when it is wanted for the first time, and
    tells. Of a part it wants nothing and claims no more.
    """
    files = (content.data, content.index)
    if numbers != info.data_pieces:
        return fetching_params(info, {}, files, (*numbers, *info.index_pieces))
    params = _params_of(info, files)
    params.flags = lt.torrent_flags.seed_mode
    return params


def _params_of(info: Info, files: tuple[Path, Path]) -> lt.add_torrent_params:
    data, index = files
    params = lt.load_torrent_buffer(b"d4:info" + info.encode() + b"e")
    params.save_path = str(index.parent.absolute())
    params.renamed_files = {0: str(data.absolute()), 1: str(index.absolute())}
    return params
