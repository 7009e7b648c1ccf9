"""Messages on their way into the store: those that can be archived are kept, the others counted."""

from __future__ import annotations

from collections.abc import Iterable

from workflow.actions.tools import Tools
from workflow.archive.codec import Measure, fits_nowhere
from workflow.archive.message import ArchivedMessage, EncodedMessage
from workflow.ports.work import Transaction


def store_messages(
    tools: Tools, tx: Transaction, community: str, messages: Iterable[ArchivedMessage]
) -> int:
    """Store messages of the community's topics; returns how many were new."""
    store, good = tools.store, list[EncodedMessage]()
    topics = set(store.topics(tx, community))
    for message in messages:
        packed = message.packed()
        if message.topic not in topics:
            store.count_refusal(tx, community, "message of a foreign topic")
        elif fits_nowhere(Measure(packed.weight, len(packed.encoded))):
            store.count_refusal(tx, community, "message too large for an archive")
        else:
            good.append(packed)
    return store.add_messages(tx, community, good, tools.clock.now())
