"""``adopt``: archives that lie elsewhere become ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.asking import Asking, carried_out, holding, quiet
from workflow.cli.completing import communities
from workflow.cli.options import DataDir
from workflow.cli.place import find, view_of
from workflow.cli.words import note, say


def adopt(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, an index, a .torrent.")],
    *,
    community: Annotated[
        str,
        typer.Option(
            "--community",
            metavar="COMMUNITY",
            help="Whose archives they are.",
            autocompletion=communities,
        ),
    ],
    torrent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Their .torrent, if it lies elsewhere.")
    ] = None,
    data_dir: DataDir,
) -> None:
    """Take over archives that lie elsewhere.

    status-go's, a download, or a rescued folder of ours. They are checked byte by byte, copied and
    imported; later archives are appended to them. The place they come from is only read. A
    community that is not known here yet is joined as a member, if its whole id is given. Where
    'run' is there, it reads the files; Ctrl-C ends it, and nothing is adopted then.
    """
    import asyncio  # noqa: PLC0415 - as all here, when it is needed.

    async def work() -> None:
        async with holding(data_dir, importing=True) as asking:
            id, name = await _known_or_joined(asking, community, data_dir)
            adopted = await carried_out(
                asking, "adopt", id, "Adopting", path=str(path.absolute()),
                torrent=str(torrent.absolute()) if torrent else "",
            )  # fmt: skip
        say(f"{name}: {adopted['archives']:,} archives adopted, {adopted['messages']:,} messages.")
        say(f"  info-hash  {adopted['info_hash']}")
        if adopted["locked"]:
            note(f"{adopted['locked']} of them wait for the community's key.")

    quiet()
    asyncio.run(work())


async def _known_or_joined(asking: Asking, text: str, data_dir: Path) -> tuple[str, str]:
    """Id and name of a community, which is joined if its whole id is given."""
    from workflow.errors import (  # noqa: PLC0415
        JournalMissingError,
        MalformedIdError,
        UnknownCommunityError,
    )

    try:
        view = view_of(data_dir)
        with view.journal as journal:
            known = journal.run(lambda tx: find(view, tx, text))
    except (JournalMissingError, UnknownCommunityError) as unknown:
        try:
            await asking("join", text)
        except MalformedIdError:
            raise unknown from None
        return text, text[:12]
    return known.id, known.name
