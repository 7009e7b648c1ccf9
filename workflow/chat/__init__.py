"""What the messages say: read from other forms, and written to them.

    post            a message as people see it, and the channel it stands in
    payload         a post <-> the signed message that archives hold
    discord         read: the JSON of DiscordChatExporter, of any size and in any state
    discord_export  written: the same form
    jsonl           read and written: one message a line, without loss
    html            written: pages for people, which need no network
    media           the files of attachments
    folder          a folder of an export appears whole, or not at all

Readers are streams. They yield what they could read and, in its place, a ``Problem`` for what they
could not; whether a problem is fatal is the caller's decision. Nothing here knows a database, a
clock or a network.
"""
