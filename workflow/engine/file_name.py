"""What a journal is called; who completes a word in a shell loads this and nothing else."""

from __future__ import annotations

from typing import Final

JOURNAL: Final = "journal.sqlite3"
"""The journal, in its data directory."""
