"""What a shell is told when somebody presses the key for completion in the place of a community."""

from __future__ import annotations

from pathlib import Path

import typer


def communities(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The communities that begin so, each with its id; nothing when they cannot be had.

    A name that a shell would take apart is told by its id.
    """
    import shlex  # noqa: PLC0415 - as all here, if needed.

    from workflow.adapters.store.names import names_in  # noqa: PLC0415
    from workflow.cli.settings_file import default_data_dir  # noqa: PLC0415
    from workflow.engine.file_name import JOURNAL  # noqa: PLC0415

    try:
        named = context.params.get("data_dir")
        directory = Path(named) if named else default_data_dir()
        known = names_in(directory / JOURNAL)
    except Exception:  # noqa: BLE001 - a message would stand in the middle of what is being typed.
        return []
    return [
        (name, id[:12]) if shlex.quote(name) == name else (id, "")
        for name, id in known
        if name.startswith(incomplete) or (incomplete and id.startswith(incomplete))
    ]
