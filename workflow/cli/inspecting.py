"""``inspect``: what archives hold, whether they are sound, and how two of them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.options import AsJson
from workflow.cli.progress import progress
from workflow.cli.words import say, say_json

if TYPE_CHECKING:
    from workflow.archive.ratchet import RatchetKey
    from workflow.inspection import Inspection, SeenMessage

ABOUT: Final = """\b
It ends with 1 when anything is wrong, or when PATH and OTHER differ, and
with 0 when all is well, or every byte the same. That an archive's key was
not given is nothing wrong. A file of keys has a line for each key:
  KEY (64 hex digits)  TIME (milliseconds)  COMMUNITY (0x and 66 hex digits)

"""


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder, an index, a .torrent or an archive.")
    ],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="Compare PATH (A) with this (B).")
    ] = None,
    *,
    archive: Annotated[
        str, typer.Option(metavar="ID", help="List the messages of this archive.")
    ] = "",
    ratchet_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys to encrypted archives.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at archives, or compare two.

    What PATH is, is told by its content: status-go's folder of archives or one of ours, a
    download, an index, a .torrent with or without its files, or a file with one archive. Every
    byte is read and checked, nothing is changed, and no data directory is needed.
    """
    from workflow.inspection import read_ratchet_keys  # noqa: PLC0415 - as all here, when needed.

    if other is not None and archive:
        raise typer.BadParameter("an archive is listed from one path", param_hint="--archive")
    keys = [] if ratchet_key is None else read_ratchet_keys(ratchet_key)
    if other is not None:
        is_well = _compare(path, other, keys, as_json=as_json)
    elif archive:
        is_well = _list(path, archive, keys, as_json=as_json)
    else:
        is_well = _look(path, keys, as_json=as_json)
    if not is_well:
        raise typer.Exit(1)


def _look(path: Path, keys: list[RatchetKey], *, as_json: bool) -> bool:
    from workflow import inspection  # noqa: PLC0415
    from workflow.cli.inspected import inspection_lines, message_lines  # noqa: PLC0415

    with progress("Reading") as told:
        seen = inspection.inspect(path, keys, partial(_in_bytes, told))
    messages: Iterable[SeenMessage] = ()
    if seen.kind == "archive" and seen.archives:
        _, messages, _ = inspection.inspect_archive(path, "", keys)
    if as_json:
        listed = {"listed": [_data(one) for one in messages]} if seen.kind == "archive" else {}
        say_json({**_inspection_data(seen), **listed})
    else:
        _say_all(inspection_lines(seen))
        _say_all(message_lines(messages))
    return not seen.problems


def _list(path: Path, archive: str, keys: list[RatchetKey], *, as_json: bool) -> bool:
    from workflow.cli.inspected import message_lines, problem_lines  # noqa: PLC0415
    from workflow.inspection import inspect_archive  # noqa: PLC0415

    id, messages, problems = inspect_archive(path, archive, keys)
    if as_json:
        say_json({"id": id, "messages": _data(tuple(messages)), "problems": _data(problems)})
    else:
        say(f"archive {id}")
        _say_all(message_lines(messages))
        _say_all(problem_lines(problems, path))
    return not problems


def _compare(a: Path, b: Path, keys: list[RatchetKey], *, as_json: bool) -> bool:
    from workflow.cli.inspected import comparison_lines, summary  # noqa: PLC0415
    from workflow.inspection import compare  # noqa: PLC0415

    with progress("Reading") as told:
        comparison = compare(a, b, keys, partial(_in_bytes, told))
    if as_json:
        head = {"are_identical": comparison.are_identical, "summary": summary(comparison)}
        say_json({**head, **_data(comparison)})
    else:
        _say_all(comparison_lines(comparison))
    return comparison.are_identical


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _inspection_data(seen: Inspection) -> dict[str, Any]:
    data = _data(seen)
    totals = {"messages": seen.messages, "size": seen.size, "padding": seen.padding}
    data.pop("own_problems")
    return {**data, **totals, "time": _data(seen.time), "problems": _data(seen.problems)}


def _data(value: object) -> Any:
    """For programs: bytes in hex, an entry with its id."""
    from workflow.archive.index import IndexEntry  # noqa: PLC0415

    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_data(one) for one in value]
    if is_dataclass(value):
        id = {"id": value.id} if isinstance(value, IndexEntry) else {}
        return {**id, **{one.name: _data(getattr(value, one.name)) for one in fields(value)}}
    return value


def _in_bytes(told: Callable[[int, int, str], None], done: int, total: int) -> None:
    told(done, total, "bytes")
