"""``community-archives check``: the shipped tables, searched through everything that may go wrong.

``search`` knows graphs only; ``device``, ``engine`` and ``actions`` are one node as small as it can
be; ``world`` puts nodes together and says what is promised; ``scenarios`` says where to begin.
"""

from workflow.check.report import (
    Result,
    Searched,
    check_all,
    check_archive,
    check_community,
    check_lifecycle,
    report,
)
from workflow.check.search import Counterexample, Edge, Found, Model, search

__all__ = [
    "Counterexample",
    "Edge",
    "Found",
    "Model",
    "Result",
    "Searched",
    "check_all",
    "check_archive",
    "check_community",
    "check_lifecycle",
    "report",
    "search",
]
