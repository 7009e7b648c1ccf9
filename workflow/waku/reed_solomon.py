"""A lost part of a message from the others: Reed-Solomon over GF(2^8), as status-go's library.

Byte ``b`` of data part ``i`` is the value at the point ``i`` of a polynomial of a degree below the
number of data parts; byte ``b`` of parity part ``j`` is its value at the next points. So any part
is computed from as many others as there are data parts, by Lagrange's formula, and no matrix is
turned round. A point is a byte: there are 256 parts at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

_POLYNOMIAL: Final = 0x11D  # x^8 + x^4 + x^3 + x^2 + 1, with 2 as a generator
_ORDER: Final = 255  # elements that are not zero


def _powers() -> list[int]:
    powers = [1]
    while len(powers) < _ORDER:
        doubled = powers[-1] << 1
        powers.append(doubled ^ _POLYNOMIAL if doubled >> 8 else doubled)
    return powers


_POWERS: Final = _powers()
_LOGARITHMS: Final = {power: exponent for exponent, power in enumerate(_POWERS)}


def recover(parts: Mapping[int, bytes], wanted: Iterable[int]) -> dict[int, bytes]:
    """The parts at the points ``wanted``, from at least as many as there are data parts.

    ``parts`` are by their points, all of one length (1 byte or more); ``wanted`` are others. Points
    are 0 to 255. Takes time in proportion to the bytes of ``parts``, for each wanted one.
    """
    length = len(next(iter(parts.values())))
    weights = {
        point: -sum(_LOGARITHMS[point ^ other] for other in parts if other != point)
        for point in parts
    }
    recovered = {}
    for target in wanted:
        product = sum(_LOGARITHMS[target ^ point] for point in parts)
        total = 0
        for point, part in parts.items():
            exponent = (product - _LOGARITHMS[target ^ point] + weights[point]) % _ORDER
            total ^= int.from_bytes(part.translate(_times(exponent)), "little")
        recovered[target] = total.to_bytes(length, "little")
    return recovered


@cache
def _times(exponent: int) -> bytes:
    """Every byte multiplied by the generator's power, as a table for ``bytes.translate``."""
    return bytes(
        _POWERS[(_LOGARITHMS[byte] + exponent) % _ORDER] if byte else 0 for byte in range(256)
    )
