"""What the layout promises: who may import whom, how SQL is written, how large a module grows."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("states", "workflow")
CODE = (*PRODUCT, "tests", "benchmarks")
GENERATED = ROOT / "workflow" / "archive" / "pb"

VAGUE = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
LONGEST = 400
# A module that may be longer, and why: {"workflow/engine/runner.py": "the reason"}
LONGER: dict[str, str] = {
    "tests/engine/test_engine.py": "one promise of the engine after the other, each read by itself",
    "tests/scenarios/test_schedule.py": "one story after the other, each read by itself",
    "tests/scenarios/test_stories.py": "one story after the other, each read by itself",
}
# A function that hands on SQL which others wrote as constants, and why.
HANDS_ON_SQL: dict[str, str] = {
    "workflow/engine/migrations.py:_apply": "the statements are constants of that module",
}


def modules(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(GENERATED)
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------------------------------ imports


def test_imports_run_one_way() -> None:
    """The contracts stand in pyproject.toml."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def test_states_needs_the_standard_library_and_transitions_only() -> None:
    allowed = {*sys.stdlib_module_names, "states", "transitions"}
    assert not [
        f"{name_of(path)} imports {name}"
        for path in modules("states")
        for name in imported_names(ast.parse(path.read_text()))
        if name.split(".")[0] not in allowed
    ]


# -------------------------------------------------------------------------------------------- names


def test_a_module_is_named_for_what_it_holds() -> None:
    assert not [
        name_of(path)
        for path in modules(*CODE)
        if VAGUE.intersection(
            word
            for part in path.relative_to(ROOT).with_suffix("").parts
            for word in part.split("_")
        )
    ]


def test_a_module_can_be_read_at_one_sitting() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in modules(*CODE)}
    long = {name for name, length in lengths.items() if length > LONGEST}
    assert long == set(LONGER), {
        name: lengths.get(name) for name in long.symmetric_difference(LONGER)
    }


# ---------------------------------------------------------------------------------------------- SQL

EXECUTE = {"execute", "executemany", "executescript"}


def root_of(node: ast.expr) -> str | None:
    """The first name of ``a``, ``a.b.c`` or ``a[...].b``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def names_bound_at_the_top(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def names_bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return arguments | stored


def made_up_statements(source: str) -> list[tuple[str, str]]:
    """Every ``.execute*`` whose SQL is not a constant: the function, and the line with the SQL."""
    tree = ast.parse(source)
    top = names_bound_at_the_top(tree)
    found: list[tuple[str, str]] = []

    def visit(node: ast.AST, function: str, local: set[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, local = node.name, local | names_bound_in(node)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in EXECUTE
            and node.args
        ):
            statement = node.args[0]
            constant = isinstance(statement, ast.Constant)
            if not constant and root_of(statement) not in top - local:
                found.append((function, f"line {node.lineno}: {ast.unparse(statement)}"))
        for child in ast.iter_child_nodes(node):
            visit(child, function, local)

    visit(tree, "", set())
    return found


def test_sql_is_written_down_never_put_together() -> None:
    found = {
        f"{name_of(path)}:{function}": statement
        for path in modules(*PRODUCT)
        for function, statement in made_up_statements(path.read_text())
    }
    made_up = {place: statement for place, statement in found.items() if place not in HANDS_ON_SQL}
    assert not made_up
    assert set(HANDS_ON_SQL) <= set(found), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "statement",
    [
        "f'SELECT {x}'",
        "'SELECT ' + x",
        "'SELECT %s' % x",
        "'SELECT {}'.format(x)",
        "x",
        "self.x",
        "QUERY + x",
        "QUERY.format(x)",
    ],
)
def test_sql_that_is_put_together_is_noticed(statement: str) -> None:
    source = f"QUERY = 'SELECT 1'\ndef read(self, x):\n    self.db.execute({statement}, ())\n"
    assert len(made_up_statements(source)) == 1


@pytest.mark.parametrize("statement", ["'SELECT 1'", "QUERY", "queries.READ", "Query.READ.value"])
def test_sql_that_is_written_down_passes(statement: str) -> None:
    source = (
        "import queries\nfrom queries import Query\nQUERY = 'SELECT 1'\n"
        f"def read(self):\n    self.db.execute({statement})\n"
    )
    assert made_up_statements(source) == []


def test_a_local_name_does_not_pass_for_a_constant() -> None:
    source = (
        "QUERY = 'SELECT 1'\ndef read(db, x):\n    QUERY = 'SELECT ' + x\n    db.execute(QUERY)\n"
    )
    assert made_up_statements(source) == [("read", "line 4: QUERY")]


# -------------------------------------------------------------------------------------- the outside

UNREAD = {"__pycache__", "build", "dist", "htmlcov", "node_modules"}
A_MACHINES = re.compile(r"(?<![\w.])/(?:farm|home|opt|root|work|Users)/|/tmp/bash[_]jobs")
UPWARD = re.compile(r"(?<![\w./])(?:\.\./)+[\w./-]*")


def texts() -> Iterator[tuple[Path, str]]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".editorconfig", ".gitignore"}
        if hidden or UNREAD.intersection(parts) or not path.is_file():
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert not [
        f"{name_of(path)}: {match.group()}"
        for path, text in texts()
        for match in A_MACHINES.finditer(text)
    ]


def test_no_path_leaves_the_repository_but_for_shared() -> None:
    """Seen from the file or from the root. Tests hold hostile paths on purpose and are left out."""
    allowed = (ROOT, ROOT.parent / "shared")
    assert not [
        f"{name_of(path)}: {match.group()}"
        for path, text in texts()
        if not path.is_relative_to(ROOT / "tests")
        for match in UPWARD.finditer(text)
        if not any(
            (start / match.group()).resolve().is_relative_to(place)
            for start in (path.parent, ROOT)
            for place in allowed
        )
    ]


def test_a_test_that_reaches_out_is_noticed(refused_connections: list[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(OSError, match="stay on this machine"):
            datagrams.connect(("192.0.2.1", 9))
        with pytest.raises(OSError, match="stay on this machine"):
            datagrams.bind(("", 0))
        datagrams.connect(("127.0.0.1", 9))
    with pytest.raises(OSError, match="stay on this machine"):
        socket.getaddrinfo("archive.invalid", 80)
    assert len(refused_connections) == 3
    refused_connections.clear()
