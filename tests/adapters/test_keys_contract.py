from __future__ import annotations

from pathlib import Path

import pytest

from workflow.adapters.keys.files import KeyFiles
from workflow.ports.keys import Keys
from workflow.testing import KeysContract, MemoryKeys


class TestMemoryKeysContract(KeysContract):
    def open_keys(self, directory: Path) -> Keys:
        return MemoryKeys()


class TestKeyFilesContract(KeysContract):
    def open_keys(self, directory: Path) -> Keys:
        return KeyFiles(directory / "keys")


@pytest.mark.usefixtures("few_rounds")
class TestEncryptedKeyFilesContract(KeysContract):
    def open_keys(self, directory: Path) -> Keys:
        return KeyFiles(directory / "keys", lambda: b"a passphrase of the tests")
