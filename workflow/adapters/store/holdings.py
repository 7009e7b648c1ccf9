"""How much of every community's history is here: counted, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, cast

from workflow.ports.records import Holding
from workflow.ports.work import Transaction

HOLDINGS: Final = (
    "SELECT a.community, count(*), sum(a.is_here OR NOT a.is_done), sum(a.is_here),"
    " sum(a.is_here AND coalesce(i.state, '') IN ('', 'IMPORTED')), sum(a.is_locked),"
    " sum(coalesce(i.state, '') = 'QUARANTINED')"
    " FROM json_each(?) asked JOIN archive a ON a.community = asked.value"
    " AND a.lineage = (SELECT max(lineage) FROM generation WHERE community = asked.value)"
    " LEFT JOIN instance i ON i.lifecycle = 'archive' AND i.id = a.instance"
    " GROUP BY a.community"
)


class SqliteHoldings:
    """Counts over the rows of archives and their imports."""

    def holdings(self, tx: Transaction, communities: Sequence[str]) -> dict[str, Holding]:
        """How much of each community's newest lineage is here; none where there is no archive."""
        rows = tx.execute(HOLDINGS, (json.dumps(communities),)).fetchall()
        return {str(row[0]): Holding(*cast("tuple[int, ...]", row[1:])) for row in rows}
