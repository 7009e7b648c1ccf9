"""go-waku's REST interface, as a real node (0ed94ce0) answered; what was not seen says so.

Errors of its handlers are text without a content type of their own, so Go guesses one; a failed
publish is 500 without a word.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from tests.waku.nodes.exchange import Answer, Request, text
from tests.waku.nodes.go_parsing import RefusedError, parsed_message
from tests.waku.nodes.go_stores import JSON, json_answer, older_store, store, told
from workflow.waku.message import GO_WAKU_LIMIT, WakuMessage

if TYPE_CHECKING:
    from tests.waku.nodes.node import WakuNode

LIMIT: Final = GO_WAKU_LIMIT
TEXT: Final = "text/plain; charset=utf-8"
VERSION: Final = "v0.9.0-0ed94ce0"


def answer(node: WakuNode, request: Request) -> Answer:
    given = _answer(node, request)
    given.headers["access-control-allow-origin"] = "*"
    return given


def failed() -> Answer:
    return Answer(500, content_type=JSON)


def limited(request: Request) -> Answer:
    """Its own store limits nobody. What the peer that it asks says is 500 here."""
    if request.segments == ("store", "v3", "messages"):
        sentence = "429 - TOO_MANY_REQUESTS"  # from source, untested
        return json_answer({"messages": None, "error_message": sentence}, 500)
    return text(429, "Too Many Requests", TEXT)  # by what may stand before it


def _answer(node: WakuNode, request: Request) -> Answer:
    match request.segments:
        case ("relay", "v1", "subscriptions"):
            endpoints = {"POST": _subscribe, "DELETE": _unsubscribe}
        case ("relay", "v1", "messages", _):
            endpoints = {"GET": _poll, "POST": _publish}
        case ("store", "v1", "messages"):
            endpoints = {"GET": older_store}
        case ("store", "v3", "messages"):
            endpoints = {"GET": store}
        case ("health",):
            endpoints = {"GET": _health}
        case ("debug", "v1", "info"):
            endpoints = {"GET": _info}
        case ("debug", "v1", "version"):
            endpoints = {"GET": _version}
        case _:
            return text(404, "404 page not found\n", TEXT)
    if (endpoint := endpoints.get(request.method)) is None:
        return Answer(405, headers={"allow": ", ".join(endpoints)})
    return endpoint(node, request)


# ------------------------------------------------------------------------------------------- relay


def _subscribe(node: WakuNode, request: Request) -> Answer:
    if (topics := _topics(request)) is None:
        return Answer(400)
    for topic in topics:
        node.subscribe(topic)
    return json_answer(value=True)


def _unsubscribe(node: WakuNode, request: Request) -> Answer:
    if (topics := _topics(request)) is None:
        return Answer(400)
    for topic in topics:
        node.unsubscribe(topic)
    return json_answer(value=True)


def _poll(node: WakuNode, request: Request) -> Answer:
    polled = node.poll(_topic(request))
    if polled is None:
        return text(404, "no subscription found for pubsubTopic", TEXT)
    return json_answer([_told(message) for message in polled] or None)


def _publish(node: WakuNode, request: Request) -> Answer:
    topic = _topic(request)
    try:
        message = parsed_message(request.body)
    except RefusedError as refused:
        return text(400, str(refused), TEXT)
    is_too_long = len(message.encode()) > LIMIT
    if is_too_long or not node.relays(topic) or node.faults.is_apart:
        return failed()
    node.publish(topic, message)
    return json_answer(value=True)


def _topic(request: Request) -> str:
    return unquote_plus(request.segments[-1])


def _topics(request: Request) -> list[str] | None:
    try:
        topics = json.loads(request.body)
    except ValueError:
        return None
    is_list = isinstance(topics, list) and all(isinstance(topic, str) for topic in topics)
    return topics if is_list else None


def _told(message: WakuMessage) -> dict[str, object]:
    """What is unset is left out, but ``ephemeral`` is null."""
    return {**told(message, has_meta=True), "ephemeral": message.ephemeral}


# ------------------------------------------------------------------------------------------ health


def _health(node: WakuNode, request: Request) -> Answer:
    return json_answer("Non RLN healthcheck is not implemented", 501)


def _info(node: WakuNode, request: Request) -> Answer:
    enr = "enr:-" + node.address.rpartition("/")[2]
    return json_answer({"enrUri": enr, "listenAddresses": [node.address]})


def _version(node: WakuNode, request: Request) -> Answer:
    return json_answer(VERSION)
