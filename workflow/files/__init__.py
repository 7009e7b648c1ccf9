"""Archives on disk: where they lie, how no crash can hurt them, how they are checked.

Everything here blocks and runs in threads.

    folder      a node's own archives: the paths of a generation, and whole files put in place
    appending   new archives behind the committed bytes of ``data``, hashed as they are written
    torrents    the .torrent of a generation, from the one before and the new pieces
    found       archives as somebody else left them, read and never written
"""
