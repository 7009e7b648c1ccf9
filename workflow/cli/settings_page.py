"""docs/settings.md: ``python -m workflow.cli.settings_page FILE`` (``make reference``)."""

from __future__ import annotations

import sys
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from workflow.cli.kinds import variable
from workflow.cli.settings import Settings

HEAD: Final = """\
# Settings

Written from `workflow/cli/settings.py` by `make reference`; do not edit.

A flag counts more than an environment variable, that more than the settings file, that more than
the default. `community-archives config` shows what is in force and where each value comes from;
with `--json` it is `{"settings_file": PATH or null, "settings": {NAME: {"value", "source",
"place"}}}`, where `source` is `default`, `file`, `environment` or `flag`. What is misspelt or
cannot be meant ends a command with [`settings-invalid`](errors.md), the file and the line.

| in the file | flag | variable | what | default | meaning |
|---|---|---|---|---|---|
"""
TAIL: Final = """
Lists are given by repeating the flag, and in a variable with spaces between. A list or table that
counts more replaces the other one as a whole. `notify_command` is started without a shell.

## The file

```toml
network = "public"
listen = "6881"
trackers = ["udp://tracker.example.org:1337/announce"]
announce_every = 8
notify_command = "systemd-cat -t community-archives"

[libtorrent]
upload_rate_limit = 2000000
```

It is called `settings.toml` and lies in the data directory, or in the first of these folders that
has one:

1. `$CONFIGURATION_DIRECTORY`, which systemd sets; then the other two are not looked at;
2. the user's folder of configuration, `~/.config/community-archives`;
3. `/etc/community-archives`.

A settings file is about one data directory. In one of these folders it names it, `data_dir =
"/srv/archives"`, or else is about the default one. It does not count for another `--data-dir`,
and not when that directory has a file of its own. A user who may not look into a folder has no
file there.

## The data directory

`--data-dir`, `COMMUNITY_ARCHIVES_DATA_DIR`, `data_dir` in a folder of configuration,
`$STATE_DIRECTORY` (under systemd: `/var/lib/community-archives`), or the user's folder of data,
`~/.local/share/community-archives`: the first of these that says something.

## Other variables

| variable | meaning |
|---|---|
| `COMMUNITY_ARCHIVES_PASSPHRASE_FILE` | a file; its first line opens the private keys |
| `COMMUNITY_ARCHIVES_TRACEBACK` | anything: an error tells where it happened |
"""


def page() -> str:
    """The whole page, in Markdown."""
    return HEAD + "".join(_row(one) for one in fields(Settings) if one.metadata) + TAIL


def _row(field: Any) -> str:
    about = field.metadata["about"]
    cells = (
        f"`{field.name}`",
        f"`{about.flag}`" if about.flag else "",
        f"`{variable(field.name)}`",
        about.kind.words,
        f"`{_plain(field.default)}`" if isinstance(field.default, str | float) and field.default
        != "" else "",
        about.text,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _plain(value: str | float) -> str:
    if isinstance(value, StrEnum):
        return value.value
    return value if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
