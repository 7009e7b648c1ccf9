"""A look at a node from outside: who it is, whether it is ready, whether it tells what was missed.

Nothing is subscribed, polled or published, so whoever follows the node notices nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from workflow.adapters.messaging.waku.dialects import Question
from workflow.adapters.messaging.waku.node import Dialect, MakeTransport, WakuNode, in_time
from workflow.adapters.messaging.waku.opening import nanoseconds
from workflow.errors import MessagingError
from workflow.ports.clock import Clock
from workflow.waku.chats import TOPIC_LENGTH, content_topic

_NOBODYS_TOPIC: Final = content_topic(bytes(TOPIC_LENGTH))
"""The question for it tells nobody which communities are followed here."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a node shows of itself; ``address`` is without user and password.

    ``trouble`` is why it does not answer, ``store_trouble`` why it does not tell what was missed;
    None when it does. ``health`` is its own word, and empty when it does not say.
    """

    address: str
    dialect: Dialect = Dialect.UNKNOWN
    version: str = ""
    health: str = ""
    trouble: MessagingError | None = None
    store_trouble: MessagingError | None = None


async def look_at(
    node: str,
    pubsub_topic: str,
    clock: Clock,
    within: float,
    transport: MakeTransport | None = None,
) -> Look:
    """Look at the node of this address for so many seconds at most.

    Its store is asked for a second of ``pubsub_topic``. Raises ``ConfigurationError`` when this is
    no address of a node.
    """
    asked = _Visited(node, (pubsub_topic,), clock, transport)
    found = Look(asked.address)
    is_known = False

    async def ask() -> None:
        nonlocal found, is_known
        dialect, version = await asked.who()
        found, is_known = replace(found, dialect=dialect, version=version), True
        found = replace(found, health=await asked.health())
        now = nanoseconds(clock.now())
        second = Question(pubsub_topic, (_NOBODYS_TOPIC,), now - 1_000_000_000, now)
        try:
            await asked.page(second)
        except MessagingError as error:
            found = replace(found, store_trouble=error)

    try:
        await in_time(clock, within, ask())
    except TimeoutError:
        late = silence(within)
        found = replace(found, store_trouble=late) if is_known else replace(found, trouble=late)
    except MessagingError as error:
        found = replace(found, trouble=error)
    finally:
        await asked.leave()
    return found


def silence(within: float) -> MessagingError:
    """Nothing was heard for so many seconds."""
    return MessagingError(f"no answer within {within:g} s", remedy="See whether it can be reached.")


class _Visited(WakuNode):
    """A node that is asked who it is without being made to keep anything for us."""

    async def who(self) -> tuple[Dialect, str]:
        return await self._identify()
