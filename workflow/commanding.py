"""What other processes may ask of the node that holds a data directory, by name.

A command names a lifecycle and one of its events (``send`` does that), or the node and one of the
verbs here, with arguments in JSON. Private keys never travel this way: whoever has one puts it into
the key store, which all processes share, and names its public key. Nor do files: their paths do,
and the node reads them. What takes long is a job: a verb begins it, 'job' looks at it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final

from states import community
from states.node import NODE
from workflow.application import deliver
from workflow.archive.windows import INTERVAL
from workflow.bringing import add_ratchet_keys, adopt_archives, import_chats
from workflow.engine.inbox import Command
from workflow.engine.rows import Outcome
from workflow.errors import NameTakenError, UnknownEventError
from workflow.node import REANNOUNCE_AFTER, Node
from workflow.ports.records import Channel, Choice
from workflow.waku.chats import topic_of

Arguments = Mapping[str, Any]
Verb = Callable[[Node, str, Arguments], Awaitable[Mapping[str, Any]]]


async def perform(node: Node, command: Command) -> Outcome:
    """Do what a command says. Raises ``UnknownEventError``, and what doing it raises."""
    if command.lifecycle == NODE.name and command.event in VERBS:
        verb = VERBS[command.event]
        return Outcome(
            [], details=await verb(node, command.instance, json.loads(command.arguments))
        )
    event = node.engine.event_named(command.lifecycle, command.event)
    if event is community.Event.SWITCHED_ON:
        return await node.switch_on(command.instance, command.id, command.actor)
    if event is community.Event.SWITCHED_OFF:
        return await node.switch_off(command.instance, command.id, command.actor)
    return await deliver(node.engine, command)


def asked(id: str, verb: str, instance: str, at: float, **arguments: object) -> Command:
    """The command that asks for a verb. Raises ``UnknownEventError`` when there is none."""
    if verb not in VERBS:
        raise UnknownEventError(f"'{verb}' is not one of: {', '.join(VERBS)}")
    return Command(
        id, NODE.name, instance, verb, "operator", at, json.dumps(arguments, sort_keys=True)
    )


async def _check_name(node: Node, name: str, id: str) -> None:
    """A name that can be typed and means one community. Raises ``NameTakenError``."""
    if not name.strip() or name.startswith("0x") or not name.isprintable():
        raise NameTakenError("a name has letters, and does not begin like an id", place=name)
    for known in await node.communities():
        if known.name == name and known.id != id:
            raise NameTakenError("another community is called so here", place=name)


async def _create(node: Node, _: str, given: Arguments) -> Arguments:
    await _check_name(node, given["name"], "0x" + given["key"])
    await node.enable()  # Whoever creates a community wants it kept.
    id = await node.create_community(
        given["name"],
        key=bytes.fromhex(given["key"]),
        interval=given.get("interval", INTERVAL),
        reannounce_after=given.get("reannounce_after", REANNOUNCE_AFTER),
    )
    if given.get("is_key_saved"):
        await node.set_key_saved(id)
    return {"id": id}


async def _claim(node: Node, id: str, given: Arguments) -> Arguments:
    await node.enable()
    await node.take_over(id, bytes.fromhex(given["key"]))
    if given.get("is_key_saved"):
        await node.set_key_saved(id)
    return {"id": id}


async def _key_saved(node: Node, id: str, given: Arguments) -> Arguments:
    await node.set_key_saved(id, bytes.fromhex(given["key"]) if "key" in given else None)
    return {}


async def _join(node: Node, id: str, given: Arguments) -> Arguments:
    if given.get("name"):
        await _check_name(node, given["name"], id)
    await node.enable()
    await node.join(id, given.get("name", ""))
    return {"id": id}


async def _channel(node: Node, id: str, given: Arguments) -> Arguments:
    chat = id + given["uuid"]
    known = {one.chat_id: one for one in await node.channels(id)}
    one = known.get(chat, Channel(topic_of(chat), chat))
    await node.add_channel(id, replace(one, name=given["name"] or one.name))
    return {"chat_id": chat}


async def _choose(node: Node, id: str, given: Arguments) -> Arguments:
    choice = Choice(given.get("since"), given.get("until"), given.get("is_latest", False))
    await node.choose(id, choice)
    return asdict(choice)


async def _remove(node: Node, id: str, _: Arguments) -> Arguments:
    await node.remove(id)
    return {}


async def _archive(node: Node, id: str, given: Arguments) -> Arguments:
    await node.archive_now(id, with_open_window=given.get("with_open_window", False))
    return {}


async def _announce(node: Node, id: str, _: Arguments) -> Arguments:
    await node.announce(id)
    return {}


async def _take_over(node: Node, id: str, _: Arguments) -> Arguments:
    await node.take_over(id)
    return {}


async def _receive(node: Node, _: str, given: Arguments) -> Arguments:
    return asdict(await node.receive_announcement(given["line"]))


async def _follow_unsigned(node: Node, id: str, given: Arguments) -> Arguments:
    return asdict(await node.follow_unsigned(id, given["magnet"]))


async def _import(node: Node, id: str, given: Arguments) -> Arguments:
    node.jobs.begin(given["job"], partial(import_chats, node, id, given))
    return {}


async def _adopt(node: Node, id: str, given: Arguments) -> Arguments:
    node.jobs.begin(given["job"], partial(adopt_archives, node, id, given))
    return {}


async def _job(node: Node, job: str, _: Arguments) -> Arguments:
    return node.jobs.look(job)


async def _stop_job(node: Node, job: str, _: Arguments) -> Arguments:
    await node.jobs.stop(job)
    return {}


async def _ratchet_keys(node: Node, _: str, given: Arguments) -> Arguments:
    return await add_ratchet_keys(node, given)


async def _try_again(node: Node, id: str, _: Arguments) -> Arguments:
    await node.try_again(id)
    return {}


async def _look(node: Node, id: str, _: Arguments) -> Arguments:
    return asdict(await node.snapshot(id))


async def _overview(node: Node, _: str, __: Arguments) -> Arguments:
    return {"communities": await node.overview()}


async def _peers(node: Node, id: str, _: Arguments) -> Arguments:
    return {"peers": [asdict(one) for one in await node.peers(id)]}


async def _address(node: Node, _: str, __: Arguments) -> Arguments:
    return {"address": node.address}


VERBS: Final[Mapping[str, Verb]] = {
    "create": _create,
    "claim": _claim,
    "key_saved": _key_saved,
    "join": _join,
    "channel": _channel,
    "choose": _choose,
    "remove": _remove,
    "archive": _archive,
    "announce": _announce,
    "take_over": _take_over,
    "receive": _receive,
    "follow_unsigned": _follow_unsigned,
    "import": _import,
    "adopt": _adopt,
    "ratchet_keys": _ratchet_keys,
    "job": _job,
    "stop_job": _stop_job,
    "try_again": _try_again,
    "look": _look,
    "overview": _overview,
    "peers": _peers,
    "address": _address,
}
