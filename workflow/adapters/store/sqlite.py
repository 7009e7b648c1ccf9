"""The store in SQLite: plain statements with bound parameters, nothing clever.

Every method runs in the engine's transaction, in the journal's thread; the port says what each
promises. The methods stand in one file for each kind of row.
"""

from __future__ import annotations

from workflow.adapters.store.announcements import SqliteAnnouncements
from workflow.adapters.store.communities import SqliteCommunities
from workflow.adapters.store.generations import SqliteGenerations
from workflow.adapters.store.heard import SqliteHeard
from workflow.adapters.store.holdings import SqliteHoldings
from workflow.adapters.store.messages import SqliteMessages


class SqliteStore(
    SqliteCommunities,
    SqliteMessages,
    SqliteHeard,
    SqliteGenerations,
    SqliteHoldings,
    SqliteAnnouncements,
):
    """All of the port ``Store``."""
