"""The bytes of community archives, and nothing but bytes.

No module in this room knows a clock, a disk, a network or chance: whatever varies (the time, a
nonce, a private key's signature) is an argument, and equal arguments give equal bytes. What is
written here is byte for byte what status-go writes; what is read is believed only after it was
checked, and refused with a named error otherwise.

    history         all of it at once: messages -> archives, index, torrent, magnet link
    message         one message, as an archive holds it
    windows         seven days at a time
    pieces          where archives lie in ``data``: whole pieces, zero padding
    codec           many messages <-> one archive
    index           what ``data`` holds, and the id of every archive
    ratchet         archive or index, encrypted for the members of a community
    torrent         data and index as pieces: the metadata that peers agree on
    bencode         the notation of torrents, in its only form
    magnet          the link that names a torrent
    announcement    the signed message that says where the newest generation is
    hashing, wire   Keccak-256; protobuf's wire format, as far as it is read before parsing
    proto, pb       the specification's schemas, and the code generated from them

They import each other downwards only: ``history -> torrent, magnet, codec, ratchet``, then
``codec, torrent -> index -> pieces, windows, wire`` and ``torrent -> bencode``.
"""
