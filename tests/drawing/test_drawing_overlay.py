"""An overlay adds words and classes to a picture, and moves nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from states import COMMUNITY
from states.community import Event, State
from states.drawing import Drawing, Format, Overlay, render
from states.drawing.picture import said

S, E = State, Event
WAY = (
    (S.OFF, E.SWITCHED_ON, S.IDLE),
    (S.IDLE, E.WINDOW_CLOSED, S.CREATING),
    (S.CREATING, E.ACTION_FAILED, S.IDLE),
    (S.IDLE, E.WINDOW_CLOSED, S.CREATING),
    (S.CREATING, E.ARCHIVES_WRITTEN, S.SEEDING),
)
LIVE = Overlay(S.SEEDING, WAY)
COUNTS = Overlay(counts={S.IDLE: 412, S.DOWNLOADING: 3})
FORMATS = pytest.mark.parametrize("fmt", ["svg", "mmd", "dot", "md"])
SPACE = "{http://www.w3.org/2000/svg}"


def svg(overlay: Overlay | None = None, *, main_path_only: bool = False) -> ET.Element:
    text = render(COMMUNITY, "svg", overlay, main_path_only=main_path_only)
    return ET.fromstring(text)  # noqa: S314 - our own


def with_id(root: ET.Element, name: str) -> ET.Element:
    (found,) = [part for part in root.iter() if part.get("id") == name]
    return found


def words(part: ET.Element) -> list[str]:
    return [text.text or "" for text in part.iter(f"{SPACE}text")]


@FORMATS
def test_an_empty_overlay_changes_no_word(fmt: Format) -> None:
    plain, empty = render(COMMUNITY, fmt), render(COMMUNITY, fmt, Overlay())
    assert re.sub(r"<desc.*", "", plain) == re.sub(r"<desc.*", "", empty)


@FORMATS
def test_the_live_state_carries_a_mark(fmt: Format) -> None:
    text = render(COMMUNITY, fmt, LIVE)
    assert re.search(r"► seeding\b", text)
    assert not re.search(r"► (idle|creating|announcing|off)\b", text)


@FORMATS
def test_the_way_carries_its_numbers(fmt: Format) -> None:
    text = render(COMMUNITY, fmt, LIVE)
    marks = set(re.findall(r"►[\d,…]+", text))
    assert marks == {"►1", "►2,4", "►3", "►5"}


@FORMATS
def test_counts_stand_behind_the_names(fmt: Format) -> None:
    text = render(COMMUNITY, fmt, COUNTS)
    assert "idle ×412" in text
    assert "downloading ×3" in text
    assert text.count("×") == 2
    assert "►" not in text


def test_the_svg_highlights_the_state_and_the_arrows_taken() -> None:
    root = svg(LIVE)
    live = [part.get("id") for part in root.iter() if "live" in part.get("class", "").split()]
    assert live == ["state-seeding"]
    taken = {
        part.get("id")
        for part in root.iter()
        if {"arrow", "taken"} <= set(part.get("class", "").split())
    }
    shared = "shared-creating-seeding-announcing-fetching-downloading"
    assert taken == {
        "arrow-from-state-off-to-state-idle",
        "arrow-from-state-idle-to-state-creating",
        "arrow-from-state-creating-to-state-seeding",
        f"arrow-from-{shared}-to-state-idle",
    }
    assert root.get("class") == "lifecycle followed"


def test_the_svg_has_a_stable_name_for_every_state_and_edge() -> None:
    root = svg()
    ids = {part.get("id") for part in root.iter()}
    assert {f"state-{said(state)}" for state in S} <= ids
    classes = {name for part in root.iter() for name in part.get("class", "").split()}
    for rule in COMMUNITY.rules:
        for source in rule.within:
            for event in rule.on:
                target = said(rule.target(source))
                assert f"edge-{said(source)}-{said(event)}-{target}" in classes


def test_the_svg_moves_nothing() -> None:
    def places(root: ET.Element) -> list[dict[str, str]]:
        kept = ("x", "y", "width", "height", "d", "id")
        return [{k: v for k, v in part.items() if k in kept} for part in root.iter()]

    assert places(svg()) == places(svg(LIVE)) == places(svg(COUNTS))


def test_the_name_in_the_svg_keeps_the_sign_of_the_beginning() -> None:
    off = with_id(svg(Overlay(S.OFF, counts={S.OFF: 2})), "state-off")
    assert words(off)[0] == "► ● off ×2"


def test_a_loop_that_is_taken_is_marked_inside_its_box() -> None:
    root = svg(Overlay(way=((S.OFF, E.ACTION_FAILED, S.OFF),)))
    box = with_id(root, "state-off")
    assert "►1 on action_failed" in words(box)
    assert "taken" in box.get("class", "").split()


def test_what_is_not_in_the_picture_is_still_told_in_words() -> None:
    way = Overlay(S.FETCHING, ((S.SETTLING, E.SETTLED, S.FETCHING),))
    root = svg(way, main_path_only=True)
    told = root.find(f"{SPACE}desc")
    assert told is not None
    assert told.text == "now in fetching; came by 1 settling --settled--> fetching"
    assert not [text for text in words(root) if "►" in text]


def test_of_many_times_the_last_are_shown() -> None:
    often = Overlay(way=((S.IDLE, E.WINDOW_CLOSED, S.CREATING),) * 12)
    assert "►…9,10,11,12 when window_closed" in render(COMMUNITY, "mmd", often)


def test_mermaid_and_dot_thicken_what_was_taken() -> None:
    mermaid = render(COMMUNITY, "mmd", LIVE, main_path_only=True)
    arrows = [row for row in mermaid.splitlines() if re.search(r"(-->|==>)\|", row)]
    (style,) = [row for row in mermaid.splitlines() if "linkStyle" in row]
    numbers = [int(number) for number in re.findall(r"\d+(?=[, ]+)", style.split("stroke")[0])]
    assert [bool("►" in row) for row in arrows] == [n in numbers for n in range(len(arrows))]
    assert "class n3_seeding live" in mermaid
    assert "linkStyle" not in render(COMMUNITY, "mmd", COUNTS)
    dot = render(COMMUNITY, "dot", LIVE)
    assert all(("►" in row) == ("penwidth=4" in row) for row in dot.splitlines() if " -> " in row)


def test_the_caption_says_all() -> None:
    both = Overlay(S.IDLE, WAY[:1], {S.IDLE: 2, S.OFF: 1})
    assert both.caption() == "now in idle; came by 1 off --switched_on--> idle; 2 in idle, 1 in off"
    assert Overlay().caption() == ""
    assert both.caption() in render(COMMUNITY, "mmd", both)


def test_the_markdown_marks_the_rows_taken() -> None:
    text = render(COMMUNITY, "md", LIVE)
    assert "| ►1 1 | off | switched\\_on" in text.replace("switched_on", "switched\\_on")
    assert "now in seeding; came by 1 off" in text


def test_a_drawing_shows_itself_as_svg_and_never_as_markdown_besides() -> None:
    drawing = Drawing(COMMUNITY, LIVE)
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)
    assert bundle.keys() == {"image/svg+xml", "text/plain"}
    assert bundle["image/svg+xml"] == render(COMMUNITY, "svg", LIVE)
    assert bundle["text/plain"].startswith("lifecycle community: 8 states, ")
    assert bundle["text/plain"].endswith(LIVE.caption())


def test_a_lifecycle_shows_itself() -> None:
    bundle = COMMUNITY._repr_mimebundle_()
    assert bundle["image/svg+xml"] == render(COMMUNITY, "svg")
    assert re.fullmatch(r"lifecycle community: 8 states, \d+ rules", bundle["text/plain"])
