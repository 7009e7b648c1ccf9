"""The files of attachments.

DiscordChatExporter can save them in a folder beside its export, and names them by a relative path.
Only such files are read: a path that leads out of the export's folder, by whatever trick, is
refused, and nothing is ever fetched. Written files are named by their content, and keep an ending
only where it is harmless to open.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from workflow.archive.codec import MAX_CHUNK_WEIGHT
from workflow.chat.post import Attachment

MAX_MEDIA_LENGTH: Final = MAX_CHUNK_WEIGHT - 1_000_000
"""Bytes that all attachments of one message may have: what an archive holds beside the words."""

_HARMLESS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz-")
_HASHED = "id-"
_MAX_NAME_LENGTH = 120
_CONTENT_TYPES: Final = {
    "aac": "audio/aac",
    "amr": "audio/amr",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "webm": "video/webm",
    "webp": "image/webp",
}


def content_type_of(name: str) -> str:
    """The media type that the ending of ``name`` stands for, empty when it is none of ours."""
    return _CONTENT_TYPES.get(_ending(name), "")


def is_local(url: str) -> bool:
    """True when ``url`` claims to be a path beside the export rather than an address."""
    return bool(url) and "://" not in url and not url.startswith(("//", "data:"))


def read_local(folder: Path, url: str, *, at_most: int) -> bytes:
    """The content of the file that ``url`` names within ``folder``.

    Raises ``ValueError`` saying why, in words for the user, when the path is absolute, leads out
    of ``folder`` (also through a link), is no regular file, or has more than ``at_most`` bytes.
    """
    relative = url.replace("\\", "/")
    drive = relative[1:2] == ":"
    if relative.startswith("/") or drive or ".." in relative.split("/"):
        raise ValueError("its path leads out of the export's folder")
    try:
        path = (folder / relative).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise ValueError("its path leads out of the export's folder")
        if not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            content = file.read(at_most + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    except RuntimeError as error:  # before Python 3.13
        raise ValueError("it cannot be read: its links lead in a circle") from error
    if len(content) > at_most:
        raise ValueError(f"it is longer than the {at_most} bytes that are left in the message")
    return content


def stored_name(attachment: Attachment) -> str:
    """A file name for the payload: equal payloads of one ending have equal names."""
    ending = _ending(attachment.name)
    digest = hashlib.sha256(attachment.payload or b"").hexdigest()[:32]
    return f"{digest}.{ending if ending in _CONTENT_TYPES else 'bin'}"


def safe_name(id: str) -> str:
    """A file name for a channel's id: the id where it is harmless everywhere, else its hash."""
    harmless = 0 < len(id) <= _MAX_NAME_LENGTH and set(id) <= _HARMLESS
    if harmless and not id.startswith(_HASHED):
        return id
    return _HASHED + hashlib.sha256(id.encode(errors="replace")).hexdigest()[:32]


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()
