"""The command line: a face. It reads the journal, asks who runs, or opens a node of its own."""

from __future__ import annotations

import os
import sys
from typing import Final

from workflow.ownership import foreign_states

FAILED: Final = 1
INTERRUPTED: Final = 130
TRACEBACK: Final = "COMMUNITY_ARCHIVES_TRACEBACK"


def main() -> None:
    """Run one command and end the process with its exit code.

    An error is one sentence on stderr, never a traceback.
    """
    complaint = foreign_states()
    if complaint is not None:
        _end_with(complaint.explained())
    try:
        from workflow.cli.app import app  # noqa: PLC0415 - a stranger is told of before.
        from workflow.cli.narrowing import narrowed, typed  # noqa: PLC0415

        try:
            narrowed(app, typed(sys.argv[1:]))(prog_name="community-archives")
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
    from workflow.cli.words import broken  # noqa: PLC0415 - only errors need it.

    print(broken("\n".join(map(safe, sentence.split("\n")))), file=sys.stderr)
    sys.exit(FAILED)
