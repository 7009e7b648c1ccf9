"""``diagram``: a lifecycle drawn from its table, with the way that one community took."""

from __future__ import annotations

from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow.cli.options import CommunityName, DataDir
from workflow.cli.place import find, view_of
from workflow.cli.words import note

if TYPE_CHECKING:
    from states import Lifecycle
    from states.drawing import Format, Overlay
    from workflow.ports.work import Transaction


class Drawn(Enum):
    """The lifecycles there are."""

    COMMUNITY = "community"
    ARCHIVE = "archive"
    NODE = "node"


def diagram(
    community: CommunityName = "",
    *,
    lifecycle: Annotated[Drawn, typer.Option(help="Which table.")] = Drawn.COMMUNITY,
    main_path: Annotated[
        bool, typer.Option("--main-path", help="Only the main path's states.")
    ] = False,
    everybody: Annotated[
        bool, typer.Option("--counts", help="Write into each state how many communities are there.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .svg, .mmd, .dot or .md file; else Markdown."),
    ] = None,
    data_dir: DataDir,
) -> None:
    """Draw a lifecycle, and the way a community took.

    Drawn is the table itself; with a community also where it is and how it came there; with
    --counts how many of all communities are in which state.
    """
    from states.drawing import render  # noqa: PLC0415 - loads the tables.
    from workflow.errors import ConfigurationError  # noqa: PLC0415

    fmt = _format_of(out)
    if community and lifecycle is not Drawn.COMMUNITY:
        raise typer.BadParameter("only the community lifecycle can show a community")
    if community and everybody:
        raise typer.BadParameter("give a community or --counts, not both")
    if everybody and lifecycle is not Drawn.COMMUNITY:
        raise typer.BadParameter("only the community lifecycle can show --counts")
    overlay = _overlay(data_dir, community) if community or everybody else None
    drawn = render(_table(lifecycle), fmt, overlay, main_path_only=main_path)
    if out is None:
        print(drawn, end="")
        return
    try:
        out.write_text(drawn, "utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the picture cannot be written: {error.strerror}",
            place=str(out),
            remedy="Choose another --out.",
        ) from error
    note(f"Wrote {out}.")


def _format_of(out: Path | None) -> Format:
    if out is None:
        return "md"
    formats: dict[str, Format] = {".svg": "svg", ".mmd": "mmd", ".dot": "dot", ".md": "md"}
    if out.suffix not in formats:
        raise typer.BadParameter(f"'{out.name}' ends with none of: {', '.join(formats)}")
    return formats[out.suffix]


def _table(which: Drawn) -> Lifecycle[Any, Any, Any, Any, Any]:
    from states import ARCHIVE_IMPORT, COMMUNITY  # noqa: PLC0415 - loads the tables.
    from states.node import NODE  # noqa: PLC0415

    tables: dict[Drawn, Lifecycle[Any, Any, Any, Any, Any]] = {
        Drawn.COMMUNITY: COMMUNITY,
        Drawn.ARCHIVE: ARCHIVE_IMPORT,
        Drawn.NODE: NODE,
    }
    return tables[which]


def _overlay(data_dir: Path, community: str) -> Overlay:
    """The way of one community, or, without a name, the counts of all."""
    from workflow.overlays import counts_of_all, way_of  # noqa: PLC0415 - loads the tables.

    view = view_of(data_dir)
    with closing(view.journal):

        def read(tx: Transaction) -> Overlay:
            if not community:
                return counts_of_all(tx)
            return way_of(tx, find(view, tx, community).id)

        return view.journal.run(read)
