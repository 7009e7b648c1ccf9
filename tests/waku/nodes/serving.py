"""How a client reaches a node: in the same process, or on a real port of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import uvicorn

from tests.waku.nodes.exchange import HangupError, Receive, Scope, Send
from tests.waku.nodes.node import WakuNode


class InProcess(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``: requests go to the node whose ``url`` they name.

    No time passes but that of the nodes' clock; httpx's own limits of time do not apply. A node
    that is down, or that nobody knows, is ``httpx.ConnectError``; no answer or half of one is
    ``httpx.RemoteProtocolError``. Who uses ``node.app`` without this gets the ``ConnectionError``
    of the node as it is.
    """

    def __init__(self, *nodes: WakuNode) -> None:
        self._nodes: Final = {
            httpx.URL(node.url).host: httpx.ASGITransport(node.app) for node in nodes
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if (node := self._nodes.get(request.url.host)) is None:
            raise httpx.ConnectError(f"nobody is at {request.url.host}", request=request)
        try:
            return await node.handle_async_request(request)
        except ConnectionRefusedError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except (ConnectionResetError, HangupError) as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error


@asynccontextmanager
async def served(node: WakuNode) -> AsyncIterator[str]:
    """The node's URL, on a free port of 127.0.0.1, in the running loop.

    While the node is down, connections are taken and broken off at once (``httpx.ReadError`` or
    ``httpx.RemoteProtocolError``); after the block they are refused (``httpx.ConnectError``).
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await node.app(scope, receive, send)
        except HangupError:
            return  # uvicorn closes a connection whose answer is not complete
        except (ConnectionRefusedError, ConnectionResetError):
            _break_off(server)

    # Without the protocol's name asyncio leaves Nagle's algorithm on: 40 ms more for each answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    # Its own main loop would take over the signals of this process.
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await _end(server)


async def _end(server: uvicorn.Server) -> None:
    """Break off what is open, slow answers too, and wait until all is closed."""
    for listener in server.servers:
        listener.close()
    _break_off(server)
    tasks = tuple(server.server_state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for listener in server.servers:
        await listener.wait_closed()


def _break_off(server: uvicorn.Server) -> None:
    for connection in tuple(server.server_state.connections):
        connection.transport.abort()
