"""The pictures that were laid out once and lie in this package, so that no user needs Graphviz."""

from __future__ import annotations

from importlib import resources

from states.drawing.picture import Picture
from states.drawing.svg import is_painting_of
from states.errors import CommunityArchivesError


class LayoutError(CommunityArchivesError):
    """There is no shipped SVG picture for this table as it is now."""

    code = "layout-missing"
    remedy = "Draw it as mmd, dot or md, or lay it out: python -m states.drawing (needs dot)."


def shipped(picture: Picture) -> str:
    """The SVG text of a picture. Raises ``LayoutError`` when there is none or it is outdated."""
    laid_out = shipped_text(picture.name)
    if laid_out is None or not is_painting_of(picture, laid_out):
        raise LayoutError("no current layout for this picture", place=picture.name)
    return laid_out


def shipped_text(name: str) -> str | None:
    """What lies in the package under this name, current or not."""
    if not name.replace("-", "").replace("_", "").isalnum():
        return None  # Not a name of ours; it might lead out of the folder.
    file = resources.files("states.drawing").joinpath("layouts", f"{name}.svg")
    return file.read_text("utf-8") if file.is_file() else None
