"""The bytes of messages on the Waku network, and nothing but bytes.

No module in this room knows a clock, a disk, a network or chance: whatever varies (the time, random
bytes, a private key's signature) is an argument. What is written here is what status-go writes;
what is read is a stranger's, and refused by name rather than by an exception: on a public topic
most of it is somebody else's, so a refusal is nothing exceptional.

    sealing         one function each way: a message of ours <-> what a node carries
    segments        read: long messages in parts, and parts that were lost
    chats           what a chat is called on the network, and its key
    payload         26/WAKU2-PAYLOAD, version 1: padded, signed, encrypted
    message         14/WAKU2-MESSAGE: its hash, and whether nodes take it
    reed_solomon    a lost part from the others
    recent_hashes   which messages were seen lately
    refusal         why something that came in was not taken

They import each other downwards only.
"""
