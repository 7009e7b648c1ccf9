"""``diagram``: a lifecycle drawn from its table, with the way that one instance of it took."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.applications import AppName, load_app, seen_of, shape_of
from workflow.cli.options import CommunityName, DataDir
from workflow.cli.words import note

if TYPE_CHECKING:
    from states.drawing import Format, Overlay
    from workflow.engine.removed_states import AnyLifecycle
    from workflow.ports.work import Transaction


def diagram(
    community: CommunityName = "",
    *,
    lifecycle: Annotated[
        str, typer.Option(metavar="NAME", help="Which table: community, archive or node.")
    ] = "",
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
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Draw a lifecycle, and the way a community took.

    Drawn is the table itself; with a community also where it is and how it came there; with
    --counts how many of all communities are in which state.
    """
    from states.drawing import render  # noqa: PLC0415 - loads the tables.
    from workflow.errors import ConfigurationError  # noqa: PLC0415

    fmt = _format_of(out)
    if community and everybody:
        raise typer.BadParameter("give a community or --counts, not both")
    own = load_app(app)
    tables = shape_of(own).lifecycles
    if lifecycle and lifecycle not in tables:
        raise typer.BadParameter(
            f"'{lifecycle}' is not one of: {', '.join(tables)}", param_hint="--lifecycle"
        )
    drawn_table, overlay = tables[lifecycle or next(iter(tables))], None
    if community or everybody:
        seen = seen_of(data_dir, own)

        def read(tx: Transaction) -> tuple[AnyLifecycle, Overlay]:
            from workflow.overlays import counts_of_all, way_of  # noqa: PLC0415

            if not community:
                return drawn_table, counts_of_all(tx, drawn_table)
            named = seen.find(tx, community)
            if lifecycle not in ("", named.lifecycle):
                raise typer.BadParameter(f"'{community}' is of the {named.lifecycle} lifecycle")
            return tables[named.lifecycle], way_of(tx, tables[named.lifecycle], named.id)

        with closing(seen.journal):
            drawn_table, overlay = seen.journal.run(read)
    drawn = render(drawn_table, fmt, overlay, main_path_only=main_path)
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
