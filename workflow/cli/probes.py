"""What can be found out about a network from this machine, each question within a time limit.

Nobody is asked but who is named: a tracker by a request about no archive, a peer by a connection.
"""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from workflow.cli.kinds import without_secrets

OUTSIDE: Final = ("192.0.2.1", 9)
"""An address that is nobody's (RFC 5737): the way to it shows our own address; nothing is sent."""
ABOUT_NOTHING: Final = (
    f"info_hash={'%00' * 20}&peer_id=-CA0000-000000000000&port={{port}}&uploaded=0&downloaded=0"
    "&left=0&compact=1&numwant=0&event=stopped"
)
LONGEST_ANSWER: Final = 65_536
UDP_CONNECT: Final = struct.pack(">QII", 0x41727101980, 0, 0x63617263)
"""BEP 15: the protocol's number, action 0, and a number of ours that the answer repeats."""
LISTENING: Final = "0A"
"""A socket's state in /proc/net/tcp."""


class Verdict(StrEnum):
    """What came of a check; ``UNKNOWN`` is what cannot be seen from here."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer; ``remedy`` says what to do, where something can be done."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


Question = Callable[[], Check]
T = TypeVar("T")


def ask_all(questions: Sequence[tuple[str, Question]], limit: float) -> list[Check]:
    """Ask all at once; whoever has not answered within ``limit`` seconds is a problem."""
    late, remedy = f"no answer within {limit:g} s", "See whether it can be reached."
    answers = answers_of([question for _, question in questions], limit)
    return [
        answer or Check(name, Verdict.PROBLEM, late, remedy)
        for (name, _), answer in zip(questions, answers, strict=True)
    ]


def answers_of(questions: Sequence[Callable[[], T]], limit: float) -> list[T | None]:
    """Ask all at once; None for those that have not answered within ``limit`` seconds."""
    answers: dict[int, T] = {}

    def ask(number: int, question: Callable[[], T]) -> None:
        answers[number] = question()

    threads = [
        # Nobody waits for a name that is looked up for minutes.
        threading.Thread(target=ask, args=(number, question), daemon=True)
        for number, question in enumerate(questions)
    ]
    for thread in threads:
        thread.start()
    left = limit + 0.5
    for thread in threads:
        thread.join(left)
        left = 0.0 if thread.is_alive() else left  # The others have had as long.
    return [answers.get(number) for number in range(len(questions))]


# -- who is asked ----------------------------------------------------------------------------------


def tracker(url: str, port: int, limit: float) -> Check:
    """Does a tracker answer? ``port`` is where we listen, ``limit`` seconds; no secret is told."""
    remedy = "See whether its address is right; it may be down, or a firewall be in between."
    parts, shown = urlsplit(url), without_secrets(url)
    try:
        said = _ask_udp(parts, limit) if parts.scheme == "udp" else _ask_http(parts, port, limit)
    except http.client.InvalidURL:  # Its words would have the whole path.
        return Check("tracker", Verdict.PROBLEM, f"{shown}: it cannot be asked for", remedy)
    except (OSError, http.client.HTTPException) as error:
        return Check("tracker", Verdict.PROBLEM, f"{shown}: {_told(error)}", remedy)
    except (ValueError, struct.error):
        text = f"{shown}: what answers there is no tracker"
        return Check("tracker", Verdict.PROBLEM, text, "Copy the tracker's whole address.")
    return Check("tracker", Verdict.OK, f"{shown} {said}")


def _ask_http(parts: SplitResult, port: int, limit: float) -> str:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=limit)
    query = "&".join(filter(None, (parts.query, ABOUT_NOTHING.format(port=port or 1))))
    try:
        connection.request("GET", f"{parts.path or '/'}?{query}")
        response = connection.getresponse()
        body = response.read(LONGEST_ANSWER)
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise http.client.HTTPException(f"it answers with {response.status} {response.reason}")
    if not body.startswith(b"d"):  # A dictionary, bencoded; that of a refusal is an answer, too.
        raise ValueError(body[:20])
    return "answers"


def _ask_udp(parts: SplitResult, limit: float) -> str:
    family, kind, protocol, _, address = socket.getaddrinfo(
        parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM
    )[0]
    with socket.socket(family, kind, protocol) as asking:
        asking.settimeout(limit)
        asking.connect(address)
        asking.send(UDP_CONNECT)
        action, repeated, _ = struct.unpack(">IIQ", asking.recv(1024)[:16])
    if (action, repeated) != (0, 0x63617263):
        raise ValueError(action)
    return "answers"


def peer(name: str, address: tuple[str, int], limit: float) -> Check:
    """Does somebody listen there?"""
    try:
        socket.create_connection(address, timeout=limit).close()
    except OSError as error:
        remedy = "See whether it runs and listens there, and whether a firewall is in between."
        return Check("peer", Verdict.PROBLEM, f"{name}: {_told(error)}", remedy)
    return Check("peer", Verdict.OK, f"{name} can be connected to")


# -- this machine ----------------------------------------------------------------------------------


def bound(interfaces: Iterable[str], port: int, *, with_udp: bool) -> str:
    """Why a port cannot be listened on now, in words; empty when it is free."""
    kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM] if with_udp else [socket.SOCK_STREAM]
    for interface in interfaces:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        for kind in kinds:
            try:
                with socket.socket(family, kind) as trying:
                    if kind == socket.SOCK_STREAM:  # As who listens would: no rest is in the way.
                        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        trying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    trying.bind((interface, port))
            except OSError as error:
                if family == socket.AF_INET6 and error.errno in (
                    errno.EAFNOSUPPORT,
                    errno.EADDRNOTAVAIL,
                ):
                    continue  # A machine without IPv6 listens without it.
                return _told(error)
    return ""


def ports_of(pid: int) -> set[int] | None:
    """The TCP ports that a process listens on; None when it cannot be seen."""
    targets = set()
    try:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # It was closed meanwhile.
                targets.add(str(one.readlink()))
    except OSError:
        return None
    ports = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and f"socket:[{fields[9]}]" in targets:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def own_address() -> str:
    """The address from which this machine would go out; empty when there is no way out."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(OUTSIDE)
        return str(asking.getsockname()[0])
    return ""


def reachable(address: str, port: int) -> Check:
    """What can be guessed of whether others reach this machine; honest about the rest."""
    name = "reachable"
    if not address:
        text = "this machine has no way out: nobody outside can be reached"
        return Check(name, Verdict.PROBLEM, text, "Connect it to a network.")
    where = f"port {port}" if port else "its port"
    remedy = f"Ask somebody outside to try: nc -vz THIS-ADDRESS {port or 'PORT'}"
    if ipaddress.ip_address(address).is_global:
        text = f"{address} is a public address; whether {where} is open to others cannot be seen"
        return Check(name, Verdict.UNKNOWN, f"{text} from here", remedy)
    text = (
        f"{address} is no public address: others reach {where} only if a router forwards it, TCP"
        " and UDP, which cannot be seen from here"
    )
    return Check(name, Verdict.UNKNOWN, text, f"Forward it in the router.\n{remedy}")


def writable(name: str, folder: Path) -> Check:
    """Can files be made in a folder, or the folder itself?"""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    remedy = "Make it writable for this user, or choose another."
    try:
        if there == folder:
            tempfile.TemporaryFile(dir=folder).close()
            return Check(name, Verdict.OK, f"{folder} can be written")
    except OSError as error:
        return Check(name, Verdict.PROBLEM, f"{folder}: {_told(error)}", remedy)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Check(name, Verdict.OK, f"{folder} is made when it is needed")
    return Check(name, Verdict.PROBLEM, f"{folder} cannot be made in {there}", remedy)


def _told(error: Exception) -> str:
    """An error of the system's in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
