"""What is written down must be true: the documents are compared with the code and run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import pytest

import states
import workflow
from states import (
    ARCHIVE_IMPORT,
    COMMUNITY,
    CommunityArchivesError,
    archive_import,
    community,
    node,
)
from states.lifecycle import Lifecycle
from states.node import NODE
from workflow.ownership import ForeignPackageError

ROOT: Final = Path(__file__).resolve().parents[1]
STORIES: Final = "tests/scenarios/test_stories.py"
SHORT: Final = {"STORY": "test_story", "CRASHES": "test_story_with_crashes"}
STATUS_GO: Final = (ROOT / "docs" / "status-go.md").read_text()
README: Final = (ROOT / "README.md").read_text()
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "diagrams").glob("*.md")]
)

# ----------------------------------------------------------------------------- tests that are named

NODE_ID: Final = re.compile(r"tests/[\w/]+\.py(?:::\w+)+(?:\[[^\]`]+\])?|(?:STORY|CRASHES)\[\w+\]")
TEST_FILE: Final = re.compile(r"tests/[\w/]+\.py(?!::)\b")


def ids_in(path: Path) -> Iterator[str]:
    """Node ids without parameters; a class that has its tests from elsewhere counts itself."""
    name = path.relative_to(ROOT).as_posix()
    for item in ast.parse(path.read_text()).body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{name}::{item.name}"
        for part in item.body if isinstance(item, ast.ClassDef) else ():
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}::{item.name}::{part.name}"  # type: ignore[attr-defined]


def told_stories() -> set[str]:
    for item in ast.parse((ROOT / STORIES).read_text()).body:
        if isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == "STORIES":
            assert isinstance(item.value, ast.Tuple)
            return {ast.unparse(story) for story in item.value.elts}
    raise AssertionError(f"{STORIES} has no STORIES")


def named(text: str) -> set[str]:
    ids = {found.group() for found in NODE_ID.finditer(text)}
    return {
        re.sub(r"^[A-Z]+(?=\[)", lambda short: f"{STORIES}::{SHORT[short[0]]}", one) for one in ids
    }


def missing(ids: set[str]) -> set[str]:
    tests = {id for path in (ROOT / "tests").rglob("test_*.py") for id in ids_in(path)}
    stories = told_stories()
    unknown = set()
    for id in ids:
        test, _, parameter = id.rstrip("]").partition("[")
        is_told = not parameter or not test.startswith(STORIES) or parameter in stories
        if test not in tests or not is_told:
            unknown.add(id)
    return unknown


def test_every_test_that_is_named_exists() -> None:
    assert len(named(STATUS_GO)) > 40
    assert not missing(named(STATUS_GO))
    assert not [file for file in TEST_FILE.findall(STATUS_GO) if not (ROOT / file).is_file()]


def test_a_name_that_does_not_exist_is_noticed() -> None:
    text = f"`STORY[never_told]`, `{STORIES}::test_nothing`, `{STORIES}::test_story[never_told]`"
    assert missing(named(text)) == {
        f"{STORIES}::test_story[never_told]",
        f"{STORIES}::test_nothing",
    }


def test_every_comparison_is_shown_by_a_test_or_open() -> None:
    verdicts = dict(
        re.findall(r"^\| ([A-H]\d+) \|.*\| (same|different|not yet) \|$", STATUS_GO, re.MULTILINE)
    )
    assert len(verdicts) == len(re.findall(r"^\| [A-H]\d+ \|", STATUS_GO, re.MULTILINE))
    shown: set[str] = set()
    for numbers, rest in re.findall(r"^- ((?:[A-H]\d+(?:, )?)+): (.+)$", STATUS_GO, re.MULTILINE):
        assert named(rest) or rest == "no test yet", numbers
        shown |= set(numbers.split(", "))
    assert shown == {number for number, verdict in verdicts.items() if verdict != "not yet"}


# ------------------------------------------------------------------------------------------ signals

THE_ELEVEN: Final = {
    "community.historyArchivesProtocolEnabled",
    "community.historyArchivesProtocolDisabled",
    "community.creatingHistoryArchives",
    "community.historyArchivesCreated",
    "community.noHistoryArchivesCreated",
    "community.historyArchivesSeeding",
    "community.historyArchivesUnseeded",
    "community.downloadingHistoryArchivesStarted",
    "community.historyArchiveDownloaded",
    "community.importingHistoryArchiveMessages",
    "community.downloadingHistoryArchivesFinished",
}


def test_there_are_exactly_the_references_eleven_signals() -> None:
    told = {one.value for one in (*community.Signal, *archive_import.Signal, *node.Signal)}
    assert len(THE_ELEVEN) == 11
    assert told == THE_ELEVEN


def test_every_signal_is_compared() -> None:
    rows = re.findall(r"^\| G\d+ \| `([\w.]+)` \|", STATUS_GO, re.MULTILINE)
    assert len(rows) == 11
    assert set(rows) == THE_ELEVEN


# ------------------------------------------------------------------------------------------- errors


def error_codes() -> list[str]:
    for package in (states, workflow):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    kinds: list[type[CommunityArchivesError]] = [CommunityArchivesError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = [kind for kind in kinds if kind.__module__.split(".")[0] in {"states", "workflow"}]
    return [*(kind.code for kind in ours), ForeignPackageError.code]


def test_every_error_has_a_code_of_its_own() -> None:
    assert [code for code, count in Counter(error_codes()).items() if count > 1] == []


def test_every_code_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "errors.md").read_text().split("## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \|.* \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted(error_codes())


# ----------------------------------------------------------------------------------------- diagrams


@pytest.mark.parametrize("lifecycle", [COMMUNITY, ARCHIVE_IMPORT, NODE], ids=lambda one: one.name)
def test_every_word_of_a_lifecycle_is_in_its_table(
    lifecycle: Lifecycle[Any, Any, Any, Any, Any],
) -> None:
    page = (ROOT / "diagrams" / f"{lifecycle.name}.md").read_text()
    words = set(re.findall(r"\w+", page))
    expected = {
        one.value
        for one in [*lifecycle.states.__members__.values(), *lifecycle.events.__members__.values()]
    }
    expected |= {guard.__name__ for rule in lifecycle.rules for guard in rule.given}
    expected |= {level.since.__name__ for levels in lifecycle.levels.values() for level in levels}
    assert expected <= words
    signals = {signal.value for rule in lifecycle.rules for signal in rule.tell}
    assert not [signal for signal in signals if signal not in page]


def test_the_readme_shows_the_generated_main_path() -> None:
    drawn = (ROOT / "diagrams" / "community-main-path.mmd").read_text()
    shown = re.findall(r"```mermaid\n(.*?)```", README, re.DOTALL)
    assert shown == [drawn], "copy diagrams/community-main-path.mmd into README.md"


# ------------------------------------------------------------------------------------------- readme


def test_the_commands_are_those_that_exist() -> None:
    from workflow.cli.app import app  # noqa: PLC0415

    commands = [
        one.name or one.callback.__name__ for one in app.registered_commands if one.callback
    ] + [group.name for group in app.registered_groups]
    table = README.split("## Commands")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == commands


def test_the_test_command_is_what_ci_runs() -> None:
    targets = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert targets == {"demo", "test"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\nmake test")


# -------------------------------------------------------------------------------------------- pages

LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE: Final = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What a heading is called by those who render Markdown."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_decisions_are_numbered_without_gaps() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, file in enumerate(files, 1):
        assert file.name.startswith(f"{number:04}-")
        assert file.read_text().startswith(f"# {number}. ")


CONSOLE: Final = re.compile(r"^```console\n.*?^```$", re.DOTALL | re.MULTILINE)
FOREIGN: Final = {
    "a place outside the repository": r"\.\./shared|(?<![\w.])/shared/",
    "an internal paper": r"\b(?:protocol|design|needs|reliability|performance|seed|style)\.md\b",
    "an issue's number": r"(?<![\w&#/(`])#\d+\b(?!\w)|\bissue \d+|\bPR \d+",
    "how it was made": r"(?i)\b(?:LLM|chatbot|AI|prompt(?:s|ed)? by|co-authored-by|TODO|FIXME)\b",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_nothing_is_told_that_concerns_only_its_makers(what: str) -> None:
    files = [
        *PAGES,
        *(path for name in ("states", "workflow") for path in (ROOT / name).rglob("*.py")),
        *(ROOT / ".ci").iterdir(),
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    ]
    assert not [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in files
        # What a command prints may have numbers of steps.
        for found in re.finditer(FOREIGN[what], CONSOLE.sub("", path.read_text()))
    ]
