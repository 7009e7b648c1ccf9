"""Where archives lie in the file ``data``: one after another, each on whole pieces.

Every archive begins on a piece and is followed by zero bytes up to the next one, so the pieces of
old archives never change when a new one is appended. The padding lies outside the archive's own
bytes: it is not protobuf, and a reader cuts it off first.
"""

from __future__ import annotations

from typing import Final

PIECE_LENGTH: Final = 100 * 1024
"""Bytes in a piece of the torrent."""

MAX_RAW_SIZE: Final = 64 * 1024 * 1024
"""The longest archive, in bytes without padding, that is read.

The specification limits payloads and signatures to 30,000,000 bytes and counts nothing else. Hash,
padding and framing of many short messages come on top and can be nearly as much again.
"""


def padding_after(raw_size: int) -> int:
    """How many zero bytes follow an archive of ``raw_size`` bytes (encrypted, if it is).

    The specification's rule with the quirk that status-go gave it: exactly one piece needs no
    padding, but two or more exact pieces get a whole piece of it. The quirk is in every archive id
    ever published, so it is kept.
    """
    if raw_size <= PIECE_LENGTH:
        return PIECE_LENGTH - raw_size
    return PIECE_LENGTH - raw_size % PIECE_LENGTH
