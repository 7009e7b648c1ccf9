"""What lies in ``diagrams/`` and in the package is what the tables say today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from states.drawing import LayoutError, Picture, to_dot
from states.drawing.__main__ import LAYOUTS, graphviz, main
from states.drawing.gallery import gallery, pictures
from states.drawing.layout import Point, read_layout
from states.drawing.shipped import shipped
from states.drawing.svg import is_painting_of

ROOT = Path(__file__).resolve().parents[2]
DIAGRAMS = ROOT / "diagrams"
REMEDY = "the tables have changed: run 'make diagrams' (needs Graphviz) and look at the pictures"


def answer_of_dot(text: str) -> str:
    """What Graphviz would answer, with everything in one corner."""
    drawn = next(each for each in pictures() if to_dot(each) == text)

    def texts(number: int) -> list[dict[str, object]]:
        font: dict[str, object] = {"op": "F"}
        space: dict[str, object] = {"op": "T", "pt": [9.0, 9.0], "text": " "}
        word: dict[str, object] = {"op": "T", "pt": [5.0, 10.0], "text": "word"}
        return [font, space, *([word] * number)]

    nodes = [
        {
            "id": box.id,
            "pos": "50,20",
            "width": "1",
            "height": "0.5",
            "_ldraw_": texts(len(box.title) + 1 + sum(len(line.phrases) for line in box.inner)),
        }
        for box in drawn.boxes
    ]
    edges = [
        {
            "id": arrow.id,
            "pos": "e,9,9 1,1 2,2 3,3 4,4",
            "_ldraw_": texts(sum(len(line.phrases) for line in arrow.lines)),
        }
        for arrow in drawn.arrows
    ]
    return json.dumps({"bb": "0,0,100,40", "objects": nodes, "edges": edges})


@pytest.mark.parametrize("drawn", pictures(), ids=lambda each: each.name)
def test_the_shipped_svg_is_a_painting_of_the_table(drawn: Picture) -> None:
    try:
        shipped(drawn)
    except LayoutError as error:
        pytest.fail(f"{error}: {REMEDY}")


def test_the_folder_holds_the_gallery_and_nothing_else() -> None:
    wanted = gallery({drawn.name: shipped(drawn) for drawn in pictures()})
    found = {file.name: file.read_text("utf-8") for file in DIAGRAMS.iterdir() if file.is_file()}
    assert found.keys() == wanted.keys(), REMEDY
    outdated = [name for name, text in wanted.items() if found[name] != text]
    assert not outdated, REMEDY


def test_the_readme_shows_the_main_path_first_then_the_whole_then_the_table() -> None:
    text = (DIAGRAMS / "README.md").read_text("utf-8")
    main_path = text.index("## Community: the main path")
    whole = text.index("## Community: the whole lifecycle")
    table = text.index("| 1 | off |")
    assert main_path < whole < table
    assert text.count("```mermaid\n") == len(pictures())


def test_what_is_current_is_written_without_graphviz(tmp_path: Path) -> None:
    def never(text: str) -> str:
        pytest.fail(f"nothing was to be laid out: {text}")

    main([str(tmp_path / "new" / "folder")], dot=never)
    names = {file.name for file in (tmp_path / "new" / "folder").iterdir()}
    assert names == {file.name for file in DIAGRAMS.iterdir()}


def test_laying_out_writes_the_shipped_pictures_anew(tmp_path: Path) -> None:
    layouts, folder = tmp_path / "layouts", tmp_path / "diagrams"
    layouts.mkdir()
    main([str(folder), "--lay-out"], layouts=layouts, dot=answer_of_dot)
    for drawn in pictures():
        written = (layouts / f"{drawn.name}.svg").read_text("utf-8")
        assert is_painting_of(drawn, written)
        assert written == (folder / f"{drawn.name}.svg").read_text("utf-8")


def test_the_layouts_lie_in_the_package() -> None:
    assert {file.name for file in LAYOUTS.iterdir()} == {f"{each.name}.svg" for each in pictures()}


def test_a_layout_is_read_from_the_top_left_corner() -> None:
    drawn = pictures()[0]
    layout = read_layout(answer_of_dot(to_dot(drawn)))
    assert (layout.width, layout.height) == (100, 40)
    place = layout.places[drawn.boxes[0].id]
    assert (place.corner, place.width, place.height) == (Point(14, 2), 72, 36)
    assert place.texts[0] == Point(5, 30)
    course = layout.courses[drawn.arrows[0].id]
    assert (course.curve[0], course.curve[-1]) == (Point(1, 39), Point(4, 36))
    assert course.tip == Point(9, 31)


def test_a_missing_program_is_a_named_error() -> None:
    with pytest.raises(LayoutError, match="no-such-program") as caught:
        graphviz("digraph {}", program="no-such-program")
    assert "apt-get install graphviz" in caught.value.explained()


def test_the_answer_of_the_program_is_taken(tmp_path: Path) -> None:
    echo = tmp_path / "dot"
    echo.write_text("#!/bin/sh\ncat\n")
    echo.chmod(0o755)
    assert graphviz("digraph {}", program=str(echo)) == "digraph {}"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_lays_out_every_picture() -> None:
    for drawn in pictures():
        layout = read_layout(graphviz(to_dot(drawn)))
        assert layout.places.keys() == {box.id for box in drawn.boxes}
        assert layout.courses.keys() == {arrow.id for arrow in drawn.arrows}
