"""``demo``: the main job in under a minute, with real processes and real BitTorrent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    *,
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Of messages.")] = 6,
    export: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Your own Discord export instead of a made one."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the nodes' data directories here, to look around."),
    ] = None,
) -> None:
    """See archives pass between three processes.

    A control node imports some weeks of chat, archives, seeds and announces them; a member fetches
    them over BitTorrent and seeds on; then the control node disappears, and somebody who was never
    there completes the history from the member. Nothing beyond this machine is reached.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - as all here, only when it comes to it.

    if data_dir is not None:
        _tell(data_dir, weeks, export)
        return
    with TemporaryDirectory(prefix="community-archives-demo-") as directory:
        _tell(Path(directory), weeks, export)


def _tell(directory: Path, weeks: int, export: Path | None) -> None:
    import asyncio  # noqa: PLC0415

    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.cli.asking import quiet  # noqa: PLC0415
    from workflow.cli.story import Story  # noqa: PLC0415

    quiet()
    if not asyncio.run(Story(directory, weeks, export, SystemClock()).told()):
        raise typer.Exit(1)
