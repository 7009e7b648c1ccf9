"""A message sent until a store has it.

Nodes answer 200 to messages that go nowhere, so a store is asked for the message, by its hash. What
nobody has after some seconds is sent again, sealed and stamped anew: a node passes nothing on
twice, and keeps nothing that is old. So a message may be on the network more than once, which its
readers are ready for, since what is signed in it is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from workflow.adapters.messaging.waku.dialects import Question
from workflow.adapters.messaging.waku.node import WakuNode
from workflow.errors import MessageTooLongError, MessagingError
from workflow.ports.clock import Clock
from workflow.waku.message import WakuMessage

ATTEMPTS: Final = 3
"""How often a message is sent that no store has."""
_AROUND: Final = 1_000
"""Nanoseconds around a message's time that are asked for; whether the ends count differs."""


async def send(
    nodes: Sequence[WakuNode],
    pubsub_topic: str,
    make: Callable[[], WakuMessage],
    confirm_after: Sequence[float],
    clock: Clock,
) -> bool:
    """Send what ``make`` makes, anew for each attempt; whether a store was seen to have it.

    False when no store could be asked: then it was taken, and that is all that is known. Raises
    ``MessagingError`` when no node took it, or stores do not have it in the end.
    """
    for attempt in range(ATTEMPTS):
        # The node that lost a message is not asked first with the next.
        first = attempt % len(nodes)
        message = make()
        await _hand_over([*nodes[first:], *nodes[:first]], pubsub_topic, message)
        outcome = await _confirm(nodes, pubsub_topic, message, confirm_after, clock)
        if outcome is not False:
            return outcome is True
    raise MessagingError(
        f"a message was sent {ATTEMPTS} times, and no store has it",
        place=_places(nodes),
        remedy="See that the nodes have peers, and their clocks and this one are right.",
    )


async def _hand_over(nodes: Sequence[WakuNode], pubsub_topic: str, message: WakuMessage) -> None:
    """To the first node that takes it."""
    troubles = []
    for node in nodes:
        try:
            return await node.publish(pubsub_topic, message)
        except MessagingError as error:
            troubles.append(error)
    raise MessagingError(
        "no Waku node takes the message: " + "; ".join(map(str, troubles)),
        remedy=troubles[0].advice,
    )


async def _confirm(
    nodes: Sequence[WakuNode],
    pubsub_topic: str,
    message: WakuMessage,
    after: Sequence[float],
    clock: Clock,
) -> bool | None:
    """Whether a store has the message, in the end; None when none could be asked."""
    time = message.timestamp or 0
    question = Question(pubsub_topic, (message.content_topic,), time - _AROUND, time + _AROUND)
    hash = message.hash(pubsub_topic)
    was_answered = False
    for earlier, later in pairwise((0.0, *after)):
        await clock.sleep(later - earlier)
        for node in nodes:
            try:
                page = await node.page(question)
            except MessagingError:
                continue
            if any(one.hash(pubsub_topic) == hash for one in page.messages):
                return True
            was_answered = True
    return False if was_answered else None


def check_length(payload: bytes, limit: int) -> None:
    """Raise ``MessageTooLongError`` for what no message can hold, before it is encrypted."""
    if len(payload) > limit:
        raise MessageTooLongError(
            f"{len(payload)} bytes are more than the {limit} that a message may have"
        )


def _places(nodes: Sequence[WakuNode]) -> str:
    return ", ".join(node.address for node in nodes)
