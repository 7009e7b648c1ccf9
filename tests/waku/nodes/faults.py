"""What can be wrong with a node; a test switches it on and off at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Lie(Enum):
    """What a rogue node answers polls and store queries with, instead of the truth."""

    WRONG_TYPES = auto()
    """The keys are right, and what stands behind them are other things of JSON."""
    NO_JSON = auto()
    """The body is a page of HTML, announced as JSON."""
    HUGE = auto()
    """A body of ``Faults.huge`` bytes, in JSON."""
    OTHER_TOPIC = auto()
    """Messages of a content topic nobody asked for."""
    OTHER_HASH = auto()
    """Hashes that are not those of the messages beside them."""
    SAME_CURSOR = auto()
    """Each page says that it goes on, always behind the same message."""
    REFUSED_INSIDE = auto()
    """The status is 200, that in the body is 503."""


@dataclass
class Faults:
    """All is well at first; counts go down by one each time they have struck."""

    is_down: bool = False
    """No connection is taken, those there are end, and the node hears nothing."""
    is_apart: bool = False
    """The node has no peers: it hears nothing, and nobody hears it."""
    is_unready: bool = False
    """nwaku says NOT_READY."""
    is_store_down: bool = False
    """Store queries run into the node's own limit of time (answered at once)."""
    delay: float = 0.0
    """Seconds of the node's clock between what a request does and its answer."""
    drop_every: int = 0
    """Every so-manieth live message is not queued; the store has it."""
    repeats: int = 0
    """How many more times each live message is queued."""
    swallows: bool = False
    """Publishes are answered as always, and the message is gone."""
    short: int = 0
    """So many more bodies end before the length that was announced."""
    cut: int = 0
    """So many more bodies end in the middle of their JSON, with the length they have."""
    failing: int = 0
    """So many more requests are answered with 500."""
    limited: int = 0
    """So many more store queries are answered with 429."""
    lie: Lie | None = None
    huge: int = 64 * 1024 * 1024
