"""What a node brings in from files on its machine when another process asks for it.

The node reads the files itself: only paths and options travel, never what is in the files. Whoever
can ask can write in the data directory, so is the same user, or one who may do as much; what stands
at the path is checked like any other input.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from states import CommunityArchivesError
from workflow.errors import (
    ArchivesNotFoundError,
    ConfigurationError,
    ExportInvalidError,
    KeyFileError,
    TorrentInvalidError,
)
from workflow.importing import Item, read_discord, read_jsonl
from workflow.inspection import read_ratchet_keys
from workflow.node import Node
from workflow.ports.work import Progress

Given = Mapping[str, Any]
LOOK_EVERY: Final = 0.05
"""Seconds between two looks at imports that are on their way."""
REMEDY: Final = "Let the user of the process that holds the data directory read it."


async def import_chats(node: Node, id: str, given: Given, progress: Progress) -> Given:
    """Import ``paths`` of a ``form``, 'discord' or 'jsonl'; returns the report as plain values.

    ``called`` is what problems name as their file, if not the path. Raises ``ExportInvalidError``,
    ``NotControlNodeError`` and ``UnknownCommunityError``.
    """
    paths = _paths(given["paths"])
    with _reading(ExportInvalidError):
        report = await node.import_items(
            id, _items(given["form"], paths, given.get("called", "")), progress=progress
        )
    return report.as_data()


async def adopt_archives(node: Node, id: str, given: Given, progress: Progress) -> Given:
    """Adopt what lies at ``path``, and see it imported and verified.

    Raises what ``Node.adopt`` raises.
    """
    (path,) = _paths([given["path"]])
    torrent = _paths([given["torrent"]])[0] if given.get("torrent") else None
    if torrent is not None:
        _refuse_pipe(torrent, TorrentInvalidError)
    with _reading(ArchivesNotFoundError):
        await node.enable()
        adopted = await node.adopt(id, path, torrent, progress)
    while True:
        done, waiting = await node.imports(id)
        progress(done, len(adopted.entries), "archives")
        if not waiting:
            break
        await asyncio.sleep(LOOK_EVERY)
    covered = await node.verify(id)
    return {
        "archives": len(adopted.entries),
        "messages": sum(cell.stored for cell in covered.cells),
        "info_hash": adopted.generation.info_hash,
        "locked": adopted.locked,
    }


async def add_ratchet_keys(node: Node, given: Given) -> Given:
    """Add the keys in the file ``path``; with ``encrypt`` archives are written for their holders.

    ``called`` is what errors name as the file, if not the path.
    Raises ``KeyFileError``, and ``UnknownCommunityError`` before any key is added.
    """
    (path,) = _paths([given["path"]])
    _refuse_pipe(path, KeyFileError)
    keys = await asyncio.to_thread(read_ratchet_keys, path, given.get("called", ""))
    owners = [await node.find(f"0x{key.group_id.hex()}") for key in keys]
    for known, key in zip(owners, keys, strict=True):
        await node.add_ratchet_key(known.id, key)
        if given.get("encrypt"):
            await node.set_encrypted(known.id, is_encrypted=True)
    return {
        "keys": [
            {"community": known.name, "id": key.id.hex()}
            for known, key in zip(owners, keys, strict=True)
        ]
    }


def _items(form: str, paths: list[Path], called: str) -> Iterator[Item]:
    if form == "discord":
        yield from read_discord(paths)
    elif form == "jsonl":
        for path in paths:
            _refuse_pipe(path, ExportInvalidError)
            yield from read_jsonl(path, called)
    else:
        raise ConfigurationError(f"'{form}' is not a form of chats that is read")


def _paths(given: list[str]) -> list[Path]:
    """The paths as given. Raises ``ConfigurationError``: what is relative means another place."""
    for text in given:
        if not Path(text).is_absolute() or "\0" in text:
            raise ConfigurationError("a whole path is needed", place=text)
    return [Path(text) for text in given]


def _refuse_pipe(path: Path, kind: type[CommunityArchivesError]) -> None:
    """Nobody waits for what may never be written. Raises ``kind`` for what is no file."""
    with _reading(kind):
        if not stat.S_ISREG(path.stat().st_mode):
            raise kind("it is no file", place=str(path))


@contextmanager
def _reading(kind: type[CommunityArchivesError]) -> Iterator[None]:
    """What this process may not read is an error of this kind."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"it cannot be read: {error.strerror}", place=str(error.filename or ""), remedy=REMEDY
        ) from error
