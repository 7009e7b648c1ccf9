"""'states' is a common name: whether what Python finds under it came with this package.

pip puts one distribution's files over another's without a word, and whatever comes first on the
path is imported. Only names and one small file are looked at, nothing is imported and no list of
distributions read: this runs at every import.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any, Final

OURS: Final = b'"community-archives"'
"""What the distribution's two packages are signed with, each in its first file."""


class ForeignPackageError(ImportError):
    """Another distribution's 'states' shadows ours, or has been installed over it.

    It is no ``CommunityArchivesError``, whose root lies in the very package that is missing, but
    has all that these have.
    """

    code: Final = "package-foreign"
    advice: Final = "Install community-archives into an environment of its own."

    def __init__(self, place: str) -> None:
        super().__init__(
            "another distribution's 'states' shadows ours", name="states", path=place or None
        )
        self.message = str(self.msg)
        self.place = place or "it is missing"

    def __str__(self) -> str:
        return f"[{self.code}] {self.message} ({self.place}). {self.advice}"

    def explained(self) -> str:
        """The whole story on one line, as the errors of the tree tell it."""
        return str(self)


def foreign_states() -> ForeignPackageError | None:
    """The complaint about a 'states' that is not the one beside this package."""
    found = find_spec("states")
    if found is None or found.origin is None:
        return ForeignPackageError("")
    place = PurePath(found.origin).parent
    if place.parent != PurePath(__file__).parents[1]:
        return ForeignPackageError(str(place))
    # In one folder with ours, theirs has replaced the first file at least.
    loader: Any = found.loader
    content = OURS
    with suppress(AttributeError, OSError):  # A frozen application may hold no files.
        content = loader.get_data(found.origin)
    return None if OURS in content else ForeignPackageError(str(place))
