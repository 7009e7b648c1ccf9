"""A notebook without its page: IPython runs cells with top-level await, all on one loop.

Takes the cells as JSON; prints, as JSON, what each cell's last line displays, by its media type.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

os.environ["IPYTHONDIR"] = os.path.join(os.getcwd(), "ipython")  # noqa: PTH109, PTH118

from IPython.core.interactiveshell import InteractiveShell


async def main() -> None:
    shell: Any = InteractiveShell.instance()  # hardly typed
    shell.history_manager.enabled = False
    shown = []
    for cell in json.loads(sys.argv[1]):
        code = shell.transform_cell(cell)
        found = await shell.run_cell_async(cell, transformed_cell=code)
        found.raise_error()
        displayed = None if found.result is None else shell.display_formatter.format(found.result)
        shown.append(displayed[0] if displayed else {})
        await asyncio.sleep(0)  # As a kernel, which waits for the next cell.
    sys.stdout.write(json.dumps(shown))


if __name__ == "__main__":
    asyncio.run(main())
