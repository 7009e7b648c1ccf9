from __future__ import annotations

from pathlib import Path

from workflow.adapters.keys.files import KeyFiles
from workflow.ports.keys import Keys
from workflow.testing import KeysContract, MemoryKeys


class TestMemoryKeysContract(KeysContract):
    def open_keys(self, directory: Path) -> Keys:
        return MemoryKeys()


class TestKeyFilesContract(KeysContract):
    def open_keys(self, directory: Path) -> Keys:
        return KeyFiles(directory / "keys")
