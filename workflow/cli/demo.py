"""``demo``: the main job in seconds, on clocks and networks of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    *,
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Of messages.")] = 6,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the nodes' data directories here, to look around."),
    ] = None,
) -> None:
    """See some weeks of archives come and go, all in memory.

    A control node and a member live through the weeks in one process; then the control node
    disappears, and somebody who was never there completes the history from the member.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - as all here, only when it comes to it.

    if data_dir is not None:
        _tell(data_dir, weeks)
        return
    with TemporaryDirectory(prefix="community-archives-demo-") as directory:
        _tell(Path(directory), weeks)


def _tell(directory: Path, weeks: int) -> None:
    import asyncio  # noqa: PLC0415

    from workflow.cli.sending import quiet  # noqa: PLC0415
    from workflow.cli.story import Story  # noqa: PLC0415

    quiet()
    if not asyncio.run(Story(directory, weeks).told()):
        raise typer.Exit(1)
