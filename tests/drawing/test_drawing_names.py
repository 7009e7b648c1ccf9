"""Whatever a table calls its states and events: nothing breaks out of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from html import unescape
from xml.etree import ElementTree as ET

import pytest

from states import AGAIN, COMMUNITY, STAY, Level, Lifecycle, otherwise, row
from states.drawing import LayoutError, Overlay, picture, render, to_svg
from states.drawing.layout import Course, Layout, Place, Point
from states.drawing.picture import Picture, several, slug
from states.drawing.shipped import shipped
from states.drawing.svg import is_painting_of, paint


class State(Enum):
    ODD = '<b>"x"</b> & `y` | #1; --> _z_\n%%{init}'
    END = "end"
    DONE = "</style><script>alert(1)</script>\x07"


class Event(Enum):
    ODD = '"]; click <img src=x onerror="alert(1)"> \\'
    SECOND = "]]>"


class Action(Enum):
    ODD = "<i>&amp;</i>"


class Signal(Enum):
    PLAIN = "plain"
    DOTTED = "other.dotted"


@dataclass(frozen=True)
class Facts:
    holds: bool = False


def holds(facts: Facts) -> bool:
    return facts.holds


def since(facts: Facts) -> float | None:
    return 0.0 if facts.holds else None


ODD: Lifecycle[State, Event, Action, Facts, Signal] = Lifecycle(
    name="<odd>",
    states=State,
    events=Event,
    actions=Action,
    facts=Facts,
    initial=State.ODD,
    acts={State.ODD: Action.ODD, State.END: Action.ODD},
    rules=(
        row(State.ODD, Event.ODD, holds, State.END, (Signal.PLAIN, Signal.DOTTED)),
        row(State.ODD, Event.ODD, otherwise, STAY),
        row(State.END, (Event.ODD, Event.SECOND), holds, State.DONE, discard=True),
        row(State.END, (Event.ODD, Event.SECOND), otherwise, AGAIN),
    ),
    levels={
        State.ODD: (Level(Event.ODD, since, (State.END,)),),
        State.END: (Level(Event.SECOND, since),),
    },
    final=(State.DONE,),
    main_path=(State.ODD, State.END),
)
OVERLAY = Overlay(State.DONE, ((State.ODD, Event.ODD, State.END),), {State.ODD: 2})


def somewhere(drawn: Picture) -> Layout:
    point = Point(0.5, 1.25)
    many = (point,) * 99
    places = {box.id: Place(point, 10, 10, many) for box in drawn.boxes}
    courses = {each.id: Course((point,) * 4, Point(9, 9), many) for each in drawn.arrows}
    return Layout(100, 50, places, courses)


def painted() -> str:
    drawn = picture(ODD)
    return paint(drawn, somewhere(drawn))


def texts(svg: str) -> Iterator[str]:
    for part in ET.fromstring(svg).iter():  # noqa: S314 - our own
        yield part.text or ""


@pytest.mark.parametrize("overlay", [None, OVERLAY])
def test_the_svg_holds_odd_names_as_text(overlay: Overlay | None) -> None:
    svg = to_svg(painted(), overlay)
    tags = {part.tag.partition("}")[2] for part in ET.fromstring(svg).iter()}  # noqa: S314
    assert tags == {"svg", "title", "desc", "style", "rect", "g", "path", "text"}
    assert any(State.ODD.value in text for text in texts(svg))
    assert "<script" not in svg
    assert "<img" not in svg


def test_the_overlay_finds_odd_names() -> None:
    found = list(texts(to_svg(painted(), OVERLAY)))
    assert f"● {State.ODD.value} ×2" in found
    assert any(text.startswith("► ◉ </style>") for text in found)
    assert any(text.startswith("►1 when ") for text in found)


@pytest.mark.parametrize("overlay", [None, OVERLAY])
def test_mermaid_holds_odd_names_as_entities(overlay: Overlay | None) -> None:
    text = render(ODD, "mmd", overlay)
    bare = text.replace("<b>", "").replace("</b>", "").replace("<br/>", "")
    lines = [line for line in bare.splitlines()[1:] if not line.startswith("%%")]
    assert not [line for line in lines if "<" in line]
    assert text.count("%%{") == 1, "names may not pass for directives"
    assert {line.count('"') for line in lines} == {0, 2}
    assert "#60;script#62;" in text


def test_mermaid_never_uses_a_bare_keyword_as_a_name() -> None:
    assert 'n2_end("<b>end</b>' in render(ODD, "mmd")


@pytest.mark.parametrize("overlay", [None, OVERLAY])
def test_dot_holds_odd_names_as_entities(overlay: Overlay | None) -> None:
    text = render(ODD, "dot", overlay)
    assert "<script" not in text
    assert "<img" not in text
    assert Event.SECOND.value in unescape(text)


def test_markdown_holds_odd_names_on_one_line() -> None:
    text = render(ODD, "md", OVERLAY)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == (2 + len(ODD.rules)) + (2 + len(State)) + (2 + 2)
    assert "<" not in text
    assert "\\| \\#1; --&gt; \\_z\\_ %%{init}" in text
    assert "| holds |  |" in text, "a question without a docstring asks nothing"


def test_signals_without_a_common_beginning_keep_their_names() -> None:
    text = render(ODD, "dot")
    assert "tell plain" in text
    assert "tell other.dotted" in text


def test_a_table_of_ones_own_has_no_shipped_layout() -> None:
    with pytest.raises(LayoutError, match="<odd>"):
        render(ODD, "svg")
    with pytest.raises(LayoutError):
        shipped(replace(picture(ODD), name="no-such-picture"))


def test_a_table_of_ones_own_shows_itself_as_mermaid() -> None:
    bundle = ODD._repr_mimebundle_()
    assert bundle.keys() == {"text/markdown", "text/plain"}
    assert bundle["text/markdown"] == f"```mermaid\n{render(ODD, 'mmd')}```\n"


def test_an_outdated_layout_is_noticed() -> None:
    drawn = picture(COMMUNITY)
    assert is_painting_of(drawn, shipped(drawn))
    first = replace(COMMUNITY.rules[0], tell=COMMUNITY.rules[2].tell)
    louder = replace(COMMUNITY, rules=(first, *COMMUNITY.rules[1:]))
    assert not is_painting_of(picture(louder), shipped(drawn))
    with pytest.raises(LayoutError, match="community"):
        render(louder, "svg")
    reworded = replace(drawn, title="another title")
    assert not is_painting_of(reworded, shipped(drawn))


def test_a_fourth_level_is_the_4th() -> None:
    (line,) = [
        line
        for line in picture(COMMUNITY, main_path_only=True).lines
        if line.events == ("announce_due",)
    ]
    assert line.phrases[0].text == "when announce_due (4th)"


def test_different_names_never_share_an_identifier() -> None:
    names = ["a-b", "a_b", "a b", "a.b", "ä", "", "A"]
    assert len({slug(name) for name in names}) == len(names)


def test_several_states_in_words() -> None:
    assert several(["a", "b", "c"], ["a", "b", "c"]) == "every state"
    assert several(["a", "b"], ["a", "b", "c"]) == "every state but c"
    assert several(["a", "b"], ["a", "b", "c", "d"]) == "a, b"
    assert several(["a"], ["a", "b"]) == "a"
