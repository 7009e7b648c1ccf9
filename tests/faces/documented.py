"""What ``docs/json.md`` says that commands print, to be compared with what they do print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "json.md"
ROW: Final = re.compile(r"^\| `(\S+)` \| ([\w, ]+) \| ?.*\|$", re.MULTILINE)
PRIMITIVE: Final[dict[str, Callable[[Any], bool]]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "truth": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "anything": lambda _: True,
}


@dataclass(frozen=True)
class Table:
    """The fields of one document: for each path its types, and whether it may be absent."""

    name: str
    types: dict[str, list[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def complaints(self, value: object, path: str = "") -> Iterator[str]:
        """Where a value is not as the table says."""
        root = "list" if "[]" in self.types else "object"
        kinds = self.types[path] if path else [root]
        where = f"{self.name}: {path}"
        if any(PRIMITIVE[kind](value) for kind in kinds if kind in PRIMITIVE):
            return
        if "list" in kinds and isinstance(value, list):
            if value and f"{path}[]" not in self.types:
                yield f"{where}[] is not documented"
                return
            for one in value:
                yield from self.complaints(one, f"{path}[]")
        elif "object" in kinds and isinstance(value, dict):
            yield from self._fields(value, path)
        elif parts := [kind for kind in kinds if kind in tables()[1]]:
            yield from tables()[1][parts[0]].complaints(value)
        else:
            yield f"{where} is {value!r:.60}, and should be {' or '.join(kinds)}"

    def _fields(self, value: dict[str, object], path: str) -> Iterator[str]:
        inside = f"{path}." if path else ""
        known = {one for one in self.types if re.fullmatch(re.escape(inside) + r"[^.\[]+", one)}
        any_name = f"{inside}*"
        for name, one in value.items():
            if f"{inside}{name}" in known:
                yield from self.complaints(one, f"{inside}{name}")
            elif any_name in known:
                yield from self.complaints(one, any_name)
            else:
                yield f"{self.name}: {inside}{name} is not documented"
        for name in sorted(known - self.absent - {any_name}):
            if name.removeprefix(inside) not in value:
                yield f"{self.name}: {name} is documented, and is not there"


@cache
def tables() -> tuple[dict[str, Table], dict[str, Table]]:
    """By their headings: what commands print, and the parts of it that are told once."""
    documents, parts = {}, {}
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        name = section.partition("\n")[0]
        table = Table(name)
        for path, said in ROW.findall(section):
            kinds, _, rest = said.partition(", ")
            table.types[path] = kinds.split(" or ")
            if rest == "sometimes":
                table.absent.add(path)
        if name.startswith("Part: "):
            parts[name.removeprefix("Part: ")] = table
        else:
            documents[name] = table
    for table in documents.values():
        merged = table.types.get("*", [])
        if merged and merged[0] in parts:
            del table.types["*"]
            table.types.update(parts[merged[0]].types)
    return documents, parts


def named(command: str, event: str = "") -> list[Table]:
    """The tables of a command, or of one of its events."""
    found = []
    for heading, table in tables()[0].items():
        names, _, of_event = heading.partition(": ")
        if of_event == event and any(
            name == command or name.startswith(f"{command} ") for name in names.split(", ")
        ):
            found.append(table)
    return found


def complaints(command: str, printed: str) -> list[str]:
    """Where what a command printed with ``--json`` is not what the page says; [] when nowhere."""
    try:
        told = [json.loads(printed)]
    except json.JSONDecodeError:
        told = [json.loads(line) for line in printed.splitlines()]
    return [complaint for one in told for complaint in _of_one(command, one)]


def _of_one(command: str, told: object) -> list[str]:
    event = str(told["event"]) if isinstance(told, dict) and "event" in told else ""
    found = [list(table.complaints(told)) for table in named(command, event)]
    if not found:
        return [f"'{command}' {event} is not documented"]
    return min(found, key=len)
