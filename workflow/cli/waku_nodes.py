"""What ``doctor`` finds out about Waku nodes: do they answer, are they ready, do they remember?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from workflow.adapters.clock.system import SystemClock
from workflow.adapters.messaging.waku.looking import Look, look_at, silence
from workflow.adapters.messaging.waku.node import Dialect
from workflow.adapters.messaging.waku.settings import node_address
from workflow.cli.probes import Check, Verdict, answers_of
from workflow.waku.chats import DEFAULT_PUBSUB_TOPIC

NAME: Final = "waku"
NOT_YET: Final = ("INITIALIZING", "SYNCHRONIZING", "NOT_READY", "NOT_MOUNTED", "SHUTTING_DOWN")
"""What a node says of itself when it is of no use now."""
RIGHT_ADDRESS: Final = "Give the address of its REST interface, as in http://127.0.0.1:8645."
PEERS: Final = "Wait until it has peers; see that its cluster and shards are those of the settings."
STORE: Final = (
    "One of the nodes needs a store, or a peer that has one: what was missed cannot be asked for."
)


def waku_nodes(nodes: Sequence[str], pubsub_topics: Sequence[str], limit: float) -> list[Check]:
    """A check of each node, all asked at once for ``limit`` seconds; no credentials are told.

    A node that does not tell what was missed is a problem when no other one does.
    """
    topic = pubsub_topics[0] if pubsub_topics else DEFAULT_PUBSUB_TOPIC
    looks = [
        look or Look(node_address(node)[0], trouble=silence(limit))
        for node, look in zip(
            nodes, answers_of([partial(_look, node, topic, limit) for node in nodes], limit),
            strict=True,
        )
    ]  # fmt: skip
    is_told = any(not look.trouble and not look.store_trouble for look in looks)
    return [_check(look, is_told=is_told) for look in looks]


def _look(node: str, topic: str, limit: float) -> Look:
    return asyncio.run(look_at(node, topic, SystemClock(), limit))


def _check(look: Look, *, is_told: bool) -> Check:
    if look.trouble:
        text = f"{look.address}: {look.trouble.message}"
        return Check(NAME, Verdict.PROBLEM, text, look.trouble.advice)
    who = f"{look.dialect} {look.version}"
    if look.dialect is Dialect.UNKNOWN:
        if look.store_trouble:
            text = f"{look.address}: what answers there is no Waku node"
            return Check(NAME, Verdict.PROBLEM, text, RIGHT_ADDRESS)
        who = "a Waku node that does not say which"
    said = f"it says {look.health}" if look.health else "it does not say whether it is ready"
    store = "it tells what was missed"
    remedies = [PEERS] if look.health in NOT_YET else []
    if look.store_trouble:
        store = look.store_trouble.message
        if is_told:
            store += "; another one does"
        else:
            remedies.append(STORE)
    return Check(
        NAME,
        Verdict.PROBLEM if remedies else Verdict.OK,
        f"{look.address} is {who}; {said}; {store}",
        "\n".join(remedies),
    )
