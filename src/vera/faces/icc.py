"""ICC profiles built from primaries and a transfer curve, for files that name their colour space but carry no profile."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""``x, y`` of red, green, blue and white (IEC 61966-2-1, with D65)."""
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
"""Adobe RGB (1998)."""
ADOBE_GAMMA = 563 / 256
"""Exponent of Adobe RGB (1998)."""
DISPLAY_P3 = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.3290)
"""SMPTE EG 432-1."""
BT_2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
"""ITU-R BT.2020."""

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space, XYZ."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""XYZ to the cone responses in which white points are adapted (ICC.1, annex E)."""
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters g, a, b, c, d of ICC's parametric curve of type 3."""


def profile(primaries: Sequence[float], gamma: float | None, *, device: bytes = b"mntr", title: str = "") -> bytes:
    """An RGB profile (matrix and curve, ICC version 4).

    Args:
        primaries: ``x, y`` of red, green, blue and white.
        gamma: exponent from stored values to light; None for the curve of sRGB.
        device: ICC's device class: a display, or ``b"scnr"`` for an input device, which DICOM asks for.
        title: name of the colour space; for a profile that is written into files.

    Raises:
        ValueError: for primaries that span no colours (``LinAlgError`` is one).

    """
    curve = _parametric(3, SRGB_CURVE) if gamma is None else _parametric(0, (gamma,))
    columns = colorants(primaries)
    tags = [(name, b"XYZ \0\0\0\0" + _fixed(columns[:, channel])) for channel, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    tags += [(b"wtpt", b"XYZ \0\0\0\0" + _fixed(D50))]
    if title:
        tags += [(b"desc", _text(title)), (b"cprt", _text("no copyright"))]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content
    header = struct.pack(">I4xI4s4s4s12x4s28x", at + len(body), 0x04300000, device, b"RGB ", b"XYZ ", b"acsp")
    return (header + _fixed(D50)).ljust(128, b"\0") + table + body


def colorants(primaries: Sequence[float]) -> npt.NDArray[np.float64]:
    """``(3, 3)``: linear RGB to XYZ relative to D50, white adapted (columns are red, green and blue)."""
    x, y = np.asarray(primaries, dtype=np.float64).reshape(4, 2).T
    if not (y > 0).all():
        raise ValueError("a primary without luminance")
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    white = xyz[:, 3]
    to_xyz = xyz[:, :3] * np.linalg.solve(xyz[:, :3], white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return np.asarray(adapt @ to_xyz, dtype=np.float64)


def _parametric(kind: int, numbers: Sequence[float]) -> bytes:
    return struct.pack(">4s4xHxx", b"para", kind) + _fixed(numbers)


def _text(text: str) -> bytes:
    """Encode a text in English as ICC's type ``mluc``; its length is brought to a multiple of 4."""
    encoded = text.encode("utf-16-be")
    return (struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(encoded), 28) + encoded).ljust(28 + len(encoded) + 3 & ~3, b"\0")


def _fixed(numbers: Sequence[float] | npt.NDArray[np.float64]) -> bytes:
    """Encode numbers in ICC's signed fixed-point format, 16 bits before and 16 after the point."""
    return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in numbers)
