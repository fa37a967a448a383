"""Whole numbers as bytes: varints for few, planes for many. Pure.

Many numbers stand as planes: the lowest byte of all of them, then the next byte of all, as few planes as nearly all of
them need; the rest are listed with their places. Neighbouring bytes are then alike, which zlib finds, and reading them
back costs a few operations for the whole column instead of a few for each number.

Signed numbers are folded (zigzag: 0, -1, 1, -2 ... become 0, 1, 2, 3 ...).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from liebench.errors import RunUnreadable

MOST = 40_000_000  # numbers in one column: more than any run holds, and bounded memory for a hostile file
MOST_BYTES = 10  # of one varint: 64 bits
WIDTHS = range(9)


def put(out: bytearray, value: int) -> None:
    """One unsigned number, seven bits a byte, the lowest first (LEB128)."""
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


class Cursor:
    """Reads a frame from its start to its end. Raises RunUnreadable, naming the frame, where it ends too early."""

    def __init__(self, data: bytes, place: str) -> None:
        self.data, self.place, self.at = data, place, 0

    def refuse(self, why: str) -> RunUnreadable:
        return RunUnreadable(f"the frame {self.place} is damaged at byte {self.at}: {why}; nothing was changed")

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if not 0 <= count <= len(self.data) - self.at:
            raise self.refuse(f"{count} more bytes should follow, and {len(self.data) - self.at} do")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        """The next varint."""
        value = 0
        for shift in range(0, 7 * MOST_BYTES, 7):
            if self.at >= len(self.data):
                raise self.refuse("it is cut off within a number")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise self.refuse("a number of more than 64 bits")

    def count(self) -> int:
        """The next varint, as how many of something follow."""
        value = self.number()
        if value > MOST:
            raise self.refuse(f"{value} numbers in one column")
        return value

    def ints(self) -> list[int]:
        """The next column that ``put_ints`` wrote."""
        count, unit, width, far = self.count(), self.number(), self.number(), self.count()
        if width not in WIDTHS or far > count:
            raise self.refuse(f"a column of {count} numbers with {width} planes and {far} exceptions")
        places, values = [self.number() for _ in range(far)], [self.number() for _ in range(far)]
        found = self._planes(count, width)
        at = -1
        for step, value in zip(places, values, strict=True):
            at += step + 1
            if at >= count:
                raise self.refuse(f"an exception at place {at} of {count}")
            found[at] = value
        if unit == 1:
            return [(v >> 1) ^ -(v & 1) for v in found]
        return [((v >> 1) ^ -(v & 1)) * unit for v in found]

    def _planes(self, count: int, width: int) -> list[int]:
        if width == 0:
            return [0] * count
        planes = [self.take(count) for _ in range(width)]
        if width == 1:
            return list(planes[0])
        if width == 2:
            return [low | high << 8 for low, high in zip(*planes, strict=True)]
        whole = bytearray(8 * count)
        for n, plane in enumerate(planes):
            whole[n::8] = plane
        return list(memoryview(bytes(whole)).cast("Q"))


def put_ints(out: bytearray, values: Sequence[int]) -> None:
    """A column of signed numbers of up to 63 bits, as multiples of what divides all of them."""
    unit = math.gcd(*values) or 1
    numbers = [(v << 1) if v >= 0 else (-v << 1) - 1 for v in (values if unit == 1 else [v // unit for v in values])]
    width = _width(numbers)
    top = 1 << 8 * width
    far = [(i, v) for i, v in enumerate(numbers) if v >= top]
    for value in (len(numbers), unit, width, len(far)):
        put(out, value)
    before = -1
    for i, _ in far:
        put(out, i - before - 1)
        before = i
    for _, value in far:
        put(out, value)
    near = [0 if v >= top else v for v in numbers] if far else numbers
    for plane in range(width):
        out += bytes([v >> 8 * plane & 255 for v in near])


def _width(numbers: Sequence[int]) -> int:
    """How many planes cost least: a plane costs each number a byte, an exception some three bytes and its own."""
    sizes = [0] * 9
    for value in numbers:
        bytes_ = (value.bit_length() + 7) // 8
        if bytes_ > 8:
            raise ValueError(f"{value} has more than 64 bits")
        sizes[bytes_] += 1
    costs = [
        width * len(numbers) + sum(count * (3 + bytes_) for bytes_, count in enumerate(sizes) if bytes_ > width)
        for width in WIDTHS
    ]
    return costs.index(min(costs))
