"""What may happen: lifecycles as tables. Pure; the standard library and ``transitions`` only."""

from typing import Final

from states.archive_import import ARCHIVE_IMPORT
from states.community import COMMUNITY
from states.errors import CommunityArchivesError, GuardError, LifecycleError
from states.instance import Backoff, Instance
from states.lifecycle import (
    AGAIN,
    STAY,
    Level,
    Lifecycle,
    Look,
    Refusal,
    Rule,
    Same,
    Step,
    decide,
    explain,
    look,
    otherwise,
    row,
)

__all__ = [
    "AGAIN",
    "ARCHIVE_IMPORT",
    "COMMUNITY",
    "STAY",
    "Backoff",
    "CommunityArchivesError",
    "GuardError",
    "Instance",
    "Level",
    "Lifecycle",
    "LifecycleError",
    "Look",
    "Refusal",
    "Rule",
    "Same",
    "Step",
    "decide",
    "explain",
    "look",
    "otherwise",
    "row",
]

DISTRIBUTION: Final = "community-archives"
"""Whose 'states' this is: ``workflow`` looks for it, for the name is a common one."""
