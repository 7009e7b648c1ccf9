"""A picture as DOT text for Graphviz. The shipped SVG pictures are laid out from this text.

The main path is a straight line. From left to right, what skips a state of it goes above and what
goes back goes below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from states.drawing.overlay import NOTHING, Overlay
from states.drawing.picture import Arrow, Box, Line, Picture

FONT: Final = "DejaVu Sans"
"""As wide as Verdana, which other systems have; a narrower font leaves room."""
HEAD: Final = f"""\
    graph [rankdir=%s, nodesep=0.35, ranksep=0.45, fontname="{FONT}"]
    node  [shape=box, style="rounded,filled", fillcolor="#f6f8fa", fontname="{FONT}", fontsize=12]
    edge  [fontname="{FONT}", fontsize=12, arrowsize=0.8]"""
INDENT: Final = "&#160;&#160;"
"""Keeps a label away from its arrow."""
GAP: Final = '<br/><font point-size="4"> </font>'
"""Keeps a label above an arrow that runs from left to right."""


def to_dot(picture: Picture, overlay: Overlay | None = None) -> str:
    """The picture as a directed graph; the ids of nodes and edges are those of the SVG."""
    over = overlay or NOTHING
    return "\n".join(
        (
            f"digraph {_quoted(picture.name)} {{",
            HEAD % picture.direction,
            *(f"    {_quoted(box.id)} [{_node(box, over)}]" for box in picture.boxes),
            *(f"    {_edge(picture, arrow, over)}" for arrow in picture.arrows),
            "}",
            "",
        )
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _node(box: Box, over: Overlay) -> str:
    look = (
        f"id={_quoted(box.id)}",
        *(['style="dashed"'] if box.is_shared else []),
        *(['fillcolor="#ddf4ff"'] if box.is_main else []),
        *(["peripheries=2"] if box.is_final else []),
        *(['penwidth=4, fillcolor="#fff8c5"'] if over.is_at(box) else []),
        f"label=<{''.join(_inside(box, over))}>",
    )
    return ", ".join(look)


def _inside(box: Box, over: Overlay) -> Iterator[str]:
    for name in over.names(box):
        yield f"<b>{escape(name)}</b><br/>"
    if box.action:
        yield f"{escape(box.action)}<br/>"
    yield _block(box.inner, over)


def _edge(picture: Picture, arrow: Arrow, over: Overlay) -> str:
    gap = GAP if picture.direction == "LR" else ""
    source, target, weight = _way(picture, arrow)
    look = (
        f"id={_quoted(arrow.id)}",
        f"label=<{_block(arrow.lines, over, INDENT)}{gap}>",
        *(["penwidth=2.5"] if arrow.is_main else []),
        *([f"weight={weight}"] if weight > 1 else []),
        *(['penwidth=4, color="#9a6700"'] if over.has_taken(arrow.lines) else []),
    )
    return f"{source} -> {target} [{', '.join(look)}]"


def _way(picture: Picture, arrow: Arrow) -> tuple[str, str, int]:
    """Where the arrow starts and ends, and how much it wants to be straight."""
    source, target = _quoted(arrow.source.id), _quoted(arrow.target.id)
    forward = picture.boxes.index(arrow.target) - picture.boxes.index(arrow.source)
    is_straight = arrow.is_main and forward > 0
    if picture.direction == "TB":
        return source, target, 8 if is_straight else 1
    if is_straight:
        return f"{source}:e", f"{target}:w", 100
    if arrow.source.is_main and arrow.target.is_main:
        side = "n" if forward > 0 else "s"
        return f"{source}:{side}", f"{target}:{side}", 1
    return source, target, 1


def _block(lines: Iterable[Line], over: Overlay, indent: str = "") -> str:
    return "".join(indent + text for line in lines for text in _texts(line, over))


def _texts(line: Line, over: Overlay) -> Iterator[str]:
    for role, text in over.phrases(line):
        words = escape(text)
        yield (f"<b>{words}</b>" if role == "event" else words) + '<br align="left"/>'
