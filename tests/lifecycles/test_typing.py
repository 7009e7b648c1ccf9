"""mypy finds a wrong row where it is written; a right table needs no more words than it has.

Each wrong line ends in ``# E:`` and the code of the error that mypy must give exactly there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]

HEAD = """\
from dataclasses import dataclass
from enum import Enum
from typing import assert_type

from states import archive_import, community, node
from states.lifecycle import (
    AGAIN, STAY, Level, Lifecycle, Look, Refusal, Rule, Setback, Step, decide, look, otherwise, row,
)

class State(Enum):
    ONE = "one"
    TWO = "two"

class Event(Enum):
    LEFT = "left"
    FAILED = "failed"

class Action(Enum):
    ACT = "act"
    LOOK = "look"

class Signal(Enum):
    TOLD = "told"

@dataclass(frozen=True)
class Facts:
    number: int = 0

def holds(facts: Facts) -> bool:
    return facts.number > 0

def holds_for_all(facts: object) -> bool:
    return bool(facts)

def holds_in_words(facts: Facts) -> str:
    return "yes"

def holds_perhaps(facts: Facts) -> bool | None:
    return None

async def holds_later(facts: Facts) -> bool:
    return True

def of_two(facts: Facts, more: Facts) -> bool:
    return True

def since(facts: Facts) -> float | None:
    return None

def since_in_words(facts: Facts) -> str:
    return "today"

S, E, G = State, Event, Signal

"""

GOOD = """\
RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    row(S.ONE,          E.LEFT,             holds,                  S.TWO, G.TOLD),
    row((S.ONE, S.TWO), (E.LEFT, E.FAILED), (holds, holds_for_all), STAY,  (G.TOLD, G.TOLD)),
    row(S.TWO,          E.FAILED,           otherwise,              AGAIN, discard=True),
)
ACTS: dict[State, Action] = {S.ONE: Action.LOOK, S.TWO: Action.ACT}
LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {
    S.ONE: (Level(E.LEFT, since, (S.TWO,)),),
}
TABLE = Lifecycle(
    name="good", states=State, events=Event, actions=Action, facts=Facts, initial=S.ONE,
    acts=ACTS, rules=RULES, levels=LEVELS, failed=E.FAILED,
)
assert_type(TABLE, Lifecycle[State, Event, Action, Facts, Signal])
assert_type(
    decide(TABLE, S.ONE, E.LEFT, Facts()), Step[State, Event, Signal] | Refusal[State, Event]
)
assert_type(look(TABLE, S.ONE, Facts(), 0.0), Look[State, Event, Signal])

assert_type(
    community.COMMUNITY,
    Lifecycle[
        community.State, community.Event, community.Action, community.Facts, community.Signal
    ],
)
assert_type(
    archive_import.ARCHIVE_IMPORT,
    Lifecycle[
        archive_import.State,
        archive_import.Event,
        archive_import.Action,
        archive_import.Facts,
        archive_import.Signal,
    ],
)
assert_type(node.NODE, Lifecycle[node.State, node.Event, node.Action, node.Facts, node.Signal])
"""

WRONG = """\
OTHER = community

RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (
    row(OTHER.State.OFF,         E.LEFT,  otherwise, S.TWO),  # E: arg-type
    row((S.ONE, OTHER.State.OFF), E.LEFT, otherwise, S.TWO),  # E: arg-type
    row("ONE",                   E.LEFT,  otherwise, S.TWO),  # E: arg-type
    row(E.LEFT,                  S.ONE,   otherwise, S.TWO),  # E: arg-type
    row(S.ONE, OTHER.Event.SETTLED,       otherwise, S.TWO),  # E: arg-type
    row(S.ONE, (E.LEFT, OTHER.Event.SETTLED), otherwise, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, otherwise, OTHER.State.OFF),  # E: arg-type
    row(S.ONE, E.LEFT, otherwise, E.LEFT),  # E: arg-type
    row(S.ONE, E.LEFT, otherwise, None),  # E: arg-type
    row(S.ONE, E.LEFT, OTHER.is_control_node, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, (holds, OTHER.is_control_node), S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, holds_in_words, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, holds_perhaps, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, holds_later, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, (holds, holds_in_words), S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, of_two, S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, holds(Facts()), S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, "holds", S.TWO),  # E: arg-type
    row(S.ONE, E.LEFT, S.TWO),  # E: call-arg arg-type
    row(S.ONE, E.LEFT, otherwise, S.TWO, OTHER.Signal.CREATED),  # E: arg-type
    row(S.ONE, E.LEFT, otherwise, S.TWO, (G.TOLD, OTHER.Signal.CREATED)),  # E: arg-type
    row(S.ONE, E.LEFT, otherwise, S.TWO, G.TOLD, True),  # E: call-arg
)

ACTS: dict[State, Action] = {
    S.ONE: OTHER.Action.LOOK,  # E: dict-item
    OTHER.State.OFF: Action.ACT,  # E: dict-item
}

LEVELS: dict[State, tuple[Level[State, Event, Facts], ...]] = {
    S.ONE: (Level(OTHER.Event.SETTLED, since),),  # E: arg-type
    S.TWO: (
        Level(E.LEFT, OTHER.settled_since),  # E: arg-type
        Level(E.LEFT, since_in_words),  # E: arg-type
        Level(E.LEFT, holds_later),  # E: arg-type
        Level(E.LEFT, since, (OTHER.State.SEEDING,)),  # E: arg-type
        Level(E.LEFT, since, S.TWO),  # E: arg-type
    ),
    OTHER.State.IDLE: (),  # E: dict-item
}

GOOD_RULES: tuple[Rule[State, Event, Facts, Signal], ...] = (row(S.ONE, E.LEFT, otherwise, S.TWO),)
GOOD_ACTS: dict[State, Action] = {}
Mine = Lifecycle[State, Event, Action, Facts, Signal]

INLINE: Mine = Lifecycle(
    name="x",
    states=OTHER.State,  # E: arg-type
    events=OTHER.Event,  # E: arg-type
    actions=OTHER.Action,  # E: arg-type
    facts=OTHER.Facts,  # E: arg-type
    initial=OTHER.State.OFF,  # E: arg-type
    acts={S.ONE: OTHER.Action.LOOK},  # E: dict-item
    rules=OTHER.RULES,  # E: arg-type
    levels=OTHER.LEVELS,  # E: arg-type
    final=(OTHER.State.OFF,),  # E: arg-type
    failed=OTHER.Event.ACTION_FAILED,  # E: arg-type
    main_path=(OTHER.State.OFF,),  # E: arg-type
)

# The one thing that must be declared: undeclared actions of two lifecycles meet in plain Enum.
# Building the table finds them all the same.
LOOSE = Lifecycle(
    name="x", states=State, events=Event, actions=Action, facts=Facts, initial=S.ONE,
    acts={S.ONE: Action.LOOK, S.TWO: OTHER.Action.LOOK}, rules=GOOD_RULES,
)
assert_type(LOOSE, Mine)  # E: assert-type

decide(OTHER.COMMUNITY, S.ONE, OTHER.Event.SETTLED, OTHER.Facts())  # E: misc
decide(OTHER.COMMUNITY, OTHER.State.IDLE, E.LEFT, OTHER.Facts())  # E: misc
decide(OTHER.COMMUNITY, OTHER.State.IDLE, OTHER.Event.SETTLED, Facts())  # E: misc
"""

SOUND = {
    "name": "'x'",
    "states": "State",
    "events": "Event",
    "actions": "Action",
    "facts": "Facts",
    "initial": "S.ONE",
    "acts": "GOOD_ACTS",
    "rules": "GOOD_RULES",
}
UNDECLARED = [
    {"initial": "OTHER.State.OFF"},
    {"states": "OTHER.State"},
    {"events": "OTHER.Event"},
    {"facts": "OTHER.Facts"},
    {"rules": "OTHER.RULES"},
    {"acts": "OTHER.ACTS"},
    {"levels": "OTHER.LEVELS"},
    {"failed": "OTHER.Event.ACTION_FAILED"},
    {"final": "(OTHER.State.OFF,)"},
]
"""Nobody said what this lifecycle is made of; mypy has to see that it does not fit together."""


def call(changes: dict[str, str], mark: str) -> str:
    words = ", ".join(f"{name}={value}" for name, value in (SOUND | changes).items())
    return f"Lifecycle({words})  {mark}\n"


GOOD_TEXT = HEAD + GOOD
WRONG_TEXT = HEAD + WRONG + "".join(call(changes, "# E: misc") for changes in UNDECLARED)

MARK = re.compile(r"# E: ([\w -]+)$")
ERROR = re.compile(r"^(?P<file>\w+)\.py:(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$")


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, set[str]]]:
    """What mypy says: for each file and line the codes of its errors."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "good.py").write_text(GOOD_TEXT)
    (folder / "wrong.py").write_text(WRONG_TEXT)
    said, failed, status = api.run(
        [
            "--strict",
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--cache-dir={folder / 'cache'}",
            "--no-error-summary",
            "--hide-error-context",
            "--no-pretty",
            *(str(folder / f"{name}.py") for name in ("good", "wrong")),
        ]
    )
    assert (failed, status) == ("", 1)
    found: dict[str, dict[int, set[str]]] = {"good": {}, "wrong": {}}
    for line in said.splitlines():
        if ": note: " in line:
            continue
        match = ERROR.match(Path(line.partition(":")[0]).name + line[line.index(":") :])
        assert match, f"not understood: {line}"
        found[match["file"]].setdefault(int(match["line"]), set()).add(match["code"])
    return found


def test_a_right_table_passes(errors: dict[str, dict[int, set[str]]]) -> None:
    assert errors["good"] == {}


def test_every_wrong_line_is_told_and_no_other(errors: dict[str, dict[int, set[str]]]) -> None:
    lines = WRONG_TEXT.splitlines()
    marks = {number: MARK.search(line) for number, line in enumerate(lines, 1)}
    expected = {number: set(mark[1].split()) for number, mark in marks.items() if mark}
    assert len(expected) == WRONG_TEXT.count("# E:") > 50

    def readable(codes: dict[int, set[str]]) -> dict[str, set[str]]:
        return {f"{number}: {lines[number - 1]}": one for number, one in codes.items()}

    assert readable(errors["wrong"]) == readable(expected)
