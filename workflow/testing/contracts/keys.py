"""What every ``Keys`` promises."""

# ruff: noqa: S101, PLR2004
# An assertion is how a contract speaks, and the expected values are written out.

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from coincurve import PublicKey

from workflow.errors import KeyFileError
from workflow.ports.keys import Keys

ONE: Final = bytes(31) + b"\x01"
GENERATOR: Final = bytes.fromhex(
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
)
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST: Final = sha256(b"Satoshi Nakamoto").digest()
# The private key 1 and this digest stand in many libraries' tests of RFC 6979.
SIGNED: Final = bytes.fromhex(
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
)


class KeysContract(ABC):
    """Subclass it as ``TestSomething`` and say how to make the adapter."""

    @abstractmethod
    def open_keys(self, directory: Path) -> Keys:
        """Keys that are empty; ``directory`` is there for whatever they need."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Keys:
        """What each test is about."""
        return self.open_keys(tmp_path)

    def test_a_created_key_is_held(self, keys: Keys) -> None:
        """And its public key has the compressed form."""
        public_key = keys.create()
        assert len(public_key) == 33
        assert public_key[0] in {2, 3}
        assert keys.holds(public_key)

    def test_created_keys_differ(self, keys: Keys) -> None:
        """Each comes from the machine's randomness."""
        assert len({keys.create() for _ in range(10)}) == 10

    def test_an_added_key_derives_its_public_key(self, keys: Keys) -> None:
        """The private key 1 derives the curve's generator."""
        assert keys.add(ONE) == GENERATOR
        assert keys.holds(GENERATOR)

    def test_adding_again_is_adding_once(self, keys: Keys) -> None:
        """Nothing tells the second time from the first."""
        assert keys.add(ONE) == keys.add(ONE)
        keys.remove(GENERATOR)
        assert not keys.holds(GENERATOR)

    @pytest.mark.parametrize(
        "secret",
        [
            b"",
            b"\x01" * 31,
            b"\x01" * 33,
            bytes(32),
            ORDER.to_bytes(32, "big"),
            b"\xff" * 32,
            ONE.hex().encode(),
        ],
        ids=["empty", "short", "long", "zero", "order", "too great", "hex"],
    )
    def test_what_is_no_key_is_refused(self, keys: Keys, secret: bytes) -> None:
        """And the refusal does not quote it."""
        with pytest.raises(KeyFileError) as caught:
            keys.add(secret)
        assert not secret or secret.hex() not in caught.value.explained()

    def test_only_the_very_key_is_held(self, keys: Keys) -> None:
        """Not its mirror image, not its long form, not a part of it."""
        keys.add(ONE)
        mirrored = bytes([GENERATOR[0] ^ 1]) + GENERATOR[1:]
        uncompressed = PublicKey(GENERATOR).format(compressed=False)
        for other in (mirrored, uncompressed, GENERATOR[:-1], b"", bytes(33), b"\xff" * 300):
            assert not keys.holds(other)

    def test_random_bytes_are_as_many_as_asked_for(self, keys: Keys) -> None:
        """And others each time."""
        assert [len(keys.random(length)) for length in (0, 1, 32)] == [0, 1, 32]
        assert len({keys.random(16) for _ in range(100)}) == 100

    def test_a_removed_key_is_gone(self, keys: Keys) -> None:
        """Removing it again, or what was never here, does nothing."""
        public_key, other = keys.create(), keys.create()
        for _ in range(2):
            keys.remove(public_key)
            assert not keys.holds(public_key)
        with pytest.raises(KeyFileError):
            keys.sign(public_key, DIGEST)
        assert keys.holds(other)

    def test_a_signature_is_the_known_one(self, keys: Keys) -> None:
        """RFC 6979 makes it the same everywhere."""
        signature = keys.sign(keys.add(ONE), DIGEST)
        assert signature[:64] == SIGNED
        assert signature[64] in {0, 1}

    def test_a_signature_leads_back_to_its_key(self, keys: Keys) -> None:
        """And has the low of the two values of s."""
        public_key = keys.create()
        for number in range(20):
            digest = sha256(bytes([number])).digest()
            signature = keys.sign(public_key, digest)
            assert len(signature) == 65
            assert int.from_bytes(signature[32:64], "big") <= ORDER // 2
            found = PublicKey.from_signature_and_message(signature, digest, hasher=None)
            assert found.format() == public_key

    @pytest.mark.parametrize("length", [0, 31, 33, 64])
    def test_only_a_digest_is_signed(self, keys: Keys, length: int) -> None:
        """What is longer or shorter is a mistake of the caller's."""
        public_key = keys.create()
        with pytest.raises(ValueError, match="32"):
            keys.sign(public_key, bytes(length))

    def test_nothing_is_signed_without_the_key(self, keys: Keys) -> None:
        """The error says what to do."""
        with pytest.raises(KeyFileError) as caught:
            keys.sign(GENERATOR, DIGEST)
        assert GENERATOR.hex() in caught.value.place

    def test_the_private_key_is_not_shown(self, keys: Keys) -> None:
        """Neither as bytes nor in hexadecimal."""
        secret = sha256(b"not to be seen").digest()
        keys.add(secret)
        for text in (repr(keys), str(keys)):
            assert secret.hex() not in text.lower()
            assert repr(secret)[2:-1] not in text

    def test_threads_do_not_disturb_each_other(self, keys: Keys) -> None:
        """Every method may be called from any thread."""

        def use(number: int) -> bool:
            public_key = keys.create()
            digest = sha256(bytes([number])).digest()
            signature = keys.sign(public_key, digest)
            found = PublicKey.from_signature_and_message(signature, digest, hasher=None)
            is_right = keys.holds(public_key) and found.format() == public_key
            keys.remove(public_key)
            return is_right and not keys.holds(public_key)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(use, range(40)))
