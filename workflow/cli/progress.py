"""How far long work is: a bar on the terminal, and nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workflow.chat.plain import safe


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """Something to be told ``done, total, unit``; a total of 0 is not known yet."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _unit: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it.
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} {task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(safe(label), total=None, unit="")

        def tell(done: int, total: int, unit: str) -> None:
            bars.update(bar, completed=done, total=total or None, unit=unit)

        yield tell
