"""A program that looks at everything that a whole process shares, and embeds a node meanwhile.

Prints, as JSON, what differed while it ran and afterwards: the name, before, and then.
"""

from __future__ import annotations

import asyncio
import builtins
import decimal
import faulthandler
import gc
import json
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sqlite3
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

# What is imported is not ours to answer for: transitions adds a filter for a warning of its own,
# and six a finder.
import apscheduler.schedulers.asyncio
import coincurve
import cryptography.hazmat.primitives.ciphers.aead
import google.protobuf.message
import libtorrent
import loguru
import transitions

THIRD = (apscheduler, coincurve, cryptography, google.protobuf, libtorrent, transitions)


def umask() -> int:
    found = os.umask(0o77)
    os.umask(found)
    return found


SHARED: dict[str, Callable[[], Any]] = {
    "signal handlers": lambda: {
        # That of asyncio.run for Ctrl-C is a partial, whose words change as its task goes on.
        int(one): getattr(signal.getsignal(one), "func", signal.getsignal(one))
        for one in signal.valid_signals()
    },
    "blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []),
    "warning filters": lambda: list(warnings.filters),
    "shown warnings": lambda: warnings.showwarning,
    "locale": lambda: locale.setlocale(locale.LC_ALL),
    "logging": lambda: (
        logging.root.level,
        list(logging.root.handlers),
        logging.root.manager.disable,
        logging.getLoggerClass(),
        logging.getLogRecordFactory(),
    ),
    "loguru handlers": lambda: list(loguru.logger._core.handlers),  # type: ignore[attr-defined]
    "loguru switched off": lambda: list(loguru.logger._core.activation_list),  # type: ignore[attr-defined]
    "hooks": lambda: (
        sys.excepthook,
        sys.unraisablehook,
        sys.displayhook,
        sys.breakpointhook,
        threading.excepthook,
        sys.gettrace(),
        sys.getprofile(),
        sys.get_asyncgen_hooks(),
    ),
    "event loop policy": lambda: asyncio.events._event_loop_policy,  # type: ignore[attr-defined]
    "environment": lambda: dict(os.environ),
    "working directory": os.getcwd,
    "file mode mask": umask,
    "import path": lambda: (list(sys.path), list(sys.path_hooks), list(sys.meta_path)),
    "names of the language": lambda: sorted(vars(builtins)),
    "timeout of sockets": socket.getdefaulttimeout,
    "decimals": lambda: str(decimal.getcontext()),
    "garbage collector": lambda: (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
    "interpreter": lambda: (
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.get_int_max_str_digits(),
        faulthandler.is_enabled(),
        threading.stack_size(),
        multiprocessing.get_start_method(allow_none=True),
    ),
    "limits": lambda: [
        resource.getrlimit(getattr(resource, name))
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    ],
    "adapters of sqlite3": lambda: dict(sqlite3.adapters),
    "converters of sqlite3": lambda: dict(sqlite3.converters),
    "streams": lambda: [(one.encoding, one.errors) for one in (sys.stdin, sys.stdout, sys.stderr)],
}


def look() -> dict[str, str]:
    return {name: repr(read()) for name, read in SHARED.items()}


def looked_at(loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    return {
        **look(),
        "event loop": repr(
            (loop.get_debug(), loop.get_exception_handler(), loop.get_task_factory())
        ),
    }


async def main() -> None:
    loop = asyncio.get_running_loop()
    before = looked_at(loop)
    import workflow  # noqa: PLC0415 - only now.

    async with workflow.open_node("node") as node:
        await node.enable()
        id = await node.create_community("gardeners")
        post = workflow.Post("1", "general", workflow.Author("1", "alice"), 1_700_000_000_000, "hi")
        await node.add_messages(id, [post])
        await node.archive_now(id)
        async for step in node.signals():
            if step.target == "ANNOUNCING":
                break
        during = looked_at(loop)
    after = looked_at(loop)
    sys.stdout.write(json.dumps([differing(before, during), differing(before, after)]))


def differing(before: dict[str, str], then: dict[str, str]) -> dict[str, list[str]]:
    return {name: [before[name], then[name]] for name in before if before[name] != then[name]}


if __name__ == "__main__":
    asyncio.run(main())
