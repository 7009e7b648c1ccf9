"""``status --follow`` and ``--since``: steps behind a number, and what they have changed."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workflow.cli.place import find, view_of
from workflow.cli.standing import HEAD, Look, as_data, cells, look_at
from workflow.cli.words import hanging, moment, say, say_event, step_data

if TYPE_CHECKING:
    from workflow.engine.rows import Recorded
    from workflow.ports.clock import Clock
    from workflow.status import Status

EVERY: Final = 1.0
"""Seconds between two looks for new steps, which cost one row."""
LOOK_AGAIN_AFTER: Final = 10
"""Looks for steps, until peers and what is live are asked for although no step was taken."""
BATCH: Final = 1000


def say_steps(data_dir: Path, community: str, after: int, *, as_json: bool) -> int:
    """Say all steps behind a number, of everything or of one community and its archives.

    Returns the number of the newest step that was looked at.
    """
    from workflow.engine.history import steps_after  # noqa: PLC0415 - loads the tables.

    view = view_of(data_dir)
    with closing(view.journal):
        store = view.tools.store
        known, only = view.journal.run(
            lambda tx: (store.communities(tx), find(view, tx, community) if community else None)
        )
        names = {one.id: one.name for one in known}
        while steps := view.journal.run(lambda tx, seq=after: steps_after(tx, seq, BATCH)):  # type: ignore[misc]
            for step in steps:
                owner = step.id.partition("/")[0]
                if only is None or owner == only.id:
                    _say_step(step, names.get(owner, owner), as_json=as_json)
            after = steps[-1].seq
    return after


def _say_step(step: Recorded, name: str, *, as_json: bool) -> None:
    if as_json:
        say_event({"event": "step", "step": step_data(step)})
        return
    archive = step.id.rpartition("/")[2].removeprefix("0x")[:6] if "/" in step.id else ""
    who = f"{name}, archive {archive}" if archive else name
    reason = f" ({step.reason})" if step.reason else ""
    at = moment(step.at).removesuffix(" UTC")
    say(hanging(f"#{step.seq:<5} {at}  ", f"{who}: {step.words}{reason}"))


async def follow_steps(
    data_dir: Path, community: str, look: Look, after: int, clock: Clock, *, as_json: bool
) -> None:
    """Go on behind a number until cancelled: steps, and the lines of what they have changed."""
    shown = {one.id: _shown(one, look) for one in look.found}
    rounds = 0
    while True:
        await clock.sleep(EVERY)
        rounds += 1
        seq = say_steps(data_dir, community, after, as_json=as_json)
        if seq == after and rounds < LOOK_AGAIN_AFTER:
            continue
        after, rounds = seq, 0
        look = await asyncio.to_thread(look_at, data_dir, community)
        now = {one.id: _shown(one, look) for one in look.found}
        changed = [one for one in look.found if now[one.id] != shown.get(one.id)]
        shown = now
        if changed and as_json:
            told = {one["id"]: one for one in as_data(look)}
            communities = [told[one.id] for one in changed]
            say_event({"event": "status", "seq": look.seq, "communities": communities})
        for one in changed if not as_json else ():
            say(_line(one, look))


def _shown(one: Status, look: Look) -> tuple[str, ...]:
    """All but when it is due, which is another at each look."""
    return (*cells(one, look.at)[:-1], one.condition, one.reason)


def _line(one: Status, look: Look) -> str:
    """``gardeners: idle→...; live; peers 3; has 52/52``: a line that needs no head."""
    name, way, live, peers, has, due = cells(one, look.at)
    labels = [head.lower() for head in HEAD[3:]]
    text = "; ".join([way, live, *map(" ".join, zip(labels, (peers, has, due), strict=True))])
    return hanging(f"{name}: ", "; ".join(filter(None, (text, one.condition, one.reason))))
