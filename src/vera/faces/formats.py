"""Recognise image formats by a file's first bytes: the few that are read, and the names of those that are refused.

Photographs, masks and training images pass here. A file's suffix is not believed, and no decoder outside :data:`FORMATS` ever runs:
Pillow alone knows some forty formats, one of which (EPS) starts another program.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from vera.types import VeraError

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
"""What Pillow decodes, in its names. DECISION: JPEG 2000 is not among them: Pillow cuts its 10 to 16 bits down to 8 without a word."""
CAMERA_RAW = "camera raw"
"""First words of the names of all camera raw formats."""
EXTRAS = {"HEIC": "heic", "AVIF": "heic", "DICOM": "dicom", CAMERA_RAW: "raw"}
"""Formats that are read where one of VerA's extras is installed, and the extra; see :mod:`vera.faces.opened`."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""Files in a folder that are taken for photographs."""
MOST_PIXELS = 120_000_000
"""DECISION: no photograph or mask is larger (medium format cameras have 102 megapixels, telephones 108); checked before decoding."""
MOST_BYTES = 512 * 2**20
"""DECISION: no file is larger; enough for :data:`MOST_PIXELS` with transparency and without compression."""
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files of one's own (``UnidentifiedImageError`` is an ``OSError``)."""
EXPORT = "export it as 8-bit JPEG, PNG or TIFF"
"""What to do with a file that is not read."""

DICOM_START = (128, b"DICM")
"""Where a DICOM file says what it is."""
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (*DICOM_START, "DICOM"),  # first, since a TIFF's beginning may lie in the 128 bytes before
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"CR\x02\x00", "camera raw (CR2)"),
    (8, b"IIII", "camera raw (IIQ)"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"%PDF", "PDF"),
    (0, b"\x1a\x45\xdf\xa3", "video"),
    (8, b"AVI LIST", "video"),
    (0, b"GIF8", "GIF"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "PSD"),
    (0, b"FUJIFILMCCD-RAW", "camera raw (RAF)"),
    (0, b"IIRO", "camera raw (ORF)"),
    (0, b"IIRS", "camera raw (ORF)"),
    (0, b"MMOR", "camera raw (ORF)"),
    (0, b"IIU\x00", "camera raw (RW2)"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"PK\x03\x04", "ZIP or an office document"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "SVG or XML"),
    (0, b"P4", "Netpbm"),
    (0, b"P5", "Netpbm"),
    (0, b"P6", "Netpbm"),
)
"""``(offset, bytes, name)``; the first that fits is the format."""
BRANDS = (
    {b"avif": "AVIF", b"avis": "AVIF sequence", b"crx ": "camera raw (CR3)"}
    | dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1"), "HEIC")
    | dict.fromkeys((b"hevc", b"hevx", b"msf1"), "HEIC sequence")
)
"""Kinds of ISO media files (``ftyp`` at byte 4) by their major brand; any other one is a video."""

START = 256
"""Bytes from which every format is told."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""JPEG markers that open a frame header."""
REFUSED_FRAMES = {0xC3: "lossless JPEG", 0xCB: "lossless JPEG", 0xF7: "JPEG-LS"}
SUBFILE_TYPE, OLD_SUBFILE_TYPE, BITS, PHOTOMETRIC, SAMPLE_FORMAT, PLANES, DNG_VERSION = 254, 255, 258, 262, 339, 284, 50706
"""TIFF tags."""
FILTER_MOSAICS = frozenset({32803, 34892})
"""Photometric interpretations of TIFF-like camera raw files: a mosaic of colour filters, and linear raw."""


def named(data: bytes) -> str | None:
    """The name of a file's format in :data:`SIGNATURES` or :data:`BRANDS`; None for an unknown one.

    Args:
        data: the file's bytes, or its first :data:`START` at least.

    """
    known = next((name for offset, first, name in SIGNATURES if data[offset : offset + len(first)] == first), None)
    return BRANDS.get(data[8:12], "video") if known is None and data[4:8] == b"ftyp" else known


def recognise(data: bytes, shown: str) -> str:
    """The format of a file that may be read, by the name in :data:`SIGNATURES` or :data:`BRANDS`.

    Args:
        data: all bytes of the file.
        shown: name of the file in messages.

    Raises:
        VeraError: the format is not supported, or this is no image; the message names the format where it is known.

    """
    known = named(data)
    if known is None:
        raise VeraError(f"'{shown}' is not an image in a format that VerA reads: give a JPEG, PNG or TIFF file")
    if known in FORMATS or known in EXTRAS or known.startswith(CAMERA_RAW):
        return _camera_raw(data) or known if known == "TIFF" else known
    alone = ", or give a short clip alone, as the one file of `vera anonymize`" if known == "video" else ""
    raise VeraError(f"'{shown}' cannot be used, {known} is not supported: {EXPORT}{alone}")


def check_variant(data: bytes, known: str, shown: str) -> None:
    """Refuse variants of a supported format that no decoder here reads correctly.

    Raises:
        VeraError: lossless JPEG, JPEG-LS, JPEG with more than 8 bits; signed or floating point numbers or other depths than 8 and
            16 bits in TIFF.

    """
    if known == "JPEG":
        marker, bits = _jpeg_frame(data)
        if marker in REFUSED_FRAMES:
            raise VeraError(f"'{shown}' cannot be used, {REFUSED_FRAMES[marker]} is not supported: {EXPORT}")
        if bits != 8:
            raise VeraError(f"'{shown}' cannot be used, JPEG with {bits} bits a channel is not supported: {EXPORT}")
    if known == "TIFF":
        tags = _first_directory(data)
        if any(sample != 1 for sample in tags.get(SAMPLE_FORMAT, ())):
            raise VeraError(f"'{shown}' cannot be used, TIFF with signed or floating point numbers is not supported: {EXPORT}")
        depths = set(tags.get(BITS, ()))
        deep = max(depths, default=1) > 8
        # 16-bit values have to be the picture itself, not inks or a palette, and lie pixel by pixel.
        if deep and (depths != {16} or tags.get(PHOTOMETRIC) not in (1, 2) or tags.get(PLANES, 1) != 1):
            raise too_deep(shown)


def too_deep(shown: str) -> VeraError:
    """The error for a depth that is not read."""
    return VeraError(f"'{shown}' does not have 8 bits a channel, and its depth is not supported: {EXPORT}")


def check_size(size: tuple[int, int], shown: str) -> None:
    """Raise a VeraError if an image of ``(width, height)`` is too large; called before anything is decoded."""
    if size[0] * size[1] > MOST_PIXELS:
        raise too_large(shown)


def too_large(shown: str) -> VeraError:
    """The error for too many pixels."""
    return VeraError(f"'{shown}' has more than the {MOST_PIXELS // 10**6} megapixels that are supported: make it smaller")


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """The content of a PNG's first chunk of this name before its pixels; None if there is none.

    Pillow passes over some chunks (``cICP``).
    """
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == name:
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return None


def _jpeg_frame(data: bytes) -> tuple[int, int]:
    """``(marker, bits a channel)`` of a JPEG's frame header; ``(0, 8)`` where there is none before the pixels (a damaged file)."""
    at = data.find(b"\xff", 2)
    while at >= 0 and at + 5 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # stuffing, and markers without a length
            at += 1
        elif marker in FRAMES:
            return marker, data[at + 4]
        elif marker in (0xD9, 0xDA):
            break
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        at = data.find(b"\xff", at)
    return 0, 8


def _camera_raw(data: bytes) -> str | None:
    """A name for TIFF files that camera raw data lie in; None for others, and for damaged ones."""
    try:
        tags = _first_directory(data)
        if DNG_VERSION in tags:
            return f"{CAMERA_RAW} (DNG)"
        preview = int(tags.get(SUBFILE_TYPE, 0)) & 1 or int(tags.get(OLD_SUBFILE_TYPE, 0)) == 2
        return CAMERA_RAW if preview or tags.get(PHOTOMETRIC) in FILTER_MOSAICS else None
    except Exception:  # Pillow raises almost anything on damaged bytes; the decoder will say so
        return None


def _first_directory(data: bytes) -> ImageFileDirectory_v2:
    """The tags of a TIFF's first image."""
    stream = io.BytesIO(data)
    tags = ImageFileDirectory_v2(stream.read(16 if data[2] == 43 or data[3] == 43 else 8))
    stream.seek(tags.next)
    tags.load(stream)
    return tags
