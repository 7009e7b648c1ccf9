"""Which messages were seen lately: networks repeat, and stores tell again what is known."""

from __future__ import annotations

from collections import OrderedDict


class RecentHashes:
    """The hashes that were added last."""

    def __init__(self, capacity: int) -> None:
        self._hashes: OrderedDict[bytes, None] = OrderedDict()
        self._capacity = capacity

    def __contains__(self, hash: bytes) -> bool:
        return hash in self._hashes

    def add(self, hash: bytes) -> None:
        """Remember this one, and forget the oldest when there are too many."""
        self._hashes[hash] = None
        if len(self._hashes) > self._capacity:
            self._hashes.popitem(last=False)

    def clear(self) -> None:
        """Forget them all."""
        self._hashes.clear()
