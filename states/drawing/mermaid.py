"""A picture as Mermaid text, which GitHub renders without any program installed.

It is a flowchart and not a ``stateDiagram``: only a flowchart lets single edges be styled, and an
overlay shows the way a community came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from states.drawing.overlay import NOTHING, Overlay
from states.drawing.picture import Box, Line, Picture

DIRECTIVE: Final = (
    '%%%%{init: {"themeVariables": {"fontSize": "13px"}, '
    '"flowchart": {"curve": "%s", "wrappingWidth": 400}}}%%%%'
)
"""These curves run through the places that the layout keeps free for labels; others do not."""
STYLES: Final = """\
    classDef state fill:#f6f8fa,stroke:#57606a,color:#1f2328
    classDef main fill:#ddf4ff,stroke:#0969da,stroke-width:2px,color:#1f2328
    classDef shared fill:#ffffff,stroke:#57606a,stroke-dasharray:4 3,color:#1f2328
    classDef live fill:#fff8c5,stroke:#9a6700,stroke-width:5px,color:#1f2328"""


def to_mermaid(picture: Picture, overlay: Overlay | None = None) -> str:
    """The picture as a flowchart. An overlay marks a live state, the way, and counts.

    Every label is quoted and escaped, so that a name can break neither syntax nor page.
    """
    over = overlay or NOTHING
    ids = {box.id: f"n{number}_{_word(box)}" for number, box in enumerate(picture.boxes, 1)}
    return "\n".join(
        (
            DIRECTIVE % {"TB": "monotoneY", "LR": "monotoneX"}[picture.direction],
            f"%% {_comment(picture.title)}. Generated from the table; do not edit.",
            *([f"%% {_comment(over.caption())}"] if over.caption() else []),
            f"flowchart {picture.direction}",
            *(f"    {ids[box.id]}{_shape(box, over)}" for box in picture.boxes),
            *(
                f"    {ids[arrow.source.id]} {'==>' if arrow.is_main else '-->'}"
                f'|"{_label(arrow.lines, over)}"| {ids[arrow.target.id]}'
                for arrow in picture.arrows
            ),
            STYLES,
            *_styled(picture, over, ids),
            *_taken(picture, over),
            "",
        )
    )


def _word(box: Box) -> str:
    """For the reader of the text only; the number makes the identifier unique."""
    return re.sub(r"[^A-Za-z0-9]+", "_", "shared" if box.is_shared else box.states[0])


def _escaped(text: str) -> str:
    """Text inside quotes: entities, also for the signs of Markdown and of directives."""
    return re.sub(r'[#&<>"`*%{}\\\x00-\x1f]', lambda found: f"#{ord(found[0])};", text)


def _comment(text: str) -> str:
    """Text for a comment, which ends with its line and may not look like a directive."""
    return re.sub(r"[{}%\s]+", " ", text)


def _shape(box: Box, over: Overlay) -> str:
    inside = "<br/>".join(_inside(box, over))
    return f'["{inside}"]' if box.is_shared else f'("{inside}")'


def _inside(box: Box, over: Overlay) -> Iterator[str]:
    for name in over.names(box):
        yield f"<b>{_escaped(name)}</b>"
    if box.action:
        yield _escaped(box.action)
    for line in box.inner:
        yield f"— {_label((line,), over)}"


def _label(lines: Iterable[Line], over: Overlay) -> str:
    return "<br/>".join(
        f"<b>{_escaped(text)}</b>" if role == "event" else _escaped(text)
        for line in lines
        for role, text in over.phrases(line)
    )


def _styled(picture: Picture, over: Overlay, ids: Mapping[str, str]) -> Iterator[str]:
    for style in ("state", "main", "shared", "live"):
        alike = [ids[box.id] for box in picture.boxes if _style(box, over) == style]
        if alike:
            yield f"    class {','.join(alike)} {style}"


def _style(box: Box, over: Overlay) -> str:
    if over.is_at(box):
        return "live"
    return "shared" if box.is_shared else "main" if box.is_main else "state"


def _taken(picture: Picture, over: Overlay) -> Iterator[str]:
    taken = [str(n) for n, arrow in enumerate(picture.arrows) if over.has_taken(arrow.lines)]
    if taken:
        yield f"    linkStyle {','.join(taken)} stroke:#9a6700,stroke-width:5px"
