"""Runs the Python of one page: ``python running_python.py < blocks.json > outcomes.json``.

Each block is a program of its own, with a fresh ``__main__``, unless it goes on. A block that
awaits at its top level is a notebook's cell. All blocks of a page share one process, which is what
starting takes.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import sys
import traceback
from types import ModuleType
from typing import Any


def run(blocks: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What each block printed, and the traceback it ended with, empty when it did not."""
    outcomes = []
    with asyncio.Runner() as notebook:
        for block in blocks:
            if not block["goes_on"]:
                sys.modules["__main__"] = ModuleType("__main__")
            code = compile(
                block["code"],
                block["place"],
                "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                dont_inherit=True,
            )
            printed, failed = io.StringIO(), ""
            with contextlib.redirect_stdout(printed):
                try:
                    awaited = eval(code, sys.modules["__main__"].__dict__)  # noqa: S307 - ours.
                    if inspect.iscoroutine(awaited):
                        notebook.run(awaited)
                except BaseException:  # noqa: BLE001 - an exit is no better than an error.
                    failed = traceback.format_exc()
            outcomes.append({"printed": printed.getvalue(), "failed": failed})
    return outcomes


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
