"""A disk as a crash sees it: the steps that were taken on it, and what is left when they end.

A **step** is one change that a program asks the system for: a folder or file is made, bytes are
written, a file is cut, something is renamed or removed; or one demand that changes last: a file or
a folder is synced. ``Recorder`` notes the steps that real code takes, in their order.

**kill -9** ends the program between two steps, or in the middle of a write. The system lives on:
whatever was asked for before has happened, synced or not.

**A loss of power** ends the system. What was synced has happened. Of everything else nobody knows:
bytes that were written but not synced may be there, not at all, in part, or as zeros in the right
length; a name that was made, changed or removed in a folder that was not synced may be as before or
as after. Each of these fates is possible for each such step, whatever befell the others: no order
among them is assumed. (What a sync of a file promises is its bytes; its name needs the folder's.)

**A commit** is a step of the database, and taken as what SQLite promises: it happens wholly or not
at all, and lasts.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import pytest

Tree: TypeAlias = dict[str, bytes | None]
"""Everything below a folder: relative path -> bytes of the file, or None for a folder."""


class Kind(Enum):
    MKDIR = "mkdir"
    CREATE = "create"
    WRITE = "write"
    CUT = "ftruncate"
    FSYNC = "fsync"
    SYNC_FOLDER = "fsync folder"
    RENAME = "rename"
    UNLINK = "unlink"
    COMMIT = "commit"


NAMES: Final = {Kind.MKDIR, Kind.CREATE, Kind.RENAME, Kind.UNLINK}
BYTES: Final = {Kind.WRITE, Kind.CUT}


@dataclass(frozen=True, slots=True)
class Step:
    """``file`` tells files apart that bear one name, one after another, or two names."""

    kind: Kind
    path: str = ""
    file: str = ""
    target: str = ""
    offset: int = 0
    content: bytes = b""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.target or self.path}".strip()

    @property
    def folder(self) -> str:
        """The folder whose names it changes."""
        return parent(self.path)


def parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


# -- what is left ---------------------------------------------------------------------------------


class Fate(Enum):
    """What a loss of power has made of a step that was not synced."""

    WHOLE = "whole"
    ABSENT = "absent"
    TORN = "torn"
    ZEROED = "zeroed"


def after(base: Tree, steps: Sequence[Step], fates: Mapping[int, Fate] | None = None) -> Tree:
    """The tree when these steps were taken from ``base``; each has its fate, whole if not told."""
    names = dict.fromkeys((path for path, content in base.items() if content is None), "")
    files: dict[str, bytearray] = {}
    for path, content in base.items():
        if content is not None:
            names[path] = first_file(path)
            files[first_file(path)] = bytearray(content)
    for number, step in enumerate(steps):
        _take(step, (fates or {}).get(number, Fate.WHOLE), names, files)
    return {
        path: bytes(files[file]) if file else None
        for path, file in names.items()
        if all(names.get(str(one)) == "" for one in PurePosixPath(path).parents if str(one) != ".")
    }


def first_file(path: str) -> str:
    """What the file is called that bears this name from the beginning on."""
    return f"{path}#0"


def _take(step: Step, fate: Fate, names: dict[str, str], files: dict[str, bytearray]) -> None:
    if step.kind is Kind.CREATE:
        files[step.file] = bytearray()
    if fate is Fate.ABSENT:
        return
    if step.kind in {Kind.MKDIR, Kind.CREATE}:
        names[step.path] = step.file
    if step.kind in {Kind.RENAME, Kind.UNLINK} and names.get(step.path) == step.file:
        del names[step.path]
    if step.kind is Kind.RENAME:
        names[step.target] = step.file
    if step.kind is Kind.CUT:
        content = files[step.file]
        content[:] = content[: step.offset].ljust(step.offset, b"\0")
    if step.kind is Kind.WRITE:
        written = step.content
        if fate is Fate.TORN:
            written = written[: len(written) // 2]
        elif fate is Fate.ZEROED:
            written = bytes(len(written))
        content = files[step.file]
        content.extend(bytes(max(0, step.offset - len(content))))
        content[step.offset : step.offset + len(written)] = written


def in_doubt(steps: Sequence[Step]) -> dict[int, tuple[Fate, ...]]:
    """Which of these steps a loss of power may undo, and how."""
    synced: set[str] = set()
    doubts: dict[int, tuple[Fate, ...]] = {}
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if step.kind is Kind.FSYNC:
            synced.add(step.file)
        elif step.kind is Kind.SYNC_FOLDER:
            synced.add(step.path)
        elif (step.kind in NAMES and step.folder not in synced) or (
            step.kind is Kind.CUT and step.file not in synced
        ):
            doubts[number] = (Fate.WHOLE, Fate.ABSENT)
        elif step.kind is Kind.WRITE and step.file not in synced:
            doubts[number] = tuple(Fate)
    return doubts


def killed(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """What was taken of these steps when the program was killed: at each, and within each write."""
    for number, step in enumerate(steps):
        yield list(steps[:number])
        if len(step.content) > 1:
            yield [*steps[:number], replace(step, content=step.content[: len(step.content) // 2])]
    yield list(steps)


def fates(steps: Sequence[Step], at_most: int, seed: int = 0) -> Iterator[dict[int, Fate]]:
    """What a loss of power behind the last of these steps may have made of each of them.

    All combinations if there are ``at_most`` so many; else none, all, each alone, and a choice.
    """
    doubts = in_doubt(steps)
    if prod(map(len, doubts.values())) <= at_most:
        for chosen in product(*doubts.values()):
            yield dict(zip(doubts, chosen, strict=True))
        return
    yield {}
    yield dict.fromkeys(doubts, Fate.ABSENT)
    for number, possible in doubts.items():
        for fate in possible[1:]:
            yield {number: fate}
            yield {**dict.fromkeys(doubts, Fate.ABSENT), number: Fate.WHOLE}
    dice = random.Random(seed)  # noqa: S311 - a choice among states, the same each time.
    for _ in range(at_most):
        yield {number: dice.choice(possible) for number, possible in doubts.items()}


# -- trees and real folders -----------------------------------------------------------------------


def tree_of(folder: Path) -> Tree:
    """What really lies below a folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def make_tree(folder: Path, tree: Tree) -> None:
    """Put a tree into an empty folder."""
    for path, content in sorted(tree.items()):
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


# -- the steps of real code -----------------------------------------------------------------------


Before: TypeAlias = Callable[[Step], int | None]
"""Called ahead of a step; may raise, kill, or say how many bytes of a write are taken."""


def no_fault(_: Step) -> None:
    """Nothing happens before a step."""


class Recorder:
    """Notes the steps that are taken below ``root`` by the functions of ``os``.

    ``taken`` may hold the steps before, whose base was ``base``. ``before`` is called ahead of each
    step. What is there already is opened without a step; ``opening`` is called ahead of it.
    """

    def __init__(
        self,
        root: Path,
        base: Tree,
        taken: Sequence[Step] = (),
        before: Before = no_fault,
        opening: Before = no_fault,
    ) -> None:
        self.steps = list(taken)
        self._root = str(root)
        self._before, self._opening = before, opening
        self._paths: dict[int, tuple[str, str]] = {}
        self._names = {path: first_file(path) for path, found in base.items() if found is not None}
        for step in self.steps:
            if step.kind is Kind.CREATE:
                self._names[step.path] = step.file
            elif step.kind is Kind.RENAME:
                self._names[step.target] = self._names.pop(step.path)
            elif step.kind is Kind.UNLINK:
                del self._names[step.path]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within this, every change below the root is noted."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open", "close", "write", "ftruncate", "fsync", "mkdir", "unlink"):
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            for name in ("rename", "replace"):
                patch.setattr(os, name, self._wrapped("rename", getattr(os, name)))
            yield

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        handler = getattr(self, f"_{name}")

        def function(place: Any, *args: Any, **kwargs: Any) -> Any:
            at = self._paths.get(place) if isinstance(place, int) else self._within(place)
            if at is None:
                return real(place, *args, **kwargs)
            return handler(at, real, place, *args, **kwargs)

        return function

    def _within(self, place: Any) -> tuple[str, str] | None:
        text = os.fspath(place)
        if not isinstance(text, str) or not (text + "/").startswith(self._root + "/"):
            return None
        path = text[len(self._root) + 1 :] or "."
        return path, self._names.get(path, "")

    def _note(self, step: Step) -> None:
        self._before(step)
        self.steps.append(step)

    def _open(
        self, at: tuple[str, str], real: Callable[..., int], place: Any, flags: int, *rest: Any
    ) -> int:
        path, file = at
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(place)
        if is_new:
            file = f"{path}#{len(self.steps) + 1}"
        step = Step(Kind.CREATE, path, file)
        (self._before if is_new else self._opening)(step)
        descriptor = real(place, flags, *rest)
        if is_new:
            self.steps.append(step)
            self._names[path] = file
        elif flags & os.O_TRUNC:
            self._note(Step(Kind.CUT, path, file))
        self._paths[descriptor] = path, "" if os.path.isdir(place) else file  # noqa: PTH112
        return descriptor

    def _close(self, _: tuple[str, str], real: Callable[..., None], descriptor: int) -> None:
        del self._paths[descriptor]
        real(descriptor)

    def _write(self, at: tuple[str, str], real: Callable[..., int], fd: int, content: Any) -> int:
        path, file = at
        step = Step(Kind.WRITE, path, file, content=bytes(content))
        written = real(fd, step.content[: self._before(step)])
        offset = os.lseek(fd, 0, os.SEEK_CUR) - written
        self.steps.append(replace(step, offset=offset, content=step.content[:written]))
        return written

    def _ftruncate(self, at: tuple[str, str], real: Callable[..., None], fd: int, n: int) -> None:
        self._note(Step(Kind.CUT, *at, offset=n))
        real(fd, n)

    def _fsync(self, at: tuple[str, str], real: Callable[..., None], descriptor: int) -> None:
        path, file = at
        self._note(Step(Kind.FSYNC if file else Kind.SYNC_FOLDER, path, file))
        # The disk below /dev/shm has nothing to wait for; a real one is tested elsewhere.
        real(descriptor)

    def _mkdir(self, at: tuple[str, str], real: Callable[..., None], place: Any, *r: Any) -> None:
        if os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, "it is there", str(place))
        if not os.path.isdir(os.path.dirname(place)):  # noqa: PTH112, PTH120
            raise FileNotFoundError(errno.ENOENT, "no folder", str(place))
        self._note(Step(Kind.MKDIR, at[0]))
        real(place, *r)

    def _unlink(self, at: tuple[str, str], real: Callable[..., None], place: Any) -> None:
        if os.path.lexists(place):
            self._note(Step(Kind.UNLINK, *at))
            self._names.pop(at[0], None)
        real(place)

    def _rename(
        self, at: tuple[str, str], real: Callable[..., None], source: Any, target: Any
    ) -> None:
        to = self._within(target)
        assert to is not None, "nothing leaves the folder"
        self._note(Step(Kind.RENAME, *at, target=to[0]))
        real(source, target)
        self._names[to[0]] = self._names.pop(at[0])
