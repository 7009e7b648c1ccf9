"""What every action works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from states.community import Facts
from workflow.files.folder import ArchiveFolder
from workflow.ports.carrier import Carrier
from workflow.ports.clock import Clock
from workflow.ports.keys import Keys
from workflow.ports.messaging import Messaging
from workflow.ports.store import Store
from workflow.ports.work import Transaction


@dataclass(frozen=True, slots=True)
class Tools:
    """The ports, the folder of archives, and the way to the guards' facts.

    ``facts_of`` gives those of some communities, in their order, at once. ``grace`` (seconds) is
    how long after its end a window stays open for stragglers.
    """

    store: Store
    carrier: Carrier
    messaging: Messaging
    keys: Keys
    clock: Clock
    folder: ArchiveFolder
    facts_of: Callable[[Transaction, Sequence[str]], list[Facts]]
    grace: float

    def facts(self, tx: Transaction, id: str) -> Facts:
        """The facts of one community."""
        return self.facts_of(tx, [id])[0]


def channel_of(community: str) -> str:
    """The channel (chat id) on which a community's links are announced, by the specification."""
    return f"{community}-magnetlinks"


def community_of(channel: str) -> str:
    """The community that announces on this channel."""
    return channel.removesuffix("-magnetlinks")
