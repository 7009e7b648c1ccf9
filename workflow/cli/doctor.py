"""``doctor``: can this machine do what the network needs? One line a check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workflow.cli.networking import Networking, networked
from workflow.cli.options import INCOMPLETE, AsJson, DataDir
from workflow.cli.place import view_of
from workflow.cli.words import hanging, say, say_json

if TYPE_CHECKING:
    from workflow.adapters.carrier.bittorrent.settings import Settings
    from workflow.cli.probes import Check

PID: Final = re.compile(r"process (\d+)")
INDENT: Final = " " * 9
KINDS: Final = ("tcp", "udp")
SAME: Final = "Give 'doctor' and 'run' the same --network and --listen."


@networked
def doctor(
    *,
    wait: Annotated[
        float,
        typer.Option(min=0.1, metavar="SECONDS", help="For each tracker, peer and Waku node."),
    ] = 5.0,
    as_json: AsJson = False,
    data_dir: DataDir,
    networking: Networking,
) -> None:
    """Check ports, trackers, peers, Waku, disk and clock.

    Give it the options that 'run' gets. Only trackers, peers and Waku nodes that are configured are
    asked, a tracker about no archive, and with --network public status-go's two. Of a Waku node
    nothing is fetched that waits there. 'unknown' is what cannot be seen from this machine, with
    how to find out. It changes nothing, and may be used while 'run' runs. Exit code 4 says that
    there is a problem.
    """
    from workflow.cli.probes import Verdict  # noqa: PLC0415 - as all here, when it is needed.

    found = checks(data_dir, networking, wait)
    is_well = all(one.verdict is not Verdict.PROBLEM for one in found)
    if as_json:
        say_json({"is_well": is_well, "checks": [asdict(one) for one in found]})
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            first = f"{one.verdict:<7}  {one.name:<{width}}  "
            say(hanging(first, one.text))
            for line in one.remedy.splitlines():
                is_to_paste = line.startswith(" ")  # Then it stays whole.
                say(f"{INDENT}{line}" if is_to_paste else hanging(INDENT, line))
    if not is_well:
        raise typer.Exit(INCOMPLETE)


def checks(data_dir: Path, networking: Networking, wait: float) -> list[Check]:
    """Every check, in the order of what rests on what. Raises ``ConfigurationError``."""
    from ipaddress import ip_address  # noqa: PLC0415

    from workflow.adapters.carrier.bittorrent.settings import (  # noqa: PLC0415
        Network,
        address_of,
    )
    from workflow.cli.probes import (  # noqa: PLC0415
        Check,
        Verdict,
        ask_all,
        own_address,
        peer,
        reachable,
        tracker,
        writable,
    )

    settings = networking.settings()
    found = [writable("data directory", data_dir), *_of_the_machine(data_dir)]
    if networking.waku:
        from workflow.cli.waku_nodes import waku_nodes  # noqa: PLC0415

        found += waku_nodes(networking.waku, networking.pubsub_topics, wait)
    else:
        found.append(writable("messages", networking.folder))
    found.append(_listening(data_dir, settings))
    if settings.network is Network.LOCAL or settings.is_on_loopback:
        text = "only programs on this machine reach this node, as configured"
        found.append(Check("reachable", Verdict.OK, text))
    else:
        named = settings.interface
        if not named or ip_address(named).is_unspecified:  # It listens on all that there are.
            named = own_address()
        found.append(reachable(named, settings.port))
        if settings.port:
            found.append(_firewall(settings.port))
    if not settings.has_peer_source:
        text = "no tracker and no peer is named: nobody can be heard of"
        found.append(Check("tracker", Verdict.PROBLEM, text, "Name one: --tracker or --peer."))
    asked = [
        ("tracker", partial(tracker, url, settings.port, wait)) for url in settings.announced_to
    ]
    asked += [("peer", partial(peer, one, address_of(one), wait)) for one in settings.peers]
    return found + ask_all(asked, wait)


def _of_the_machine(data_dir: Path) -> Iterator[Check]:
    from workflow.adapters.clock.system import SystemClock  # noqa: PLC0415
    from workflow.cli.probes import Check, Verdict  # noqa: PLC0415
    from workflow.errors import DataDirectoryError  # noqa: PLC0415
    from workflow.health import newest_step_at, of_the_clock, of_the_disk  # noqa: PLC0415

    newest = 0.0
    try:
        view = view_of(data_dir)
        with closing(view.journal):
            newest = view.journal.run(newest_step_at)
    except DataDirectoryError:
        pass  # Before the first run; what is wrong with a journal, other commands tell.
    for name, problems, well, remedy in (
        ("disk", of_the_disk(data_dir), "there is room", "Make room, or move the data directory."),
        ("clock", of_the_clock(newest, SystemClock().now()), "it can be right",
         "Set it; let it be kept by NTP."),
    ):  # fmt: skip
        texts = [one.text for one in problems]
        verdict = Verdict.PROBLEM if texts else Verdict.OK
        yield Check(name, verdict, "; ".join(texts) or well, remedy if texts else "")


def _listening(data_dir: Path, settings: Settings) -> Check:
    """Is the port free, or ours already?"""
    from workflow.adapters.carrier.bittorrent.settings import Network  # noqa: PLC0415
    from workflow.cli.probes import Check, Verdict, bound, ports_of  # noqa: PLC0415
    from workflow.engine.lock import holder, is_held  # noqa: PLC0415

    port, name = settings.port, "listen"
    is_fixed = port > 0 or settings.network is Network.LOCAL
    fix = "" if is_fixed else "Choose one that can be forwarded, such as --listen 6881."
    verdict = Verdict.OK if is_fixed else Verdict.PROBLEM
    try:
        who = holder(data_dir) if is_held(data_dir) else ""
    except OSError:
        who = ""
    if who:
        pid = PID.match(who)
        ports = ports_of(int(pid[1])) if pid else None
        if not ports:
            how = "cannot be seen" if ports is None else "does not listen"
            text = f"{who} runs, and {how}"
            return Check(name, Verdict.UNKNOWN if ports is None else Verdict.PROBLEM, text, SAME)
        shown = ", ".join(map(str, sorted(ports)))
        if port and port not in ports:
            text = f"{who} runs and listens on {shown}, not on {port}"
            return Check(name, Verdict.PROBLEM, text, SAME)
        changes = "" if is_fixed or port else ", another one after each start"
        return Check(name, verdict, f"{who} runs and listens on {shown}{changes}", fix)
    if not port:
        return Check(name, verdict, "nobody runs; a free port is taken at each start", fix)
    why = bound(settings.interfaces, port, with_udp=not settings.is_on_loopback)
    if why:
        remedy = "End what uses the port, or choose another with --listen."
        return Check(name, Verdict.PROBLEM, f"port {port} cannot be had: {why}", remedy)
    return Check(name, Verdict.OK, f"nobody runs; port {port} is free")


def _firewall(port: int) -> Check:
    """What to paste; whether there is a firewall only root could see."""
    from workflow.cli.probes import Check, Verdict  # noqa: PLC0415

    lines = (
        "Where ufw is the firewall, or nftables with its usual names:",
        f"  ufw allow {port}",
        *(f"  nft add rule inet filter input {kind} dport {port} accept" for kind in KINDS),
    )
    text = "whether one is in the way cannot be seen from here"
    return Check("firewall", Verdict.UNKNOWN, text, "\n".join(lines))
