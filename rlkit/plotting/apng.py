"""PNGs that are made fast, and animated ones in a palette of 256 colours: https://www.w3.org/TR/png-3/.

Pillow can write animations as well, but four times as large. Here each frame is only the rectangle that holds all
changes since the last frame. Inside it, what did not change has the colour `UNCHANGED`, which is transparent: long runs
of one byte, which zlib makes small.
"""

import struct
import zlib

import numpy as np

UNCHANGED = 255  # frames must not use this colour
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def fast_png(pixels):
    """The bytes of one picture, `[H, W, 3]` uint8, in half of Pillow's time: Pillow tries five filters on each row."""
    height, width, _ = pixels.shape
    rows = np.pad(pixels.reshape(height, 3 * width), ((0, 0), (1, 0)))  # a 0 before each row: no filter
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),  # three bytes a pixel
        (b"IDAT", zlib.compress(rows, 1)),
        (b"IEND", b""),
    ]
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)


def animated_png(frames, palette, milliseconds):
    """The bytes of an animation that repeats for ever.

    `frames` yields arrays `[H, W]` uint8, numbers of colours below 255, and is read one frame at a time. `palette` is
    `[256, 3]` uint8: red, green, blue. Each frame is shown for `milliseconds`.
    """
    body, last = [], None
    for frame in frames:
        y, x, part = (0, 0, frame) if last is None else changes(last, frame)
        number = max(0, len(body) - 1)  # of this fcTL chunk, counted with the fdAT chunks; the one IDAT is not counted
        body.append((b"fcTL", frame_control(number, y, x, part.shape, milliseconds)))
        data = zlib.compress(np.pad(part, ((0, 0), (1, 0))).tobytes(), 9)  # a 0 before each row: no filter
        body.append((b"IDAT", data) if last is None else (b"fdAT", struct.pack(">I", number + 1) + data))
        last = frame
    height, width = last.shape
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),  # 8 bits a pixel, with a palette
        (b"acTL", struct.pack(">II", len(body) // 2, 0)),  # the number of frames; 0: repeat for ever
        (b"PLTE", palette.tobytes()),
        (b"tRNS", bytes([255] * UNCHANGED + [0])),
        *body,
        (b"IEND", b""),
    ]
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)


def frame_control(number, y, x, shape, milliseconds):
    """The content of an fcTL chunk: where a frame lies, how long it is shown, and that it goes over the last one."""
    height, width = shape
    return struct.pack(">IIIIIHHBB", number, width, height, x, y, milliseconds, 1000, 0, 1)


def chunk(kind, data):
    """A chunk of a PNG: its length, its kind (four letters), its content and a checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def changes(last, frame):
    """Where the smallest rectangle with all changes begins, and its content -> y, x, `[h, w]` uint8."""
    changed = frame != last
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return 0, 0, np.full((1, 1), UNCHANGED, np.uint8)  # a frame needs at least one pixel
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return rows[0], columns[0], np.where(changed, frame, np.uint8(UNCHANGED))[box]
