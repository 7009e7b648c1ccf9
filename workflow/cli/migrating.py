"""``migrate``: instances in states that a changed table no longer has, moved where they go on."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.applications import AppName, Shape, load_app, shape_of
from workflow.cli.options import INCOMPLETE, AsJson, DataDir
from workflow.cli.words import note, say, say_json

if TYPE_CHECKING:
    from workflow.engine.removed_states import Stranded
    from workflow.ports.work import Transaction

    Grown = dict[str, tuple[int, int]]

VERSIONS: Final = "SELECT component, number FROM schema_version"


def migrate(
    *,
    is_applied: Annotated[
        bool, typer.Option("--apply/--plan", help="Do it, or only show what would be done.")
    ] = False,
    as_json: AsJson = False,
    app: AppName = "",
    data_dir: DataDir,
) -> None:
    """Move what is in states that a changed table no longer has.

    Where it goes on is said by the lifecycle's 'renamed'. All of it is moved in one transaction,
    with a step in the history of each; the actions of the new states start with the next run.
    Exit code 4 says that for some states nothing says where to go on.
    """
    from workflow.engine.removed_states import refuse_lost  # noqa: PLC0415 - loads the engine.

    shape = shape_of(load_app(app))
    grown, found = _plan(data_dir, shape)
    if is_applied:
        refuse_lost(found)  # Before the tables grow.
        found = _apply(data_dir, shape)
    if as_json:
        tables = [{"component": name, "from": old, "to": new} for name, (old, new) in grown.items()]
        states = [asdict(one) for one in found]
        say_json({"is_applied": is_applied, "tables": tables, "states": states})
    else:
        for name, (old, new) in grown.items():
            say(f"tables of '{name}': version {old} {'became' if is_applied else 'becomes'} {new}")
        for one in found:
            say(f"{one.lifecycle}: {one.count} moved from {one.state} to {one.target}"
                if is_applied else str(one))  # fmt: skip
        if not grown and not found:
            note("Nothing is to be migrated.")
    if not is_applied and not all(one.target for one in found):
        raise typer.Exit(INCOMPLETE)


def _plan(data_dir: Path, shape: Shape) -> tuple[Grown, list[Stranded]]:
    """What is to be done: components of the schema that have grown, and states that are gone."""
    from workflow.engine.file_name import JOURNAL  # noqa: PLC0415 - as all here, when it is needed.
    from workflow.engine.migrations import ENGINE, newest_numbers  # noqa: PLC0415
    from workflow.engine.reading import ReadOnlyJournal  # noqa: PLC0415
    from workflow.engine.removed_states import stranded  # noqa: PLC0415

    migrations = (*ENGINE, *shape.migrations)

    def read(tx: Transaction) -> tuple[Grown, list[Stranded]]:
        applied = {str(name): int(number or 0) for name, number in tx.execute(VERSIONS).fetchall()}
        grown = {
            name: (applied.get(name, 0), number)
            for name, number in newest_numbers(migrations).items()
            if number > applied.get(name, 0)
        }
        return grown, stranded(tx, shape.lifecycles.values())

    journal = ReadOnlyJournal(data_dir / JOURNAL, migrations, may_be_older=True)
    with closing(journal):
        return journal.run(read)


def _apply(data_dir: Path, shape: Shape) -> list[Stranded]:
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.engine.holding import hold  # noqa: PLC0415
    from workflow.engine.removed_states import move_stranded  # noqa: PLC0415

    now = SystemClock().now()
    held = hold(data_dir, "migrate", shape.migrations, now)
    with closing(held):
        return held.commit(lambda tx: move_stranded(tx, list(shape.lifecycles.values()), now))
