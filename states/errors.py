"""The root of every error that this distribution raises on purpose.

CommunityArchivesError
├── LifecycleError          a table is wrong; found when it is built
├── GuardError              a guard answered with something that is not a bool
└── (workflow.errors)       everything that touches the world
"""

from __future__ import annotations

from typing import ClassVar


class CommunityArchivesError(Exception):
    """An error that a person can act on: what happened, where, and what to do.

    ``code`` is stable and meant for programs, ``place`` names the row, file or community,
    ``remedy`` is one sentence in the imperative.
    """

    code: ClassVar[str] = "error"
    remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.advice = remedy or type(self).remedy

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"{self.message}{where}"

    def explained(self) -> str:
        """The whole story on one line: the code, what happened, where, and what to do."""
        advice = f" {self.advice}" if self.advice else ""
        return f"[{self.code}] {self}.{advice}"


class LifecycleError(CommunityArchivesError):
    """A lifecycle's table contradicts itself; every complaint is listed."""

    code = "lifecycle-invalid"
    remedy = "Correct the rows that are named."


class GuardError(CommunityArchivesError):
    """A guard answered with something that is not a bool, so nothing was decided."""

    code = "guard-not-bool"
    remedy = "Make the guard return True or False."
