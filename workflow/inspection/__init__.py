"""Archives, looked at from outside: what they hold, what is wrong with them, how two differ.

Nothing is changed, no node is needed, and nothing is believed: whatever the bytes are, the answer
is what is sound in them and a list of problems. Archives are read one at a time.

    findings     what comes out
    entries      those of an index, each by itself
    opening      which files belong to a path, told by their content
    contents     the messages of one archive, as far as they can be read
    looking      one path: ``inspect`` and ``inspect_archive``
    comparing    two paths: ``compare``
    positions    from a byte to the field it lies in
    ratchet_keys the keys to encrypted archives, from a text file
"""

from workflow.inspection.comparing import compare
from workflow.inspection.findings import (
    ByteDifference,
    Comparison,
    Inspection,
    Problem,
    SeenArchive,
    SeenMessage,
    SeenTorrent,
    WindowDifference,
)
from workflow.inspection.looking import inspect, inspect_archive
from workflow.inspection.ratchet_keys import read_ratchet_keys

__all__ = [
    "ByteDifference",
    "Comparison",
    "Inspection",
    "Problem",
    "SeenArchive",
    "SeenMessage",
    "SeenTorrent",
    "WindowDifference",
    "compare",
    "inspect",
    "inspect_archive",
    "read_ratchet_keys",
]
