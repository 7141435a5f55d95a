"""Read photographs into one canonical form, and write images and masks without metadata.

Canonical means upright, 8 bit, RGB, sRGB: what :class:`vera.types.Photograph` holds. A photograph without a colour
profile, or with one that means sRGB, keeps its pixels exactly as Pillow's ``exif_transpose(image).convert("RGB")``.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vera.faces.image_file import decode, read_file
from vera.faces.marking import PNG_KEYWORD
from vera.files import printable, write_whole
from vera.types import Mask, Photograph, Pixels, VeraError

PNG_LEVEL = 3
"""DECISION: zlib level: lossless whatever it is; higher ones cost much time and save few bytes on photographs."""


def read_photograph(path: Path) -> Photograph:
    """Read an image file: EXIF orientation applied, converted to 8-bit sRGB.

    Args:
        path: JPEG, PNG, TIFF, WebP or BMP; with VerA's extras HEIC, AVIF, camera raw and DICOM; see :mod:`vera.faces.formats`.

    Returns:
        The photograph; ``name`` is the file's stem and ``digest`` the SHA-256 of its bytes.

    Raises:
        VeraError: no regular file, another format, depth or colour space, too many pixels, or damage (:mod:`vera.faces.image_file`).

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from vera.faces.photograph import read_photograph, write_png
        >>> path = Path(tempfile.mkdtemp()) / "grey.png"
        >>> write_png(path, np.full((40, 30, 3), 99, dtype=np.uint8))
        >>> photograph = read_photograph(path)
        >>> photograph.name, photograph.pixels.shape, int(photograph.pixels.max())
        ('grey', (40, 30, 3), 99)

    """
    path = Path(path)
    data = read_file(path)
    image = decode(data, printable(str(path)))
    digest = hashlib.sha256(data).hexdigest()
    return Photograph(pixels=image.pixels, name=printable(path.stem), digest=digest, warnings=image.warnings)


def photograph_from_pixels(pixels: Pixels, name: str) -> Photograph:
    """A photograph made in memory; its digest is the SHA-256 of size and pixels.

    Args:
        pixels: ``(H, W, 3)`` uint8, sRGB.
        name: used for output names.

    Raises:
        VeraError: for an array that is not ``(H, W, 3)`` uint8.

    Examples:
        >>> import numpy as np
        >>> from vera.faces.photograph import photograph_from_pixels
        >>> photograph = photograph_from_pixels(np.zeros((40, 30, 3), dtype=np.uint8), "black")
        >>> photograph.size, photograph.name
        ((40, 30), 'black')

    """
    _check_pixels(pixels)
    content = np.ascontiguousarray(pixels)
    digest = hashlib.sha256(repr(content.shape).encode() + content.tobytes()).hexdigest()
    return Photograph(pixels=content, name=name, digest=digest)


def write_png(path: Path, pixels_or_mask: Pixels | Mask, *, xmp: str | None = None) -> None:
    """Write an image or a mask as PNG: all or nothing, same input → same bytes, an sRGB chunk and no other metadata but the mark.

    Args:
        path: the file; its folder must exist.
        pixels_or_mask: ``(H, W, 3)`` uint8 sRGB, or ``(H, W)`` bool, which is written as grey 0 and 255.
        xmp: an XMP packet that marks the picture (:func:`vera.faces.marking.packet`); None for no mark. It changes no pixel.

    Raises:
        VeraError: for an array of another kind, or when the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from vera.faces.photograph import write_png
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> write_png(path, np.eye(8, dtype=bool))
        >>> path.is_file()
        True

    """
    replace_file(Path(path), encoded_png(pixels_or_mask, xmp=xmp))


def encoded_png(pixels_or_mask: Pixels | Mask, *, xmp: str | None = None) -> bytes:
    """The bytes of an image or a mask as PNG, as :func:`write_png` writes them.

    Args:
        pixels_or_mask: ``(H, W, 3)`` uint8 sRGB, or ``(H, W)`` bool, which becomes grey 0 and 255.
        xmp: an XMP packet that marks the picture; None for no mark.

    Raises:
        VeraError: for an array of another kind.

    """
    is_mask = pixels_or_mask.dtype == np.bool_ and pixels_or_mask.ndim == 2
    if not is_mask:
        _check_pixels(pixels_or_mask)
    array = np.where(pixels_or_mask, np.uint8(255), np.uint8(0)) if is_mask else pixels_or_mask
    chunks = PngInfo()
    chunks.add(b"sRGB", b"\x01")  # rendering intent 1: relative colorimetric, as in reading
    if xmp is not None:
        chunks.add_itxt(PNG_KEYWORD, xmp)
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(encoded, "PNG", pnginfo=chunks, compress_level=PNG_LEVEL)
    return encoded.getvalue()


def write_labels(path: Path, labels: npt.NDArray[np.uint8]) -> None:
    """Write a segmentation as PNG: class numbers, with the classes' colours as its palette; all or nothing.

    Args:
        path: the file; its folder must exist.
        labels: ``(H, W)`` class numbers below 13.

    Raises:
        VeraError: the file cannot be written.

    """
    encoded = io.BytesIO()
    indexed(labels).save(encoded, "PNG", compress_level=PNG_LEVEL)
    replace_file(Path(path), encoded.getvalue())


def indexed(labels: npt.NDArray[np.uint8]) -> Image.Image:
    """``(H, W)`` class numbers as an image that shows in the classes' colours."""
    from vera.ops.palette import PALETTE  # only now, since it brings torch, and photographs need none

    image = Image.fromarray(labels)
    image.putpalette(bytes(np.array(PALETTE, np.uint8)))
    return image


def _check_pixels(pixels: Pixels | Mask) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise VeraError(f"an image must be an (H, W, 3) array of uint8, this is {pixels.shape} of {pixels.dtype}")


def replace_file(path: Path, content: bytes) -> None:
    """Write beside the target and move over it, so that no half-written file ever carries its name; a VeraError if it cannot be written."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise VeraError(f"'{path}' cannot be written ({error.strerror}): choose a folder you may write to") from error
