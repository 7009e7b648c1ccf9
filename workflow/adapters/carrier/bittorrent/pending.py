"""Groups of pieces that are waited for, each of which is wanted whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from workflow.errors import CarrierError

READ_BACK: Final = 50
"""How often a piece is read back before a disk that does not show it is said to fail."""


class Pending:
    """``groups`` are those that are not settled yet, with all their pieces."""

    def __init__(self, wanted: Mapping[str, Collection[int]]) -> None:
        self.groups = {group: set(numbers) for group, numbers in wanted.items()}
        self._to_come = {group: len(numbers) for group, numbers in self.groups.items()}
        self._groups_of: dict[int, list[str]] = {}
        for group, numbers in self.groups.items():
            for number in numbers:
                self._groups_of.setdefault(number, []).append(group)
        self._whole: list[str] = []
        self._attempts = 0

    @property
    def is_ready(self) -> bool:
        """True when there are pieces to be settled now."""
        return bool(self._whole)

    def ready(self) -> list[int]:
        """Those pieces, in order."""
        return sorted({number for group in self._whole for number in self.groups[group]})

    def take(self, news: list[int]) -> None:
        """These pieces have come; the list is emptied."""
        for number in news:
            for group in self._groups_of.pop(number, ()):
                self._to_come[group] -= 1
                if self._to_come[group] == 0:
                    self._whole.append(group)
        news.clear()

    def unsettled(self, finished: Collection[int]) -> list[int]:
        """Pieces that have come and are not settled, because others of their group are lacking."""
        left = {number for numbers in self.groups.values() for number in numbers}
        return sorted(left.intersection(finished))

    def settle(self, wrong: Collection[int]) -> list[str]:
        """All ready pieces but these are where they belong; returns the groups that are whole.

        Raises ``CarrierError`` when one has been wrong for too long.
        """
        self._attempts = self._attempts + 1 if wrong else 0
        if self._attempts > READ_BACK:
            raise CarrierError("the disk does not show what was written to it")
        settled = [group for group in self._whole if self.groups[group].isdisjoint(wrong)]
        self._whole = [group for group in self._whole if group not in settled]
        for group in settled:
            del self.groups[group]
        return settled
