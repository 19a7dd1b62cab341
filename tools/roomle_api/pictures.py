"""Pictures as Roomle's: a sofa as a PNG, with or without a transparent background."""

import struct
import zlib
from functools import cache

type Colour = tuple[int, int, int]

SIZE = 1024
CLEAR = bytes(4)
WHITE = (255, 255, 255)
# Left, right, top and bottom of each block, and how bright it is, in the order of painting.
_BLOCKS = (
    (180, 844, 340, 600, 0.85),  # back
    (180, 500, 560, 680, 1.0),  # left cushion
    (524, 844, 560, 680, 1.0),  # right cushion
    (180, 844, 680, 760, 0.9),  # base
    (120, 190, 480, 760, 0.75),  # left arm
    (834, 904, 480, 760, 0.75),  # right arm
    (150, 180, 760, 800, 0.4),  # feet
    (844, 874, 760, 800, 0.4),
)


@cache
def sofa(colour: Colour, *, transparent: bool = True, size: int = SIZE) -> bytes:
    """A PNG of `size` × `size` pixels."""
    ground = CLEAR if transparent else bytes((*WHITE, 255))
    scale = size / SIZE
    rows = []
    for y in range(size):
        row = ground * size
        for left, right, top, bottom, bright in _BLOCKS:
            if top * scale <= y < bottom * scale:
                start, end = int(left * scale), int(right * scale)
                pixel = bytes((*(int(part * bright) for part in colour), 255))
                row = row[: start * 4] + pixel * (end - start) + row[end * 4 :]
        rows.append(b"\0" + row)  # no filter
    return _png(size, b"".join(rows))


def _png(size: int, rows: bytes) -> bytes:
    """The file (W3C's "Portable Network Graphics Specification"): 8 bits each of RGB and alpha."""
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
