"""The pictures as a browser draws them: npm's Mermaid and our SVG in headless Chromium.

``.ci/install-render-tools`` fetches both tools; without them these tests are skipped, or fail when
RENDER_TOOLS=required. MERMAID names another ``mermaid.min.js``, CHROMIUM another browser. Nothing
is served and nothing is fetched: one page in a temporary folder, opened as a file.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from states import ARCHIVE_IMPORT, COMMUNITY
from states.community import Event, State
from states.drawing import Overlay, Picture, picture, render, to_mermaid
from states.drawing.picture import Arrow, Box, Line, Phrase
from states.node import NODE

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "community-archives"
MERMAID = Path(
    os.environ.get("MERMAID")
    or CACHE / "render-tools" / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
)
BROWSERS = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for each in BROWSERS if each and (path := shutil.which(each))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=60000",
    "--window-size=1800,2400",
    "--dump-dom",
)
MEASURE = """
const overlaps = (boxes) => {
    const found = [];
    boxes.forEach(([one, a], i) => boxes.slice(0, i).forEach(([two, b]) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 1) found.push(one + ' ~ ' + two);
    }));
    return found;
};
const measured = (root, selector) => [...root.querySelectorAll(selector)]
    .map((part) => [part.textContent, part.getBoundingClientRect()])
    .filter(([text, box]) => text && box.width);
const tell = (told) => {
    const answer = document.createElement('pre');
    answer.id = 'answer';
    answer.textContent = JSON.stringify(told);
    document.body.replaceChildren(answer);
};
"""
DRAW_MERMAID = """
mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});
(async () => {
    const told = {};
    for (const [name, text] of Object.entries(given)) {
        try {
            const place = document.createElement('div');
            document.body.append(place);
            place.innerHTML = (await mermaid.render('drawn' + Object.keys(told).length, text)).svg;
            place.querySelectorAll('style').forEach((style) => style.remove());
            const labels = measured(place, '.edgeLabel foreignObject');
            const nodes = measured(place, 'g.node');
            told[name] = {
                error: '', words: place.textContent, labels: labels.length, nodes: nodes.length,
                overlaps: overlaps([...labels, ...nodes]),
                scripts: place.querySelectorAll('script, img').length,
                arrows: place.querySelectorAll('path.flowchart-link').length,
                thick: [...place.querySelectorAll('path.flowchart-link')]
                    .filter((path) => path.getAttribute('style').includes('5px')).length,
            };
        } catch (error) { told[name] = {error: String(error)}; }
    }
    tell(told);
})();
"""
MEASURE_SVG = """
const told = {};
for (const [name, text] of Object.entries(given)) {
    const place = document.createElement('div');
    document.body.append(place);
    place.innerHTML = text;
    const svg = place.querySelector('svg');
    const frame = svg.getBoundingClientRect();
    const labels = measured(svg, '.arrow .edge');
    const boxes = [...svg.querySelectorAll('.state > rect:first-child')]
        .map((part) => [part.parentNode.id, part.getBoundingClientRect()]);
    const words = measured(svg, 'text');
    told[name] = {
        error: '', labels: labels.length,
        overlaps: overlaps([...labels, ...boxes]),
        outside: words.filter(([text, box]) => box.left < frame.left || box.top < frame.top
            || box.right > frame.right || box.bottom > frame.bottom).map(([text]) => text),
        leaking: [...svg.querySelectorAll('.state')].flatMap((state) => {
            const edge = state.querySelector('rect').getBoundingClientRect();
            return measured(state, 'text').filter(([text, box]) =>
                box.left < edge.left || box.right > edge.right).map(([text]) => text);
        }),
        smallest: Math.min(...[...svg.querySelectorAll('text')]
            .map((text) => parseFloat(getComputedStyle(text).fontSize))),
        background: getComputedStyle(svg.querySelector('.paper')).fill,
    };
}
tell(told);
"""
WAY = Overlay(
    State.SEEDING,
    (
        (State.IDLE, Event.WINDOW_CLOSED, State.CREATING),
        (State.CREATING, Event.ARCHIVES_WRITTEN, State.SEEDING),
    ),
    {State.IDLE: 7},
)


def odd() -> Picture:
    """Names that would break out of quotes, labels, directives or the page if they could."""
    names = (
        '<b>"x"</b>',
        "end",
        "</pre><script>alert(1)</script>",
        "`a` **b** %%{init}%% 1. #9829;",
    )
    boxes = tuple(Box((name,), (name,), 'do: "<i>"') for name in names)
    texts = ('"| n9 --> n8', "\\n <br/> & &lt; ]]", "1. list", "`code`")
    arrows = tuple(
        Arrow(one, two, (Line(one.states, (text,), two.states[0], (Phrase("event", text),)),))
        for one, two, text in zip(boxes, (*boxes[1:], boxes[0]), texts, strict=True)
    )
    return Picture("odd", "odd: %%{init} \n end", True, boxes, arrows)  # noqa: FBT003


def need(*, mermaid: bool) -> None:
    lacking = [] if CHROMIUM else ["Chromium"]
    lacking += [f"Mermaid ({MERMAID})"] if mermaid and not MERMAID.is_file() else []
    if lacking:
        words = f"{' and '.join(lacking)} not found: run 'bash .ci/install-render-tools'"
        if os.environ.get("RENDER_TOOLS") == "required":
            pytest.fail(words)
        pytest.skip(words)


def opened(folder: Path, given: dict[str, str], script: str, *, mermaid: bool = False) -> Any:
    """Open a page with the script in the browser; its answer."""
    library = f"<script src='{MERMAID.as_uri()}'></script>" if mermaid else ""
    data = json.dumps(given).replace("<", "\\u003c")
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><body>{library}"
        f"<script>const given = {data};{MEASURE}{script}</script>",
        "utf-8",
    )
    assert CHROMIUM
    profile = folder / "profile"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    found = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page gave no answer:\n{done.stderr[-2000:]}"
    return json.loads(html.unescape(found[1]))


def test_every_mermaid_picture_renders_without_overlaps(tmp_path: Path) -> None:
    need(mermaid=True)
    drawn = {
        "main path": picture(COMMUNITY, main_path_only=True),
        "whole": picture(COMMUNITY),
        "archive": picture(ARCHIVE_IMPORT),
        "node": picture(NODE),
        "odd": odd(),
    }
    given = {name: to_mermaid(each) for name, each in drawn.items()}
    given["overlay"] = to_mermaid(drawn["whole"], WAY)
    given["broken"] = 'flowchart LR\n a -->|"| b --> ('
    told = opened(tmp_path, given, DRAW_MERMAID, mermaid=True)

    assert told.pop("broken")["error"], "a syntax error must be noticed, or this proves nothing"
    assert {name: answer["error"] for name, answer in told.items()} == dict.fromkeys(told, "")
    for name, each in {**drawn, "overlay": drawn["whole"]}.items():
        answer = told[name]
        assert answer["nodes"] == len(each.boxes), name
        assert answer["arrows"] == answer["labels"] == len(each.arrows), name
        assert not answer["overlaps"], name
        assert not answer["scripts"], name
        words = "".join(answer["words"].split())
        for line in each.lines:
            for phrase in line.phrases:
                assert "".join(phrase.text.split()) in words, (name, phrase)
        for box in each.boxes:
            assert box.states[0].replace(" ", "") in words or box.is_shared, (name, box)
    assert told["overlay"]["thick"] == 2
    assert "►seeding" in "".join(told["overlay"]["words"].split())
    assert "idle×7" in "".join(told["overlay"]["words"].split())


def test_every_svg_picture_is_readable(tmp_path: Path) -> None:
    need(mermaid=False)
    given = {
        "main path": render(COMMUNITY, "svg", main_path_only=True),
        "whole": render(COMMUNITY, "svg"),
        "archive": render(ARCHIVE_IMPORT, "svg"),
        "node": render(NODE, "svg"),
        "overlay": render(COMMUNITY, "svg", WAY),
    }
    told = opened(tmp_path, given, MEASURE_SVG)
    for name, answer in told.items():
        assert answer["labels"], name
        assert not answer["outside"], name
        assert not answer["leaking"], name
        assert answer["smallest"] >= 11, name
        assert answer["background"] == "rgb(255, 255, 255)", name
        assert not answer["overlaps"], name
