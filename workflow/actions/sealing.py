"""Encryption for the members: what seals an archive or an index of an encrypted community."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workflow.actions.tools import Tools
from workflow.archive.ratchet import NONCE_LENGTH, RatchetKey, encrypt
from workflow.errors import RatchetKeyMissingError
from workflow.ports.keys import Keys
from workflow.ports.work import Transaction

INSTALLATION: Final = "community-archives"
"""Whom the bytes name as their sender's installation; no reader needs it."""


@dataclass(slots=True)
class Seal:
    """Encrypts with one key, each time with the next turn of its ratchet.

    ``seq_no`` is the number of the last message that was encrypted with this key.
    """

    key: RatchetKey
    seq_no: int
    keys: Keys

    def __call__(self, plaintext: bytes) -> bytes:
        """The plaintext, for every holder of the key."""
        self.seq_no += 1
        nonce = self.keys.random(NONCE_LENGTH)
        return encrypt(self.key, self.seq_no, nonce, INSTALLATION, plaintext)


def seal_of(tools: Tools, tx: Transaction, community: str) -> Seal | None:
    """What seals the archives of a community; None when everybody may read them.

    Raises ``RatchetKeyMissingError`` when the community is encrypted and has no key here: its
    archives are not written in the clear, ever.
    """
    if not tools.store.community(tx, community).is_encrypted:
        return None
    keys = tools.store.ratchet_keys(tx, community)
    if not keys:
        raise RatchetKeyMissingError(
            "the community is encrypted, and none of its keys is here",
            place=community,
            remedy="Add the community's ratchet key; archives are written then.",
        )
    return Seal(keys[0], tools.store.last_seq_no(tx, community, keys[0]), tools.keys)
