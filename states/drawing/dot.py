"""A picture as DOT text for Graphviz. The shipped SVG pictures are laid out from this text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from states.drawing.overlay import NOTHING, Overlay
from states.drawing.picture import Box, Line, Picture

SPACE: Final = "&#160;&#160;"
"""Keeps a label away from its arrow."""
FONT: Final = "DejaVu Sans"
HEAD: Final = """\
    graph [rankdir={direction}, nodesep=0.35, ranksep=0.45, fontname="{font}"]
    node  [shape=box, style="rounded,filled", fillcolor="#f6f8fa", fontname="{font}", fontsize=11]
    edge  [fontname="{font}", fontsize=11, arrowsize=0.8]"""


def to_dot(picture: Picture, overlay: Overlay | None = None) -> str:
    """The picture as a directed graph; ids of nodes and edges are those of the SVG."""
    over = overlay or NOTHING
    direction = "TB" if picture.is_whole else "LR"
    return "\n".join(
        (
            f"digraph {_quoted(picture.name)} {{",
            HEAD.format(direction=direction, font=FONT),
            *(f"    {_quoted(box.id)} [{_node(box, over)}]" for box in picture.boxes),
            *(
                f"    {_quoted(arrow.source.id)} -> {_quoted(arrow.target.id)} ["
                f"id={_quoted(arrow.id)}, label=<{_block(arrow.lines, over, SPACE)}>"
                f"{_weight(over, arrow.lines, is_main=arrow.is_main)}]"
                for arrow in picture.arrows
            ),
            "}",
            "",
        )
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _node(box: Box, over: Overlay) -> str:
    live = not box.is_shared and over.is_live(box.states[0])
    look = 'style="dashed", ' if box.is_shared else ""
    look += 'fillcolor="#ddf4ff", ' if box.is_main else ""
    look += "peripheries=2, " if box.is_final else ""
    look += 'penwidth=4, fillcolor="#fff8c5", ' if live else ""
    look += f"group=main, " if box.is_main else ""
    return f"id={_quoted(box.id)}, {look}label=<{''.join(_inside(box, over))}>"


def _inside(box: Box, over: Overlay) -> Iterator[str]:
    for part in box.title:
        name = part if box.is_shared else over.name(part)
        yield f"<b>{escape(box.sign + name)}</b><br/>"
    if box.action:
        yield f"{escape(box.action)}<br/>"
    yield _block(box.inner, over)


def _block(lines: Iterable[Line], over: Overlay, indent: str = "") -> str:
    return "".join(indent + text for line in lines for text in _texts(line, over))


def _texts(line: Line, over: Overlay) -> Iterator[str]:
    mark = over.mark(line.triples)
    for position, (role, text) in enumerate(line.phrases):
        before = f"{mark} " if mark and position == 0 else ""
        words = escape(before + text)
        yield (f"<b>{words}</b>" if role == "event" else words) + '<br align="left"/>'


def _weight(over: Overlay, lines: Iterable[Line], *, is_main: bool) -> str:
    if over.has_taken(lines):
        return ', penwidth=4, color="#9a6700"'
    return ", penwidth=2.5, weight=8" if is_main else ""
