"""Waku, through the REST interface of nodes that somebody runs: go-waku, nwaku, logos-delivery.

A node joins the network, passes messages on and may keep them; this package asks it over HTTP and
does everything that takes knowledge of chats. What nodes promise is little: a poll empties a
queue that others may empty too, a 200 is no proof that anything was passed on, and a restart
forgets who has subscribed. So every promise of the port is kept by asking again.

    messaging     the port
    following     nodes that are polled, and what they bring handed on
    publishing    a message sent until a store has it
    recalling     what stores remember, of several nodes and topics, in the order of time
    looking       a node looked at from outside, without being followed
    node          one node: HTTP, time-outs, whether it answers
    opening       messages of the network -> messages of chats
    dialects      JSON of nodes <-> messages of the network, pure
    settings      which nodes and topics, and limits

They import each other downwards only. All but the last three load httpx, which takes a while:
whoever only checks settings imports those alone.
"""
