"""Write the gallery: ``python -m states.drawing diagrams`` (a developer's step: ``make diagrams``).

The only file of ``states`` that touches the disk and starts a program. Graphviz is needed when a
table has changed since its SVG was laid out; ``--lay-out`` asks for it in any case.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from states.drawing.dot import to_dot
from states.drawing.gallery import gallery, pictures
from states.drawing.layout import read_layout
from states.drawing.shipped import LayoutError, shipped_text
from states.drawing.svg import is_painting_of, paint

LAYOUTS: Final = Path(__file__).parent / "layouts"


def main(
    arguments: Sequence[str],
    *,
    layouts: Path = LAYOUTS,
    dot: Callable[[str], str] | None = None,
) -> None:
    """Lay out what is outdated, then write every file of the gallery into a folder.

    ``dot`` answers a DOT text with its layout as JSON text.
    """
    parser = argparse.ArgumentParser(prog="states.drawing", description="Draw the lifecycles.")
    parser.add_argument("folder", type=Path, help="where to write the pictures")
    parser.add_argument("--lay-out", action="store_true", help="lay out even what is current")
    chosen = parser.parse_args(arguments)
    svgs = {}
    for drawn in pictures():
        laid_out = shipped_text(drawn.name)
        if chosen.lay_out or laid_out is None or not is_painting_of(drawn, laid_out):
            laid_out = paint(drawn, read_layout((dot or graphviz)(to_dot(drawn))))
            (layouts / f"{drawn.name}.svg").write_text(laid_out, "utf-8")
        svgs[drawn.name] = laid_out
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name, text in gallery(svgs).items():
        (chosen.folder / name).write_text(text, "utf-8")


def graphviz(text: str, program: str = "dot") -> str:
    """The layout that Graphviz gives a DOT text. Raises ``LayoutError`` where it is missing."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, the text goes in by a pipe
            [program, "-Tjson"], input=text, capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise LayoutError(
            f"{program} could not lay out the picture: {error}",
            remedy="Install Graphviz (apt-get install graphviz), then run this again.",
        ) from error
    return done.stdout


if __name__ == "__main__":  # pragma: no cover
    main(sys.argv[1:])
