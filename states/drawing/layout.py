"""Where everything stands: read from what ``dot -Tjson`` says about a picture's DOT text.

Coordinates are in SVG's way: pixels, from the top left corner. Graphviz counts from the bottom.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

INCH = 72


class Point(NamedTuple):
    """Pixels to the right and down."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Place:
    """A box: its top left corner and its size. ``texts`` are the starts of its written lines."""

    corner: Point
    width: float
    height: float
    texts: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """An arrow: the points of its Bézier curves, its tip, and the starts of its written lines."""

    curve: tuple[Point, ...]
    tip: Point
    texts: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of boxes and the courses of arrows, by their ids."""

    width: float
    height: float
    places: Mapping[str, Place]
    courses: Mapping[str, Course]


def read_layout(answer: str) -> Layout:
    """Read the JSON text that ``dot -Tjson`` answers."""
    graph: dict[str, Any] = json.loads(answer)
    _, _, width, height = (float(number) for number in graph["bb"].split(","))
    return Layout(
        width,
        height,
        {node["id"]: _place(node, height) for node in graph["objects"]},
        {edge["id"]: _course(edge, height) for edge in graph.get("edges", ())},
    )


def _place(node: dict[str, Any], height: float) -> Place:
    centre = _point(node["pos"], height)
    wide, high = float(node["width"]) * INCH, float(node["height"]) * INCH
    corner = Point(centre.x - wide / 2, centre.y - high / 2)
    return Place(corner, wide, high, _texts(node, height))


def _course(edge: dict[str, Any], height: float) -> Course:
    tip, *curve = edge["pos"].removeprefix("e,").split(" ")
    points = tuple(_point(text, height) for text in curve)
    return Course(points, _point(tip, height), _texts(edge, height))


def _point(text: str, height: float) -> Point:
    x, y = text.split(",")
    return Point(float(x), height - float(y))


def _texts(owner: dict[str, Any], height: float) -> tuple[Point, ...]:
    """Where the lines start; what only keeps a distance is not a line."""
    return tuple(
        Point(drawn["pt"][0], height - drawn["pt"][1])
        for drawn in owner["_ldraw_"]
        if drawn["op"] == "T" and drawn["text"].strip()
    )
