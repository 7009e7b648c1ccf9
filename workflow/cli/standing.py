"""Where communities stand: read at one moment, told in a line each, in detail, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.cli.asking import ask_holder
from workflow.cli.place import find, view_of
from workflow.cli.words import (
    hanging,
    moment,
    note,
    path,
    say,
    span,
    table,
    unsaved_key,
    when,
    width,
)

if TYPE_CHECKING:
    from workflow.ports.records import Holding
    from workflow.ports.work import Transaction
    from workflow.status import Status

NOBODY: Final = "nobody runs on this data directory, so nothing is live"
LEAST_NAME: Final = 12
"""Columns of a name in a table, at least; it gets what the others leave."""
WHOLE_WIDTH: Final = 64
"""Columns that a path takes at most where it has a line of its own."""
EVERYTHING: Final = "all archives"
"""What is chosen unless a person chooses."""
HEAD: Final = ("COMMUNITY", "PATH", "LIVE", "PEERS", "HAS", "DUE IN")


@dataclass(frozen=True, slots=True)
class Look:
    """Communities as they stood ``at`` one moment (seconds, UTC epoch), by name.

    ``seq`` is the number of the newest step; ``holder`` is empty when nobody runs. What is live,
    and who is connected, was said by the running process if it ``is_now``; else it is what was
    true at the community's last step.
    """

    found: Sequence[Status]
    holder: str
    seq: int
    at: float
    is_now: bool

    @property
    def live_known(self) -> str:
        """How what is live is known."""
        return "now" if self.is_now else "as recorded at the last step"


def look_at(data_dir: Path, community: str = "") -> Look:
    """Look at all communities, or at one. Raises ``UnknownCommunityError``."""
    from workflow.engine.rows import newest_seq  # noqa: PLC0415 - loads the tables.
    from workflow.status import statuses  # noqa: PLC0415

    view = view_of(data_dir)
    with closing(view.journal):

        def read(tx: Transaction) -> tuple[list[Status], int]:
            known = [find(view, tx, community)] if community else view.tools.store.communities(tx)
            return statuses(tx, view.tools, known), newest_seq(tx)

        found, seq = view.journal.run(read)
    said = ask_holder(data_dir, "overview") if view.holder and found else None
    if said is not None:
        live = said["communities"]
        found = [
            replace(one, is_live=live[one.id][0], peers=live[one.id][1]) if one.id in live else one
            for one in found
        ]
    return Look(found, view.holder, seq, view.tools.clock.now(), said is not None)


def as_data(look: Look) -> list[dict[str, Any]]:
    """The communities for programs."""
    more = {"is_live_known": look.live_known, "held_by": look.holder or None}
    return [{**asdict(one), **more} for one in look.found]


def say_lines(look: Look) -> None:
    """A line each, and one more for each that a person should look after."""
    if not look.found:
        note("No community is known here yet.")
        return
    rows = [HEAD, *(cells(one, look.at) for one in look.found)]
    columns = zip(*(row[1:] for row in rows), strict=True)
    others = sum(2 + max(map(len, column)) for column in columns)
    room = max(LEAST_NAME, width() - others)
    lines = table((_cut(row[0], room), *row[1:]) for row in rows)
    for line, one in zip(lines, [None, *look.found], strict=True):
        say(line)
        if one is not None and (one.condition or one.reason):
            say(hanging("  ! ", "; ".join(filter(None, (one.condition, one.reason)))))
        if one is not None and one.chosen != EVERYTHING:
            say(hanging("  chosen: ", one.chosen))
    note(f"live: {look.live_known}; {look.holder or NOBODY}")
    say_unsaved(look)


def say_unsaved(look: Look) -> None:
    """Tell of private keys that exist only here."""
    for one in look.found:
        if not one.is_key_saved:
            note(unsaved_key(one.name))


def cells(one: Status, now: float) -> tuple[str, ...]:
    """The columns of one community, as ``HEAD`` names them."""
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.

    state = COMMUNITY.states(one.state)
    held = one.holding
    if one.due_at is not None:
        due = "now" if one.due_at - now < 1 else span(one.due_at - now, units=1)
    else:
        due = "-" if COMMUNITY.waits(state) else "works"
    return (
        one.name,
        path(state, is_control_node=one.is_control_node),
        "live" if one.is_live else "no",
        "-" if one.peers is None else str(one.peers),
        f"{held.imported}/{held.chosen}" if held.chosen else "-",
        due,
    )


def _unheard(one: Status, look: Look) -> str:
    """What is not known of its chats; while nobody runs, nobody asks for it."""
    if one.unheard_since is None or not look.holder:
        return ""
    return f"since {moment(one.unheard_since)}: no Waku node has told what is said in its channels"


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else name[: room - 1] + "…"


def in_words(held: Holding) -> str:
    """``51 of 52 chosen are here and imported, of 104 in all``."""
    if not held.archives:
        return "none yet"
    text = f"{held.imported:,} of {held.chosen:,} chosen are here and imported"
    return text if held.archives == held.chosen else f"{text}, of {held.archives:,} in all"


def say_detail(look: Look) -> None:
    """Everything of one community, with a label before each."""
    from states import COMMUNITY  # noqa: PLC0415 - loads the tables.

    (one,) = look.found
    state, held = COMMUNITY.states(one.state), one.holding
    way = path(state, is_control_node=one.is_control_node, within=WHOLE_WIDTH)
    is_at_work = not COMMUNITY.waits(state) and one.due_at is None
    due = "when the action that is at work answers" if is_at_work else "when something comes"
    if one.due_at is not None:
        due = f"{'since ' if one.due_at < look.at else ''}{when(one.due_at, look.at)}"
    is_live = "yes" if one.is_live else "no"
    rows = {
        "state": one.state,
        "path": way,
        "node": "control node" if one.is_control_node else "member",
        "live": f"{is_live}, {look.live_known}",
        "peers": "not known" if one.peers is None else str(one.peers),
        "archives": in_words(held) + (f"; generation {one.generation}" if one.generation else ""),
        "chosen": one.chosen,
        "next due": due,
        "held by": look.holder or NOBODY,
        "not heard": _unheard(one, look),
        "condition": one.condition,
        "last error": one.reason,
    }
    say(f"{one.name}\n  {one.id}")
    for label, text in rows.items():
        if text:
            say(hanging(f"  {label:<10} ", text))
    for reason, count in one.refusals.items():
        say(hanging("  refused    ", f"{count} x {reason}"))
    say_unsaved(look)
