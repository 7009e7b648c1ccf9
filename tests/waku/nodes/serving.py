"""How a client reaches a node: in the same process, or on a real port of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.waku.nodes.exchange import HangupError, Receive, Scope, Send
from tests.waku.nodes.node import WakuNode


class InProcess(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient(transport=...)``: requests go to the node whose ``url`` they name.

    No time passes but that of the nodes' clock; httpx's own limits of time do not apply. A node
    that is down, or that nobody knows, is ``httpx.ConnectError``; a half answer is
    ``httpx.RemoteProtocolError``. Who uses ``node.app`` without this gets
    ``ConnectionRefusedError`` and ``HangupError`` as they are.
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
        except HangupError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error


@asynccontextmanager
async def served(node: WakuNode) -> AsyncIterator[str]:
    """The node's URL, on a free port of 127.0.0.1, in the running loop.

    While the node is down, connections are taken and broken off at once (``httpx.ReadError`` or
    ``httpx.RemoteProtocolError``); after the block they are refused (``httpx.ConnectError``).
    """

    class Connection(H11Protocol):
        def data_received(self, data: bytes) -> None:
            if node.faults.is_down:
                self.transport.abort()
            else:
                super().data_received(data)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await node.app(scope, receive, send)
        except HangupError:
            return  # uvicorn closes a connection whose answer is not complete
        except ConnectionRefusedError:  # went down while it answered
            start = {"type": "http.response.start", "status": 200}
            await send({**start, "headers": [(b"content-length", b"1")]})

    # Only a socket that says TCP gets TCP_NODELAY from asyncio; else each answer waits 40 ms.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=Connection,
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
    state = server.server_state
    for connection in tuple(state.connections):
        connection.transport.abort()
    for task in tuple(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    for listener in server.servers:
        await listener.wait_closed()
