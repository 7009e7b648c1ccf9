"""Small archives of known bytes, and the folders that people have them in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workflow.archive.history import Encryption, Existing, History, HistoryOptions, archive_history
from workflow.archive.message import ArchivedMessage
from workflow.archive.ratchet import RatchetKey

COMMUNITY: Final = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792"
TOPIC: Final = b"seed"
START: Final = 1_704_067_200  # 2024-01-01, a Monday
WEEK: Final = 604_800
KEY: Final = RatchetKey(bytes(range(32)), 1_704_067_200_010, bytes.fromhex(COMMUNITY[2:]))
KEY_LINE: Final = f"{bytes(range(32)).hex()} 1704067200010 {COMMUNITY}\n"


def message(number: int, payload: bytes = b"") -> ArchivedMessage:
    """Message ``number``: every hour one."""
    return ArchivedMessage(
        sig=b"\x04" + bytes([number]) * 64,
        timestamp=START + number * 3600,
        topic=TOPIC,
        payload=payload or b"message %d" % number,
        padding=b"\x01",
        hash=bytes([number]) * 32,
        third_party_id="7" * 40 if number == 2 else "",
    )


MESSAGES: Final = tuple(message(number) for number in (0, 1, 2, 168, 169))
"""Three in the first week, two in the second."""


def made(
    messages: Sequence[ArchivedMessage] = MESSAGES,
    weeks: int = 2,
    *,
    is_encrypted: bool = False,
    existing: Existing | History | None = None,
    start: int = START,
) -> History:
    sealed = Encryption(KEY, 1, "laptop", [bytes([n]) * 12 for n in range(9)])
    options = HistoryOptions(
        created_by="0x04" + "ab" * 64,
        creation_date=START,
        encryption=sealed if is_encrypted else None,
        existing=existing,
    )
    return archive_history(COMMUNITY, [TOPIC], messages, start, START + weeks * WEEK, options)


def put(root: Path, history: History, *, has_torrent: bool = True) -> Path:
    """The folders of status-go below ``root``; returns that of the community."""
    folder = root / "archivedata" / COMMUNITY
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(history.data)
    (folder / "index").write_bytes(history.index or b"")
    if has_torrent:
        (root / "torrents").mkdir()
        torrent_of(root).write_bytes(history.torrent or b"")
    return folder


def torrent_of(root: Path) -> Path:
    return root / "torrents" / f"{COMMUNITY}.torrent"


def flip(path: Path, offset: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= mask
    path.write_bytes(content)
