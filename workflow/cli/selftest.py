"""``selftest``: would a stranger get everything?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from workflow.cli.asking import Own, acting, quiet
from workflow.cli.kinds import Reach
from workflow.cli.networking import Networking, networked
from workflow.cli.options import INCOMPLETE, AsJson, CommunityName, DataDir
from workflow.cli.place import acting_node_at, find, view_of
from workflow.cli.watching import watch
from workflow.cli.words import say, say_event

if TYPE_CHECKING:
    from workflow.ports.records import Choice, Community

PATIENCE: Final = 120.0
"""Seconds in which something has to happen."""


@networked
def selftest(
    community: CommunityName, *, as_json: AsJson = False, data_dir: DataDir, networking: Networking
) -> None:
    """Fetch everything as a stranger would, and compare.

    A throw-away member is given nothing but the announcement. It fetches all archives over the
    network that you name, imports them, and its messages are compared with those that are archived
    here, one by one. Where you name neither tracker nor peer, nor 'public', it asks the node that
    runs here, at its port. Where only a part is chosen, it chooses that part. It leaves nothing
    behind. Exit code 4 says that something was missing.
    """
    import asyncio  # noqa: PLC0415 - as all that is loaded here, only needed when it comes to it.

    quiet()
    view = view_of(data_dir)
    from workflow.announcing import announcement_of  # noqa: PLC0415 - as all here, when it is needed.

    with closing(view.journal):
        known = view.journal.run(lambda tx: find(view, tx, community))
        line = view.journal.run(lambda tx: announcement_of(tx, view.tools, known.id))
        choice = view.journal.run(lambda tx: view.tools.store.choice(tx, known.id))

    ours, theirs = asyncio.run(_both(data_dir, networking, known, line, choice, as_json))
    missing, foreign = len(ours - theirs), len(theirs - ours)
    found = {"messages": len(ours), "fetched": len(theirs), "missing": missing, "foreign": foreign}
    if as_json:
        say_event({"event": "done", **found})
    elif missing or foreign:
        say(f"{known.name}: NOT the same: {missing:,} of {len(ours):,} archived messages did not"
            f" come, {foreign:,} came that are not here.")  # fmt: skip
    else:
        say(f"{known.name}: a stranger gets all {len(ours):,} archived messages.")
    if missing or foreign:
        raise typer.Exit(INCOMPLETE)


async def _both(
    data_dir: Path,
    networking: Networking,
    known: Community,
    line: str,
    choice: Choice,
    as_json: bool,
) -> tuple[set[bytes], set[bytes]]:
    """The digests of the messages that are archived here, and of those that a stranger got."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory(prefix="community-archives-selftest-") as directory:
        async with acting(data_dir, networking, is_for_us_too=True) as holder:
            await watch(
                holder, known.id, known.name, lambda look: bool(look["is_live"]),
                otherwise="its archives are not live", as_json=as_json, patience=PATIENCE,
            )  # fmt: skip
            reaching = reaching_for((await holder("address"))["address"], networking)
            async with acting_node_at(Path(directory), reaching, is_silent=True) as stranger:
                await stranger.enable()
                await stranger.join(known.id, known.name)
                await stranger.choose(known.id, choice)
                await stranger.receive_announcement(line)
                await watch(
                    Own(stranger), known.id, f"a stranger to {known.name}",
                    lambda look: look["is_at_rest"] and look["generation"] > 0,
                    as_json=as_json, patience=PATIENCE,
                )  # fmt: skip
        return _archived(data_dir, known.id, choice), _archived(Path(directory), known.id, choice)


def reaching_for(address: str, networking: Networking) -> Networking:
    """The stranger's networks: at a free port, and with a way to whoever is at the address."""
    from workflow.adapters.carrier.bittorrent.settings import (  # noqa: PLC0415
        address_of,
        is_loopback,
    )

    interface, _, _ = networking.listen.rpartition(":")
    networking = replace(networking, listen=f"{interface}:0" if interface else "0")
    is_told = networking.trackers or networking.peers or networking.network is Reach.PUBLIC
    if is_told or not address:
        return networking
    is_near = networking.network is Reach.LOCAL and is_loopback(address_of(address)[0])
    reach = networking.network if is_near else Reach.PRIVATE
    return replace(networking, network=reach, peers=(address,))


def _archived(data_dir: Path, id: str, choice: Choice) -> set[bytes]:
    """The digests of all messages that archives hold, but for those that are not chosen."""
    view = view_of(data_dir)
    with closing(view.journal):
        archives, digests = view.journal.run(
            lambda tx: (
                view.tools.store.archive_states(tx, id),
                view.tools.store.archived_digests(tx, id),
            )
        )
    chosen = choice.of([one.entry for one in archives])
    others = {one.instance for one in archives if one.entry.id not in chosen}
    return set().union(*(held for instance, held in digests.items() if instance not in others))
