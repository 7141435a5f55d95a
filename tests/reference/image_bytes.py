"""Image files made for tests: good, odd and hostile ones. Nothing is stored."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

SIZE = (37, 23)
SUFFIX = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp"}


def picture(mode="RGB", size=SIZE):
    """Noise, by which every pixel can be told from its neighbours."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(3).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    if mode == "P":
        return Image.fromarray(np.repeat(values, 3, axis=2)[..., :3].copy()).quantize(32)
    if mode == "1":
        return Image.fromarray(values[..., 0]).convert("1")
    return Image.frombytes(mode, size, values.tobytes())


def encoded(kind, image=None, **options):
    """An image in one of the formats, without loss where the format allows."""
    lossless = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    stream = io.BytesIO()
    (image or picture()).save(stream, kind, **(lossless | options))
    return stream.getvalue()


def shown(data):
    """The pixels as Pillow has them, without any orientation or colour conversion."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_opencv(suffix, dtype, channels=3, value=0):
    shape = (64, 64, channels) if channels > 1 else (64, 64)
    return cv2.imencode(suffix, np.full(shape, value, dtype))[1].tobytes()


def chunk(name, content, crc=None):
    """A PNG chunk."""
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def with_chunk(png, name, content):
    """A PNG with one more chunk behind its header."""
    return png[:33] + chunk(name, content) + png[33:]


def png_of(width, height, *, depth=8, colour=2, body=b""):
    """A PNG with these numbers in its header and next to nothing in its body."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def segment(jpeg, marker, content):
    """A JPEG with one more segment at its beginning."""
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def with_frame(jpeg, *, bits=None, size=None, marker=None):
    """A JPEG with other numbers in its frame header."""
    at = jpeg.index(b"\xff\xc0")
    changed = bytearray(jpeg)
    if marker is not None:
        changed[at + 1] = marker
    if bits is not None:
        changed[at + 4] = bits
    if size is not None:
        changed[at + 5 : at + 9] = struct.pack(">HH", size[1], size[0])
    return bytes(changed)


def exif(*, orientation=None, colour_space=None, index=None):
    """EXIF data with an orientation, a colour space, an interoperability index."""
    data = Image.Exif()
    if orientation is not None:
        data[0x0112] = orientation
    if colour_space is not None:
        data[0x8769] = {0xA001: colour_space} | ({0xA005: {1: index}} if index else {})
    return data.tobytes()


def tiff(entries, *, order="<", body=b"", next_page=0):
    """A TIFF of one directory; entries are ``(tag, type, count, value)`` with the value in the entry."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(order + "HHI", tag, kind, count)
        directory += struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
    return mark + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", next_page) + body


def grey_tiff(width, height, *more, body=b"\x80" * 64, bits=8, next_page=0):
    """A grey TIFF without compression, with further entries."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (278, 4, 1, height),
    ]
    entries += [(279, 4, 1, len(body)), *more]
    offset = 8 + 2 + 12 * (len(entries) + 1) + 4
    return tiff(sorted([*entries, (273, 4, 1, offset)]), body=body, next_page=next_page)
