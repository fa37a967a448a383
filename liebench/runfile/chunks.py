"""A run file's outermost form: a signature, then frames, compressed and with checksums. Pure: bytes in, bytes out.

    signature   8 bytes; like PNG's it finds files that were sent as text: a high bit, a name, CR LF, ^Z, LF
    frame       kind u8, codec u8, packed u32, raw u32, the packed bytes, CRC-32 u32 over all of it; little-endian

Frames stand in the order in which they are needed: who wants the head alone stops there, and lengths let the others be
passed over. zlib is the one compressor that every CPython has; the byte for the codec leaves room for another.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from liebench.errors import RunUnreadable

SIGNATURE = b"\x89LB\r\n\x1a\n\x01"
HEAD, TAIL = struct.Struct("<BBII"), struct.Struct("<I")
MOST_RAW = 256 << 20  # bytes of one frame
LEVEL = 6
FILTERS = [{"id": 0x21, "preset": 9 | (1 << 31), "lc": 4, "lp": 0, "pb": 0}]  # LZMA2, tuned for text


class Codec(IntEnum):
    """How a frame is compressed. LZMA is for pages alone: it takes long, and not every Python has it."""

    PLAIN = 0
    ZLIB = 1
    LZMA = 2


class Kind(IntEnum):
    """What a frame holds."""

    RECORD = 1  # one record of a growing file, as JSON
    HEAD = 2  # what is neither a probe, a look nor a block
    PROBES = 3
    LOOKS = 4
    BLOCKS = 5
    REPS = 6  # repetitions without their samples: times, flags, arguments, alibis, facts
    JUDGED = 7  # samples of what the cases ask for
    OTHER = 8  # samples of everything else
    OFFSETS = 9  # when each sample began
    END = 10  # nothing: without it a file was cut off between two frames


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame. ``number``: its place in the file, from 1; ``at``: its first byte."""

    kind: int
    number: int
    at: int
    codec: int
    raw: int
    packed: bytes

    def data(self) -> bytes:
        """What it holds. Raises RunUnreadable where that is damaged, or larger than it says."""
        if self.codec == Codec.PLAIN:
            found = self.packed
        elif self.codec == Codec.ZLIB:
            try:
                found = zlib.decompressobj().decompress(self.packed, self.raw + 1)
            except zlib.error as error:
                raise refused(self.number, self.at, f"{error}") from error
        elif self.codec == Codec.LZMA:
            found = self._by_lzma()
        else:
            raise refused(self.number, self.at, f"a compressor that this liebench does not know ({self.codec})")
        if len(found) != self.raw:
            raise refused(self.number, self.at, f"it holds {len(found)} bytes or more where {self.raw} are stated")
        return found

    def _by_lzma(self) -> bytes:
        import lzma  # not every Python was built with it; only pages need it

        try:
            opener = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
            return opener.decompress(self.packed, self.raw + 1)
        except (lzma.LZMAError, EOFError) as error:
            raise refused(self.number, self.at, f"{error}") from error


def refused(number: int, at: int, why: str) -> RunUnreadable:
    return RunUnreadable(f"frame {number} at byte {at} is damaged: {why}; nothing was changed")


def framed(kind: Kind, data: bytes, codec: Codec = Codec.ZLIB) -> bytes:
    """One frame; plain where compressing it gains nothing."""
    if codec == Codec.LZMA:
        import lzma

        packed = lzma.compress(data, lzma.FORMAT_RAW, filters=FILTERS)
    else:
        packed = zlib.compress(data, LEVEL)
    if len(packed) >= len(data):
        packed, codec = data, Codec.PLAIN
    whole = HEAD.pack(kind, codec, len(packed), len(data)) + packed
    return whole + TAIL.pack(zlib.crc32(whole))


def first_kind(data: bytes) -> int:
    """The kind of the first frame, which tells a growing file (records) from a finished one; 0 where there is none."""
    return data[len(SIGNATURE)] if len(data) > len(SIGNATURE) else 0


def frames(data: bytes, growing: bool = False) -> Iterator[Frame]:
    """The frames of a file. Raises RunUnreadable with number and byte of the one that is damaged.

    ``growing``: a last frame that is cut off was being written when its run was killed, and is passed over.
    """
    if data[: len(SIGNATURE)] != SIGNATURE:
        raise RunUnreadable("its first bytes are not those of a run file (was it sent as text?)")
    at, number = len(SIGNATURE), 1
    while at < len(data):
        end = at + HEAD.size
        kind, codec, packed, raw = HEAD.unpack(data[at:end]) if end <= len(data) else (0, 0, 0, 0)
        if end + packed + TAIL.size > len(data) or end > len(data):
            if growing:
                return
            raise refused(number, at, "it is cut off")
        body = data[at : end + packed]
        if TAIL.unpack_from(data, end + packed) != (zlib.crc32(body),):
            raise refused(number, at, "its checksum is wrong")
        if raw > MOST_RAW:
            raise refused(number, at, f"{raw} bytes in one frame")
        yield Frame(kind=kind, number=number, at=at, codec=codec, raw=raw, packed=data[end : end + packed])
        at, number = end + packed + TAIL.size, number + 1
