"""What holds for every test: quiet, repeatable in CI, and alone on this machine.

The guard watches Python's own sockets through audit events. libtorrent opens its sockets in C++,
out of sight: a test that uses it binds its session to the loopback address by settings.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from loguru import logger

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "dev")
)

logger.remove()  # a test that asks what was logged adds a sink of its own

ADDRESSED = {"socket.bind", "socket.connect", "socket.sendmsg", "socket.sendto"}
LOOKED_UP = {"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname"}

_refused: list[str] = []


class NetworkRefusedError(OSError):
    """A test tried to reach beyond this machine."""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in ADDRESSED:
        opened, address = args[0], args[1]
        assert isinstance(opened, socket.socket | socket.SocketType)
        if opened.family not in {socket.AF_INET, socket.AF_INET6} or not isinstance(address, tuple):
            return
        host = str(address[0])
        if _is_local(host):
            return
    elif event in LOOKED_UP:
        name = args[0].decode() if isinstance(args[0], bytes) else args[0]
        if not isinstance(name, str) or not name or _is_local(name) or _is_address(name):
            return
        host = name
    else:
        return
    _refused.append(f"{event} {host!r}")
    raise NetworkRefusedError(f"tests stay on this machine: {event} {host!r}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def refused_connections() -> Iterator[list[str]]:
    """Fail the test that reached out, even when the code under test swallowed the refusal."""
    _refused.clear()
    yield _refused
    if _refused:
        pytest.fail(f"the test reached beyond this machine: {', '.join(_refused)}")
