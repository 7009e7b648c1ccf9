"""A node: communities, their lifecycles, and the two networks, behind one small set of verbs.

What a verb promises is committed when it returns. What follows from it (archives, announcements,
downloads) is the lifecycles' business and happens by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from enum import Enum
from typing import Final, Self

from states import ARCHIVE_IMPORT, COMMUNITY, community
from states.drawing import Drawing
from states.node import NODE
from states.node import Event as NodeEvent
from states.node import State as NodeState
from workflow.actions.tools import Tools
from workflow.announcing import Announcing
from workflow.archive.windows import INTERVAL
from workflow.engine.engine import Engine
from workflow.engine.rows import Outcome, Recorded, Request
from workflow.engine.working import ended
from workflow.errors import ChoiceRefusedError, NotControlNodeError
from workflow.identity import public_key_of
from workflow.links import Links
from workflow.overlays import counts_of_all, way_of
from workflow.ports.carrier import Peer
from workflow.ports.records import ALL, Choice, Community
from workflow.ports.work import Reference, Transaction
from workflow.status import (
    Snapshot,
    Status,
    out_of_step,
    snapshot_of,
    state_of,
    status_of,
)

THE_NODE: Final = "node"
TOGETHER: Final = 500
"""Communities that are switched at once, so that they share commits."""
OWNER_NEEDS_ALL: Final = "who controls a community must have all of its archives"
REANNOUNCE_AFTER: Final = 8 * 3600.0
"""Seconds: people were found to wait for days for a link that had passed them by."""


class Node(Announcing):
    """The verbs. Built by ``workflow.assembly``; use it with ``async with``."""

    def __init__(
        self,
        engine: Engine,
        tools: Tools,
        links: Links,
        *,
        device: str,
        catch_up: float,
        close: Callable[[], None],
    ) -> None:
        super().__init__(engine, tools, links)
        self._device = device
        self._catch_up = catch_up
        self._close = close

    async def __aenter__(self) -> Self:
        """Take up whatever was under way."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; nothing that was committed is lost."""
        await self.stop()

    async def start(self) -> None:
        """Take up whatever was under way, and ask the network for what was missed."""
        await self._remove_files()
        await self._links.open()
        await self.engine.enrol(NODE.name, THE_NODE)
        await self.engine.start()
        await self._fall_into_step()
        await self._start_imports()
        for known in await self.engine.run(self._store.communities):
            await self._links.follow(known.id)

    async def start_imports(self) -> None:
        """Import the archives that are here, and do nothing else: no network is opened."""
        await self.engine.start(ARCHIVE_IMPORT.name)
        await self._start_imports()

    async def stop(self) -> None:
        """Cancel what runs, let go of the networks, close the journal.

        Whoever is cancelled meanwhile, perhaps once more, still waits for the end of it.
        """
        await ended(asyncio.create_task(self._stop()))

    async def _stop(self) -> None:
        try:
            await self.jobs.end()
            await self.engine.stop()
            await self._links.close()
        finally:
            self._close()

    # -- communities ------------------------------------------------------------------------------

    async def create_community(
        self,
        name: str,
        *,
        private_key: bytes | None = None,
        key: bytes | None = None,
        interval: int = INTERVAL,
        reannounce_after: float | None = REANNOUNCE_AFTER,
    ) -> str:
        """Become the control node of a community; returns its id.

        ``interval`` and ``reannounce_after`` are seconds, None turns the timer off. ``key`` is a
        public key (33 bytes) whose private key is in the key store; without that and a private
        key, a new one is made, which nobody has saved yet. Raises ``KeyFileError``.
        """
        keys = self._tools.keys
        if private_key is not None:
            key = keys.add(private_key)
        elif key is None:
            key = keys.create()
        id = "0x" + key.hex()
        await self._add(id, name, key, interval, reannounce_after)
        await self.take_over(id)
        if private_key is not None:
            await self.set_key_saved(id)
        return id

    async def join(self, id: str, name: str = "", *, interval: int = INTERVAL) -> None:
        """Become a member: follow the community's links. Raises ``MalformedIdError``."""
        key = public_key_of(id)
        await self._add(id, name or id[:12], key, interval, REANNOUNCE_AFTER)

    async def switch_on(
        self, id: str, command_id: str | None = None, actor: str = "operator"
    ) -> Outcome:
        """Keep archives for this community, as soon as the node does so at all."""
        return await self._switch(id, community.Event.SWITCHED_ON, command_id, actor)

    async def switch_off(
        self, id: str, command_id: str | None = None, actor: str = "operator"
    ) -> Outcome:
        """Stop everything for this community; its files and rows stay."""
        return await self._switch(id, community.Event.SWITCHED_OFF, command_id, actor)

    async def choose(self, id: str, choice: Choice) -> None:
        """Fetch these archives of the community from now on; what is here already stays.

        What is newly chosen of the newest link's archives is fetched at once. Raises
        ``UnknownCommunityError``, and ``ChoiceRefusedError`` for who holds the community's private
        key or has control of it, and chooses less than all: an owner must have all of its history.
        """

        def writes(tx: Transaction) -> None:
            known, facts = self._store.community(tx, id), self._tools.facts(tx, id)
            is_owner = facts.holds_control_key or (facts.is_control_device and facts.epoch_matches)
            if is_owner and choice != ALL:
                raise ChoiceRefusedError(OWNER_NEEDS_ALL, place=known.name)
            self._store.choose(tx, id, choice)

        await self.engine.look(COMMUNITY.name, id, writes, is_urgent=True)

    async def enable(self) -> None:
        """Turn archives on for the node: every community that is meant to be on."""
        await self.engine.enrol(NODE.name, THE_NODE)
        await self.engine.send(NODE.name, THE_NODE, Request(NodeEvent.PROTOCOL_ENABLED, "operator"))
        await self._fall_into_step()

    async def disable(self) -> None:
        """Turn archives off for the node."""
        await self.engine.send(
            NODE.name, THE_NODE, Request(NodeEvent.PROTOCOL_DISABLED, "operator")
        )
        await self._fall_into_step()

    async def send(self, id: str, event: community.Event, command_id: str | None = None) -> Outcome:
        """Send an event to a community's lifecycle; the step, or why it was refused."""
        return await self.engine.send(
            COMMUNITY.name, id, Request(event, "operator", command_id=command_id)
        )

    async def remove(self, id: str) -> None:
        """Forget a community: stop everything, delete its messages, archives and files.

        Its private key stays where it is. Raises ``UnknownCommunityError``.
        """
        known = await self.engine.run(lambda tx: self._store.community(tx, id))
        await self._links.unfollow(known.id)
        locators: list[str] = []

        def writes(tx: Transaction) -> Iterable[Reference]:
            """What there is at this very moment: a generation may just have come into being."""
            current = self._store.generation(tx, known.id)
            locators[:] = self._store.older_locators(tx, known.id)
            locators.extend([current.locator] if current is not None else [])
            archives = self._store.archive_instances(tx, known.id)
            self._store.remove_community(tx, known.id)
            return [Reference(ARCHIVE_IMPORT.name, one) for one in archives]

        await self.engine.remove(Reference(COMMUNITY.name, known.id), writes)
        for locator in locators:
            await self._tools.carrier.withdraw(locator)
        await self._remove_files()

    async def _remove_files(self) -> None:
        """Delete what removed communities have left; a crash may have come in between."""
        for id in await self.engine.run(self._store.removed):
            await asyncio.to_thread(self._tools.folder.remove, id)
            await self.engine.run(lambda tx, id=id: self._store.set_files_removed(tx, id))  # type: ignore[misc]

    async def _switch(self, id: str, event: Enum, command_id: str | None, actor: str) -> Outcome:
        is_enabled = event is community.Event.SWITCHED_ON
        request = Request(
            event,
            actor,
            lambda tx: self._store.set_enabled(tx, id, is_enabled=is_enabled),
            command_id=command_id,
        )
        return await self.engine.send(COMMUNITY.name, id, request)

    # -- control ----------------------------------------------------------------------------------

    async def take_over(self, id: str, key: bytes | None = None) -> None:
        """This device takes control, in a new epoch: its key must be in the key store.

        ``key`` is the public key (33 bytes) to which control was transferred; without it, the
        community's control key is the one that it was.

        A newer link that was heard before is still followed first, so that the history goes on
        where the other device left it. Raises ``ChoiceRefusedError`` while only a part of the
        history is chosen or here.
        """
        known = await self.engine.run(lambda tx: self._store.community(tx, id))
        await self._claim_control(id, key or known.control_key)

    async def hand_over(self, id: str, new_key: bytes) -> None:
        """Another key has control from now on (33 bytes, compressed)."""
        await self.engine.run(lambda tx: self._store.hand_over(tx, id, new_key))
        await self.send(id, community.Event.CONTROL_LOST)
        await self.engine.look(COMMUNITY.name, id)

    async def become_control_node(self, id: str, private_key: bytes) -> None:
        """Control was transferred to this key, and to this device."""
        await self._claim_control(id, self._tools.keys.add(private_key))

    async def _claim_control(self, id: str, key: bytes) -> None:
        def writes(tx: Transaction) -> None:
            store, generation = self._store, self._store.generation(tx, id)
            is_part = generation is not None and (
                store.archives_here(tx, generation) != store.archives_of(tx, generation)
            )
            if is_part or store.choice(tx, id) != ALL:
                raise ChoiceRefusedError(
                    OWNER_NEEDS_ALL, place=id, remedy="Fetch what is lacking: 'fetch --all'."
                )
            store.claim_control(tx, id, key, self._device)

        await self.engine.look(COMMUNITY.name, id, writes)

    async def remove_key(self, id: str) -> None:
        """Forget the community's private key; whatever needs it ends at once."""
        known = await self.engine.run(lambda tx: self._store.community(tx, id))
        self._tools.keys.remove(known.control_key)
        await self.send(id, community.Event.CONTROL_LOST)

    # -- at once ----------------------------------------------------------------------------------

    async def archive_now(self, id: str, *, with_open_window: bool = False) -> None:
        """Archive what is stored, without waiting for stragglers.

        Windows that are not over yet are left alone, or cut at this moment: what comes after it is
        archived in its turn. Raises ``NotControlNodeError``.
        """
        await self._require_control(id)
        now = self._tools.clock.now()
        await self.engine.look(
            COMMUNITY.name,
            id,
            lambda tx: self._store.ask_for_archives(tx, id, now, with_open_window=with_open_window),
            is_urgent=True,
        )

    async def announce(self, id: str) -> None:
        """Announce the archives again, under a new clock, once they are seen to be live.

        Raises ``NotControlNodeError``.
        """
        await self._require_control(id)
        now = self._tools.clock.now()
        await self.engine.look(
            COMMUNITY.name,
            id,
            lambda tx: self._store.ask_for_announcement(tx, id, now),
            is_urgent=True,
        )

    async def try_again(self, id: str) -> None:
        """Try at once what failed before, instead of after its back-off."""
        await self.engine.look(COMMUNITY.name, id, is_urgent=True)

    async def _require_control(self, id: str) -> None:
        known, facts = await self.engine.run(
            lambda tx: (self._store.community(tx, id), self._tools.facts(tx, id))
        )
        if not community.is_control_node(facts):
            way = "announce --take-over" if facts.holds_control_key else "community import-key"
            remedy = f"Do it on the control node, or take control: '{way}'."
            words = "this node does not have control of the community"
            raise NotControlNodeError(words, place=known.name, remedy=remedy)

    # -- looking ----------------------------------------------------------------------------------

    async def communities(self) -> list[Community]:
        """All communities, by name."""
        return await self.engine.run(self._store.communities)

    async def status(self, id: str) -> Status:
        """Where a community stands, and which guards hold now."""
        return await self.engine.run(lambda tx: status_of(tx, self._tools, id))

    async def snapshot(self, id: str) -> Snapshot:
        """How far a community has come, as this process sees it now."""
        return await self.engine.run(lambda tx: snapshot_of(tx, self._tools, id))

    async def peers(self, id: str) -> tuple[Peer, ...]:
        """Who is connected on the network of files for this community's archives."""
        found = await self.snapshot(id)
        return self._tools.carrier.peers(found.locator) if found.locator else ()

    async def drawing(self, id: str) -> Drawing:
        """The community's lifecycle with the way it took; shows itself in Jupyter."""
        return Drawing(COMMUNITY, await self.engine.run(lambda tx: way_of(tx, COMMUNITY, id)))

    async def drawing_of_all(self) -> Drawing:
        """The lifecycle with how many communities are in which state; shows itself in Jupyter."""
        return Drawing(COMMUNITY, await self.engine.run(lambda tx: counts_of_all(tx, COMMUNITY)))

    def signals(self, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """Steps with what they told, without gaps, from the one behind number ``after`` on."""
        return self.engine.follow(after)

    async def _add(
        self, id: str, name: str, key: bytes, interval: int, reannounce_after: float | None
    ) -> None:
        now = self._tools.clock.now()
        new = Community(
            id=id,
            name=name,
            control_key=key,
            control_device="",
            control_epoch=1,
            claimed_epoch=0,
            interval=interval,
            anchor=None,
            reannounce_after=reannounce_after,
            is_enabled=True,
            is_encrypted=False,
            generation=0,
            candidate=0,
            condition="",
        )

        def writes(tx: Transaction) -> None:
            self._store.add_community(tx, new)
            self._store.set_catch_up_deadline(tx, id, now + self._catch_up)

        await self.engine.enrol(COMMUNITY.name, id, writes=writes)
        await self.send(id, community.Event.SWITCHED_ON)
        await self._links.follow(id)

    async def _fall_into_step(self) -> None:
        """Switch every community that is on but should be off, or off but should be on."""
        is_enabled = await self._is_enabled()
        found = await self.engine.run(lambda tx: out_of_step(tx, is_enabled))
        for first in range(0, len(found), TOGETHER):
            await asyncio.gather(
                *(
                    self.send(
                        id,
                        community.Event.SWITCHED_ON if on else community.Event.SWITCHED_OFF,
                    )
                    for id, on in found[first : first + TOGETHER]
                )
            )

    async def _is_enabled(self) -> bool:
        state = await self.engine.run(lambda tx: state_of(tx, NODE.name, THE_NODE))
        return state == NodeState.ENABLED.name
