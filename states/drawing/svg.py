"""A picture as SVG: painted once on a layout, restyled for every overlay.

A painted picture is complete in itself: it needs no program, no font and no network, and is
readable on light and dark pages. Every box has the id ``state-<name>``; every line of text stands
in a group with one class for each edge that it means, ``edge-<source>-<event>-<target>``. An
overlay adds words and classes to these and moves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree import ElementTree as ET

from states.drawing.layout import Course, Layout, Place, Point
from states.drawing.overlay import Overlay
from states.drawing.picture import Arrow, Box, Line, Picture, said, slug

SPACE: Final = "http://www.w3.org/2000/svg"
MARGIN: Final = 10
ET.register_namespace("", SPACE)

SHAPES: Final = """
.lifecycle text { font: 11px "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; }
.lifecycle .name, .lifecycle .event { font-weight: bold; }
.lifecycle .name, .lifecycle .action { text-anchor: middle; }
.lifecycle rect, .lifecycle .shaft { stroke-width: 1; }
.lifecycle .shaft { fill: none; }
.lifecycle .arrow text { paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; }
.lifecycle .main rect { stroke-width: 2; }
.lifecycle .arrow.main .shaft { stroke-width: 2.5; }
.lifecycle .shared rect { stroke-dasharray: 4 3; }
.lifecycle .final .inner { fill: none; stroke-width: 1; }
.lifecycle .live rect, .lifecycle .arrow.taken .shaft { stroke-width: 5; }
.lifecycle.followed .arrow:not(.taken) path { opacity: 0.4; }
"""
COLOURS: Final = """
.lifecycle .paper {{ fill: {paper}; stroke: none; }}
.lifecycle text {{ fill: {ink}; }}
.lifecycle .condition {{ fill: {condition}; }}
.lifecycle .consequence, .lifecycle .action {{ fill: {soft}; }}
.lifecycle .arrow text {{ stroke: {paper}; }}
.lifecycle rect {{ fill: {box}; stroke: {soft}; }}
.lifecycle .main rect {{ fill: {main}; stroke: {blue}; }}
.lifecycle .shared rect {{ fill: {paper}; }}
.lifecycle .shaft {{ stroke: {soft}; }}
.lifecycle .head {{ fill: {soft}; stroke: {soft}; }}
.lifecycle .main .shaft {{ stroke: {blue}; }}
.lifecycle .main .head {{ fill: {blue}; stroke: {blue}; }}
.lifecycle .live rect {{ fill: {yellow}; stroke: {amber}; }}
.lifecycle .taken .shaft {{ stroke: {amber}; }}
.lifecycle .taken .head {{ fill: {amber}; stroke: {amber}; }}
"""
LIGHT: Final = {
    "paper": "#ffffff", "ink": "#1f2328", "condition": "#0550ae", "soft": "#57606a",
    "box": "#f6f8fa", "main": "#ddf4ff", "blue": "#0969da", "yellow": "#fff8c5",
    "amber": "#9a6700",
}  # fmt: skip
DARK: Final = {
    "paper": "#0d1117", "ink": "#e6edf3", "condition": "#79c0ff", "soft": "#9ea7b3",
    "box": "#161b22", "main": "#0c2d6b", "blue": "#58a6ff", "yellow": "#3b2e00",
    "amber": "#e3b341",
}  # fmt: skip


def paint(picture: Picture, layout: Layout) -> str:
    """Paint a picture where the layout says."""
    wide, high = round(layout.width + 2 * MARGIN), round(layout.height + 2 * MARGIN)
    frame = f"{-MARGIN} {-MARGIN} {wide} {high}"
    root = ET.Element(_tag("svg"), {"class": "lifecycle", "role": "img", "viewBox": frame})
    root.attrib |= {"width": str(wide), "height": str(high)}
    _add(root, "title").text = _printable(picture.title)
    _add(root, "desc").text = "Generated from the table of rules."
    dark = f"@media (prefers-color-scheme: dark) {{{COLOURS.format(**DARK)}}}\n"
    _add(root, "style").text = SHAPES + COLOURS.format(**LIGHT) + dark
    edge = {"x": str(-MARGIN), "y": str(-MARGIN), "width": str(wide), "height": str(high)}
    _add(root, "rect", **edge).set("class", "paper")
    for arrow in picture.arrows:
        _paint_arrow(root, arrow, layout.courses[arrow.id])
    for box in picture.boxes:
        _paint_box(root, box, layout.places[box.id])
    return _text(root)


def to_svg(laid_out: str, overlay: Overlay | None = None) -> str:
    """The painted picture with an overlay: words and classes are added, nothing is moved."""
    if overlay is None:
        return laid_out
    root = _parsed(laid_out)
    _restyle_states(root, overlay)
    for holder in root.iter(_tag("g")):
        for edge in holder.findall(_tag("g")):
            mark = overlay.mark_of(_classes(edge))
            if mark:
                _start(edge[0], f"{mark} ")
                holder.set("class", " ".join(dict.fromkeys([*_classes(holder), "taken"])))
    if overlay.way:
        root.set("class", "lifecycle followed")
    for described in root.iter(_tag("desc")):
        described.text = _printable(overlay.caption())
    return _text(root)


def is_painting_of(picture: Picture, laid_out: str) -> bool:
    """True when nothing but places would change if the picture were painted anew."""
    nowhere = Point(0, 0)
    heads = sum(len(box.title) + 1 for box in picture.boxes)
    texts = (nowhere,) * (heads + sum(len(line.phrases) for line in picture.lines))
    layout = Layout(
        0,
        0,
        {box.id: Place(nowhere, 0, 0, texts) for box in picture.boxes},
        {arrow.id: Course((nowhere, nowhere), Point(1, 1), texts) for arrow in picture.arrows},
    )
    return _outline(laid_out) == _outline(paint(picture, layout))


def _outline(laid_out: str) -> list[tuple[str, str, str, str]]:
    return [
        (part.tag, part.get("id", ""), part.get("class", ""), (part.text or "").strip())
        for part in _parsed(laid_out).iter()
    ]


def _paint_box(root: ET.Element, box: Box, place: Place) -> None:
    kinds = {"shared": box.is_shared, "main": box.is_main, "final": box.is_final}
    look = " ".join(["state", *(kind for kind, holds in kinds.items() if holds)])
    group = _add(root, "g", id=box.id)
    group.set("class", look)
    frame = _add(group, "rect", x=_n(place.corner.x), y=_n(place.corner.y))
    frame.attrib |= {"width": _n(place.width), "height": _n(place.height)}
    frame.set("rx", "0" if box.is_shared else "8")
    if box.is_final:
        inner = _add(group, "rect", x=_n(place.corner.x + 4), y=_n(place.corner.y + 4))
        inner.attrib |= {"width": _n(place.width - 8), "height": _n(place.height - 8)}
        inner.attrib |= {"rx": "5", "class": "inner"}
    middle = place.corner.x + place.width / 2
    starts = iter(place.texts)
    head = [f"{box.sign}{title}" for title in box.title]
    for kind, words in (*(("name", each) for each in head), ("action", box.action)):
        if words:
            _write(group, kind, words, Point(middle, next(starts).y))
    _write_lines(group, box.inner, starts)


def _paint_arrow(root: ET.Element, arrow: Arrow, course: Course) -> None:
    group = _add(root, "g", id=arrow.id)
    group.set("class", "arrow main" if arrow.is_main else "arrow")
    start, *others = course.curve
    way = f"M{_at(start)} C{' '.join(map(_at, others))}"
    _add(group, "path", d=way).set("class", "shaft")
    _add(group, "path", d=_head(course.curve[-1], course.tip)).set("class", "head")
    _write_lines(group, arrow.lines, iter(course.texts))


def _head(neck: Point, tip: Point) -> str:
    """A triangle from the end of the curve to the tip."""
    across, along = (tip.y - neck.y) * 0.4, (tip.x - neck.x) * 0.4
    left = Point(neck.x + across, neck.y - along)
    right = Point(neck.x - across, neck.y + along)
    return f"M{_at(tip)} L{_at(left)} L{_at(right)} Z"


def _write_lines(group: ET.Element, lines: Iterable[Line], starts: Iterator[Point]) -> None:
    """Write all phrases below each other, under the first letter of the first event."""
    edge: float | None = None
    for line in lines:
        part = _add(group, "g")
        part.set("class", " ".join(["edge", *(triple.token for triple in line.triples)]))
        for role, text in line.phrases:
            start = next(starts)
            edge = start.x if edge is None else edge
            _write(part, role, text, Point(edge, start.y))


def _write(group: ET.Element, kind: str, words: str, start: Point) -> None:
    written = _add(group, "text", x=_n(start.x), y=_n(start.y))
    written.set("class", kind)
    written.text = _printable(words)


def _restyle_states(root: ET.Element, overlay: Overlay) -> None:
    named = [*overlay.counts, *([overlay.state] if overlay.state else [])]
    states = {f"state-{slug(said(state))}": said(state) for state in named}
    for group in root.iter(_tag("g")):
        state = states.get(group.get("id", ""))
        if state is None:
            continue
        name = next(part for part in group if part.get("class") == "name")
        sign = (name.text or "").removesuffix(_printable(state))
        name.text = _printable(overlay.name(state, sign))
        if overlay.is_live(state):
            group.set("class", f"{group.get('class')} live")


def _start(element: ET.Element, words: str) -> None:
    element.text = words + (element.text or "")


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, _tag(tag), attributes)


def _tag(name: str) -> str:
    return f"{{{SPACE}}}{name}"


def _classes(element: ET.Element) -> list[str]:
    return element.get("class", "").split()


def _parsed(laid_out: str) -> ET.Element:
    return ET.fromstring(laid_out)  # noqa: S314 - painted by ourselves, never from outside


def _text(root: ET.Element) -> str:
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _at(point: Point) -> str:
    return f"{_n(point.x)},{_n(point.y)}"
