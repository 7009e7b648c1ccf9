"""Everything that lies in ``diagrams/``: the text of each file by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from states.archive_import import ARCHIVE_IMPORT
from states.community import COMMUNITY
from states.drawing.dot import to_dot
from states.drawing.markdown import to_markdown
from states.drawing.mermaid import to_mermaid
from states.drawing.picture import Picture
from states.drawing.reading import AnyLifecycle, picture
from states.node import NODE

FOUR: Final = """\
Four states. What is announced has just been checked to be live: `announcing` has one way in, from
`seeding`, and `is_control_node` stands on it."""
ALL: Final = """\
The same with everything that can happen: switching on and off, the download of what another
control node announced, failures and their retries."""
ARCHIVE: Final = """\
Each archive that an index lists has this small life of its own, so that a bad one never holds up
the others."""
NODE_SWITCH: Final = """\
The node's own switch, which switches all its communities."""

SHOWN: Final[tuple[tuple[AnyLifecycle, bool, str], ...]] = (
    (COMMUNITY, True, FOUR),
    (COMMUNITY, False, ALL),
    (ARCHIVE_IMPORT, False, ARCHIVE),
    (NODE, False, NODE_SWITCH),
)
"""Which pictures, whether of the main path only, and what to say about them."""

HEAD: Final = """\
<!-- Generated from the tables in states/ by "make diagrams"; do not edit. -->

# The lifecycles, drawn

Each box is a state, with the one action that is done there; blue boxes and thick arrows are the
main path, ● is where it begins, ◉ where it ends. A box with a dashed border stands for several
states that share a rule. What is written on an arrow:

| words | meaning |
| --- | --- |
| **on** archives_written | this has happened |
| **when** window_closed (3rd) | this holds from some moment on: the state looks for it, in order |
| **if** is_control_node **and** … | all these guards are true; the first row that fits is taken |
| **otherwise** | the guards of earlier rows have said no |
| held back by seeding | this waits while a failure of that state waits for its next try |
| leaves a setback | the failure is remembered: how often, why, and until when to wait |
| **stay** | only noted; the running action goes on |
| **again** | the same action is started anew |
| discard the result | what the action wrote is undone |
| **tell** historyArchivesSeeding | a signal for listeners; `community.` is left out |

A state looks when it is entered and again when the moment comes, so nothing is lost because it
came too early. Nothing is driven by a signal. Lines without an arrow of their own stand inside
their box. `community-archives diagram` draws the same with a community's live state and the way it
came.
"""


def pictures() -> tuple[Picture, ...]:
    """The pictures of the gallery, in their order."""
    return tuple(picture(lifecycle, main_path_only=is_short) for lifecycle, is_short, _ in SHOWN)


def gallery(svgs: Mapping[str, str]) -> dict[str, str]:
    """All files; the SVG texts are given by the names of the pictures."""
    files, chapters = {}, [HEAD]
    for drawn, (lifecycle, is_short, words) in zip(pictures(), SHOWN, strict=True):
        table = to_markdown(lifecycle, main_path_only=is_short)
        mermaid = to_mermaid(drawn)
        files[f"{drawn.name}.mmd"] = mermaid
        files[f"{drawn.name}.dot"] = to_dot(drawn)
        files[f"{drawn.name}.svg"] = svgs[drawn.name]
        files[f"{drawn.name}.md"] = table
        chapters.append(_chapter(drawn, words, mermaid))
        if drawn.is_whole:
            chapters.append(table.partition("\n\n")[2])
    return {"README.md": "\n".join(chapters), **files}


def _chapter(drawn: Picture, words: str, mermaid: str) -> str:
    name, title = drawn.name, drawn.title
    return f"""\
## {title[:1].upper()}{title[1:]}

{words}

```mermaid
{mermaid}```

As a file: [SVG]({name}.svg), [DOT]({name}.dot), [Mermaid]({name}.mmd), [table]({name}.md).
"""
