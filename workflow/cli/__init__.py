"""The command line: a face. It reads the journal, asks who runs, or opens a node of its own."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FAILED: Final = 1
INTERRUPTED: Final = 130
TRACEBACK: Final = "COMMUNITY_ARCHIVES_TRACEBACK"


def main() -> None:
    """Run one command and end the process with its exit code.

    An error is one sentence on stderr, never a traceback.
    """
    stranger = shadowed_by()
    if stranger:
        _end_with(
            f"[package-foreign] another distribution's 'states' shadows ours ({stranger})."
            " Install community-archives into an environment of its own."
        )
    try:
        from workflow.cli.app import app  # noqa: PLC0415 - a stranger is told of before.

        try:
            app(prog_name="community-archives")
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read has had enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:  # Here an error becomes a sentence.
        if os.environ.get(TRACEBACK):
            raise
        _end_with(_explained(error))


def shadowed_by() -> str:
    """Where 'states' lies if it is not the one beside this package; empty when it is ours."""
    spec = find_spec("states")
    found = Path(spec.origin).parent if spec and spec.origin else None
    if found is not None and found.parent == Path(__file__).parents[2]:
        return "" if (found / "community.py").is_file() else str(found)
    return str(found or "it is missing")


def _explained(error: Exception) -> str:
    from states.errors import CommunityArchivesError  # noqa: PLC0415 - only errors need it.

    if isinstance(error, CommunityArchivesError):
        return error.explained()
    return (
        f"[unexpected] {type(error).__name__}: {error}. This is a bug: please report it;"
        f" {TRACEBACK}=1 shows where it happened."
    )


def _end_with(sentence: str) -> None:
    from workflow.chat.plain import safe  # noqa: PLC0415 - what was typed may stand in it.

    print("\n".join(map(safe, sentence.split("\n"))), file=sys.stderr)
    sys.exit(FAILED)
