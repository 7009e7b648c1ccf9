"""A picture as Mermaid text, which GitHub renders without any program installed.

It is a flowchart and not a ``stateDiagram``: only a flowchart lets single edges be styled, and an
overlay shows the way a community came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from states.drawing.overlay import NOTHING, Overlay
from states.drawing.picture import Box, Line, Picture

DIRECTIVE: Final = (
    '%%%%{init: {"themeVariables": {"fontSize": "13px"}, '
    '"flowchart": {"curve": "%s", "wrappingWidth": 400}}}%%%%'
)
"""These curves run through the places that the layout has kept free for labels; others do not."""
STYLES: Final = """\
    classDef state fill:#f6f8fa,stroke:#57606a,color:#1f2328
    classDef main fill:#ddf4ff,stroke:#0969da,stroke-width:2px,color:#1f2328
    classDef shared fill:#ffffff,stroke:#57606a,stroke-dasharray:4 3,color:#1f2328
    classDef live fill:#fff8c5,stroke:#9a6700,stroke-width:5px,color:#1f2328"""


def to_mermaid(picture: Picture, overlay: Overlay | None = None) -> str:
    """The picture as a flowchart: the main path from left to right, the whole from top to bottom.

    Every label is quoted and escaped, so that a name can break neither syntax nor page.
    """
    over = overlay or NOTHING
    ids = {box.id: f"n{number}_{_word(box)}" for number, box in enumerate(picture.boxes, 1)}
    return "\n".join(
        (
            f"%% {_plain(picture.title)}. Generated from the table; do not edit.",
            *([f"%% {_plain(over.caption())}"] if over.caption() else []),
            DIRECTIVE % ("monotoneY" if picture.is_whole else "monotoneX"),
            f"flowchart {'TB' if picture.is_whole else 'LR'}",
            *(f"    {ids[box.id]}{_shape(box, over)}" for box in picture.boxes),
            *(
                f"    {ids[arrow.source.id]} {'==>' if arrow.is_main else '-->'}"
                f'|"{_label(arrow.lines, over)}"| {ids[arrow.target.id]}'
                for arrow in picture.arrows
            ),
            STYLES,
            *(f"    class {ids[box.id]} {_style(box, over)}" for box in picture.boxes),
            *_taken(picture, over),
            "",
        )
    )


def escaped(text: str) -> str:
    """Text as Mermaid wants it inside quotes: entities, and none of Markdown's signs."""
    return re.sub(r'[#&<>"`*\\\x00-\x1f]', lambda found: f"#{ord(found[0])};", text)


def _plain(text: str) -> str:
    """Text for a comment, which ends with its line and may not look like a directive."""
    return re.sub(r"[{}%\s]+", " ", text)


def _word(box: Box) -> str:
    """For the human reader only; the number makes it unique."""
    word = "shared" if box.is_shared else box.states[0]
    return re.sub(r"[^A-Za-z0-9]+", "_", word)


def _shape(box: Box, over: Overlay) -> str:
    before, after = ('["', '"]') if box.is_shared else ('("', '")')
    return f"{before}{'<br/>'.join(_inside(box, over))}{after}"


def _inside(box: Box, over: Overlay) -> Iterator[str]:
    for part in box.title:
        name = part if box.is_shared else over.name(part)
        yield f"<b>{escaped(box.sign + name)}</b>"
    if box.action:
        yield escaped(box.action)
    for line in box.inner:
        yield f"— {_label((line,), over)}"


def _label(lines: Iterable[Line], over: Overlay) -> str:
    return "<br/>".join(text for line in lines for text in _texts(line, over))


def _texts(line: Line, over: Overlay) -> Iterator[str]:
    mark = over.mark(line.triples)
    for position, (role, text) in enumerate(line.phrases):
        before = f"{mark} " if mark and position == 0 else ""
        yield f"<b>{escaped(before + text)}</b>" if role == "event" else escaped(text)


def _style(box: Box, over: Overlay) -> str:
    if not box.is_shared and over.is_live(box.states[0]):
        return "live"
    return "shared" if box.is_shared else "main" if box.is_main else "state"


def _taken(picture: Picture, over: Overlay) -> Iterator[str]:
    taken = [
        str(number) for number, arrow in enumerate(picture.arrows) if over.has_taken(arrow.lines)
    ]
    if taken:
        yield f"    linkStyle {','.join(taken)} stroke:#9a6700,stroke-width:5px"
