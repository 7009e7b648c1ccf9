"""``--app``: the application that a command is about, the shipped one or one of somebody's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workflow.cli.place import find, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workflow.application import Application
    from workflow.engine.reading import ReadOnlyJournal
    from workflow.engine.removed_states import AnyLifecycle
    from workflow.ports.work import Migration, Reference, Transaction

APP: Final = "COMMUNITY_ARCHIVES_APP"

AppName = Annotated[
    str,
    typer.Option(
        "--app",
        metavar="MODULE:NAME",
        envvar=APP,
        help="An application of your own; what is named are its instances.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Shape:
    """The tables of an application: of its lifecycles, and in its database."""

    name: str
    lifecycles: Mapping[str, AnyLifecycle]
    migrations: Sequence[Migration]


@dataclass(frozen=True, slots=True)
class Seen:
    """The journal of an application, to be read; ``find`` names an instance as people do."""

    journal: ReadOnlyJournal
    find: Callable[[Transaction, str], Reference]


def load_app(text: str) -> Application | None:
    """The application that ``package.module:object`` names; None, the shipped one, for no text.

    The current folder is looked in last. Raises ``ApplicationError``, and ``LifecycleError`` or
    another error of ours that the module itself ends with.
    """
    if not text:
        return None
    from workflow.application import Application  # noqa: PLC0415 - as all here, when it is needed.
    from workflow.errors import ApplicationError  # noqa: PLC0415

    module_name, colon, name = text.partition(":")
    if not (module_name and colon and name):
        raise ApplicationError(
            "--app names a module and what it has, with a colon between",
            place=text,
            remedy="Write for example --app shop:APP.",
        )
    module = _imported(module_name)
    where = getattr(module, "__file__", None) or module_name
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            own = [key for key, one in vars(module).items() if isinstance(one, Application)]
            raise ApplicationError(
                f"{where} has no '{name}'",
                place=text,
                remedy=f"It has: {', '.join(own)}."
                if own
                else 'Make one there: APP = Application("name", [your workflow]).',
            ) from None
    if not isinstance(found, Application):
        raise ApplicationError(
            f"'{name}' is no Application but of type {type(found).__name__}",
            place=text,
            remedy='Put it into one: APP = Application("name", [your workflow]).',
        )
    return found


def _imported(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415

    from states.errors import CommunityArchivesError  # noqa: PLC0415
    from workflow.errors import ApplicationError  # noqa: PLC0415

    here = os.getcwd()  # noqa: PTH109 - a text, as sys.path has them.
    if here not in sys.path:
        sys.path.append(here)
    try:
        return import_module(name)
    except CommunityArchivesError:
        raise
    except ModuleNotFoundError as error:
        is_itself = error.name is not None and f"{name}.".startswith(f"{error.name}.")
        raise ApplicationError(
            f"there is no module '{error.name}'"
            if is_itself
            else f"the module needs '{error.name}', which is not installed here",
            place=name,
            remedy=f"Run the command in the folder of the module (now {here}), or install it."
            if is_itself
            else "Install that beside community-archives.",
        ) from error
    except (Exception, SystemExit) as error:
        raise ApplicationError(
            f"the module cannot be imported: {type(error).__name__}: {error}",
            place=name,
            remedy=f"See what 'python -c \"import {name}\"' says.",
        ) from error


def shape_of(app: Application | None) -> Shape:
    """Its tables, without opening anything."""
    if app is not None:
        return Shape(app.name, {one.name: one for one in app.lifecycles}, app.migrations)
    from states import ARCHIVE_IMPORT, COMMUNITY  # noqa: PLC0415
    from states.node import NODE  # noqa: PLC0415
    from workflow.adapters.store.schema import STORE  # noqa: PLC0415

    shipped: list[AnyLifecycle] = [COMMUNITY, ARCHIVE_IMPORT, NODE]
    return Shape("community-archives", {one.name: one for one in shipped}, STORE)


def seen_of(data_dir: Path, app: Application | None) -> Seen:
    """The journal in this data directory. Raises ``DataDirectoryError``."""
    from workflow.ports.work import Reference  # noqa: PLC0415

    if app is not None:
        from workflow.application import view_app  # noqa: PLC0415

        own = view_app(app, data_dir)
        return Seen(own.journal, own.find)
    view = view_of(data_dir)
    return Seen(view.journal, lambda tx, text: Reference("community", find(view, tx, text).id))
