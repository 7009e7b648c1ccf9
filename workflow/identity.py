"""What a community is called: its public key, written out."""

from __future__ import annotations

from typing import Final

from workflow.errors import MalformedIdError

ID_DIGITS: Final = 66
ID_LENGTH: Final = 2 + ID_DIGITS
"""Characters of an id, with which the ids of a community's chats begin."""


def public_key_of(id: str) -> bytes:
    """The compressed public key (33 bytes) that an id is. Raises ``MalformedIdError``."""
    digits = id.removeprefix("0x")
    if not id.startswith("0x") or len(digits) != ID_DIGITS or digits[:2] not in ("02", "03"):
        raise MalformedIdError(
            "a community id is 0x and 66 hexadecimal digits that begin with 02 or 03",
            place=id[:80],
            remedy="Copy the whole id.",
        )
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise MalformedIdError(
            "the id has characters that are not hexadecimal digits", place=id
        ) from None
