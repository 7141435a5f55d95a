"""Make ``docs/formats.md``: which formats, depths, orientations and colour spaces are read, and whether exactly.

python docs/formats.py           write the table
python docs/formats.py --check   exit code 1 if the table is not what the reader gives

Each cell is measured: a small file is made in memory and read. Nothing in the table is typed by hand but its rows and columns.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from tests.reference.clinic_files import dicom, dicom_of_jpeg, dng, heic, mosaic_of  # noqa: E402
from tests.reference.image_bytes import by_opencv, encoded, exif, picture, with_chunk, with_frame  # noqa: E402

from vera.faces import icc  # noqa: E402
from vera.faces.image_file import UPRIGHT, decode  # noqa: E402
from vera.types import Pixels, VeraError  # noqa: E402

PAGE = ROOT / "docs" / "formats.md"
PIXELS = np.asarray(picture())
DISPLAY_P3 = icc.profile(icc.DISPLAY_P3, None)
ADOBE_RGB = icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
MOSAIC = np.random.default_rng(4).integers(0, 65536, (24, 32)).astype(float)
HEAD = """# File formats

Made by `python docs/formats.py`; do not edit it by hand. `make test` makes the table anew. For each cell a small file was made and read.

**Bit for bit** always refers to the *photograph as it was read*: decoded, turned upright, in sRGB with 8 bits a channel. The preserved
region of every output equals that photograph, whatever format it came from. How it is read:

- **exact**: the pixels are those that were stored (or, where a format loses something, those that its usual decoder gives). Turns move
  pixels and change none. A colour space is converted as for an 8-bit PNG with that profile; without one the values stay as they are.
- **rounded**: `round(255 * value / largest)`, so 8-bit values that were scaled up to 10 or 16 bits come back exactly.
- **within 1**: developed from raw data (LibRaw: the camera's white balance, the camera's matrix to sRGB, the curve of sRGB, no automatic
  brightness), and compared with the colour that the raw data hold. The same file and version of LibRaw give the same pixels again.
- **refused**: exit code 2 and one sentence that says what to do; nothing is written.
- **-**: the format has no such thing.

HEIC and AVIF need the extra `heic`, camera raw the extra `raw`, DICOM the extra `dicom`:
`pip install 'vera-anonymization[heic,raw,dicom]'`.

"""


class Row(NamedTuple):
    """A format at one depth.

    Attributes:
        name: what the table calls it.
        bits: bits a channel.
        plain: function that makes a file.
        expected: pixels of that file; None where only a refusal is expected.
        turned: function that makes one with an orientation of EXIF; None where the format has none.
        profiled: function that makes one with an ICC profile.
        named: function that makes one whose colour space is named, and the profile that stands for it.
        bright: function that makes one in high dynamic range (curve PQ of ITU-R BT.2100).
        exactly: the word for pixels that are as expected.

    """

    name: str
    bits: str
    plain: Callable[[], bytes]
    expected: Pixels | None = None
    turned: Callable[[int], bytes] | None = None
    profiled: Callable[[bytes], bytes] | None = None
    named: tuple[Callable[[], bytes], bytes] | None = None
    bright: Callable[[], bytes] | None = None
    exactly: str = "exact"


def by_pillow(data: bytes) -> Pixels:
    """Pixels as Pillow decodes them."""
    return np.asarray(Image.open(io.BytesIO(data), formats=["JPEG", "AVIF"]).convert("RGB"))


def deep_png(**options: object) -> bytes:
    """A 16-bit PNG with the metadata of an 8-bit one."""
    shallow = encoded("PNG", **options)
    deep = by_opencv_of(".png")
    return deep[:33] + shallow[33 : shallow.index(b"IDAT") - 4] + deep[33:]


def by_opencv_of(suffix: str) -> bytes:
    """The picture with 16 bits, by OpenCV."""
    import cv2

    return bytes(cv2.imencode(suffix, PIXELS[..., ::-1].astype(np.uint16) * 257)[1].tobytes())


def deep_tiff(orientation: int = 1, profile: bytes | None = None) -> bytes:
    """The picture as a 16-bit TIFF, by tifffile."""
    stream = io.BytesIO()
    turn = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(stream, PIXELS.astype(np.uint16) * 257, photometric="rgb", metadata=None, extratags=turn, iccprofile=profile)
    return stream.getvalue()


def dcf(kind: str) -> tuple[Callable[[], bytes], bytes]:
    """A file that DCF marks as Adobe RGB."""
    return lambda: encoded(kind, exif=exif(colour_space=65535, index="R03")), ADOBE_RGB


def pillows(kind: str, name: str, expected: Pixels, **more: object) -> Row:
    """An 8-bit row of a format that Pillow writes with EXIF and profiles."""
    return Row(
        name,
        "8",
        lambda: encoded(kind),
        expected,
        lambda turn: encoded(kind, exif=exif(orientation=turn)),
        lambda profile: encoded(kind, icc_profile=profile),
        **more,  # type: ignore[arg-type]
    )


def palette(table: Pixels) -> dict[str, object]:
    """DICOM's attributes of a palette."""
    made: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        made[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        made[f"{name}PaletteColorLookupTableData"] = np.ascontiguousarray(table[:, channel]).tobytes()
    return made


def rows() -> list[Row]:
    """The rows of the table."""
    grey = np.repeat(PIXELS[..., :1], 3, axis=2)
    table = np.random.default_rng(2).integers(0, 256, (256, 3), dtype=np.uint8)
    avif, jpeg = encoded("AVIF"), encoded("JPEG")
    deep = avif.index(b"av1C") + 6  # the byte that says whether there are more than 8 bits
    colour = np.full((24, 32, 3), (188, 137, 99), dtype=np.uint8)  # linear 1/2, 1/4, 1/8 in sRGB
    p3 = {"color_primaries": 12, "transfer_characteristics": 13}
    pq = {"color_primaries": 9, "transfer_characteristics": 16}
    cicp_p3, cicp_pq = bytes((12, 13, 0, 1)), bytes((9, 16, 0, 1))
    return [
        pillows("JPEG", "JPEG", by_pillow(jpeg), named=dcf("JPEG")),
        Row("JPEG", "12", lambda: with_frame(jpeg, bits=12)),
        pillows(
            "PNG",
            "PNG",
            PIXELS,
            named=(lambda: with_chunk(encoded("PNG"), b"cICP", cicp_p3), DISPLAY_P3),
            bright=lambda: with_chunk(encoded("PNG"), b"cICP", cicp_pq),
        ),
        Row(
            "PNG",
            "16",
            lambda: by_opencv_of(".png"),
            PIXELS,
            lambda turn: deep_png(exif=exif(orientation=turn)),
            lambda profile: deep_png(icc_profile=profile),
            (lambda: with_chunk(by_opencv_of(".png"), b"cICP", cicp_p3), DISPLAY_P3),
            lambda: with_chunk(by_opencv_of(".png"), b"cICP", cicp_pq),
            "rounded",
        ),
        pillows("TIFF", "TIFF", PIXELS, named=(lambda: encoded("TIFF", exif=exif(colour_space=2)), ADOBE_RGB)),
        Row("TIFF", "16", deep_tiff, PIXELS, deep_tiff, lambda profile: deep_tiff(profile=profile), exactly="rounded"),
        Row("TIFF", "32, floating point", lambda: by_opencv(".tiff", np.float32)),
        pillows("WEBP", "WebP", PIXELS, named=dcf("WEBP")),
        Row("BMP", "8", lambda: encoded("BMP"), PIXELS),
        Row(
            "HEIC",
            "8",
            heic,
            PIXELS,
            lambda turn: heic(orientation=turn),
            lambda profile: heic(icc_profile=profile),
            (lambda: heic(**p3), DISPLAY_P3),
            lambda: heic(**pq),
        ),
        Row(
            "HEIC",
            "10",
            lambda: heic(bits=10),
            PIXELS,
            lambda turn: heic(bits=10, orientation=turn),
            lambda profile: heic(bits=10, icc_profile=profile),
            (lambda: heic(bits=10, **p3), DISPLAY_P3),
            lambda: heic(bits=10, **pq),
            "rounded",
        ),
        pillows(
            "AVIF",
            "AVIF",
            by_pillow(avif),
            named=(lambda: avif.replace(b"nclx\0\1\0\x0d", b"nclx\0\x0c\0\x0d"), DISPLAY_P3),
            bright=lambda: avif.replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0\x10"),
        ),
        Row("AVIF", "10", lambda: avif[:deep] + bytes((avif[deep] | 64,)) + avif[deep + 1 :]),
        Row(
            "camera raw (DNG)",
            "16, linear",
            lambda: dng(mosaic_of((1 / 2, 1 / 4, 1 / 8))),
            colour,
            lambda turn: dng(MOSAIC, orientation=turn),
            exactly="within 1",
        ),
        Row(
            "DICOM, RGB",
            "8",
            dicom,
            PIXELS,
            None,
            lambda profile: dicom(ICCProfile=profile),
            (lambda: dicom(ColorSpace="ADOBERGB"), ADOBE_RGB),
        ),
        Row(
            "DICOM, JPEG within",
            "8",
            dicom_of_jpeg,
            by_pillow(jpeg),
            None,
            lambda profile: dicom_of_jpeg(ICCProfile=profile),
            (lambda: dicom_of_jpeg(ColorSpace="ADOBERGB"), ADOBE_RGB),
        ),
        Row("DICOM, MONOCHROME2", "8", lambda: dicom(PIXELS[..., 0]), grey),
        Row("DICOM, MONOCHROME1", "8", lambda: dicom(PIXELS[..., 0], PhotometricInterpretation="MONOCHROME1"), 255 - grey),
        Row("DICOM, PALETTE COLOR", "8", lambda: dicom(PIXELS[..., 0], **palette(table)), table[PIXELS[..., 0]]),
        Row("DICOM", "16", lambda: dicom(PIXELS[..., 0], BitsAllocated=16, BitsStored=12)),
        Row("DICOM, another class or encoding", "any", lambda: dicom(sop_class="1.2.840.10008.5.1.4.1.1.2")),
    ]


def read(data: bytes) -> Pixels | None:
    """Pixels of a photograph; None for a refusal."""
    try:
        return decode(data, "face").pixels
    except VeraError:
        return None


def cell(found: Pixels | None, expected: Pixels | None, word: str = "exact") -> str:
    """Compare what was read with what was expected."""
    if found is None:
        return "refused"
    if expected is None or found.shape != expected.shape:
        return "WRONG"
    most = int(np.abs(found.astype(int) - expected).max())
    return word if most <= (1 if word == "within 1" else 0) else f"off by {most}"


def turns(row: Row) -> str:
    """Compare all eight orientations with the upright picture."""
    if row.turned is None:
        return "refused" if row.expected is None else "-"
    stored = read(row.turned(1))
    if stored is None:
        return "refused"
    upright = {turn: np.asarray(Image.fromarray(stored).transpose(UPRIGHT[turn])) for turn in range(2, 9)}
    cells = {cell(read(row.turned(turn)), upright[turn]) for turn in range(2, 9)}
    return " or ".join(sorted(cells))


def converted(pixels: Pixels, profile: bytes) -> Pixels | None:
    """Pixels with a profile, converted as those of an 8-bit PNG."""
    return read(encoded("PNG", Image.fromarray(pixels), icc_profile=profile))


def colours(row: Row) -> list[str]:
    """Compare an ICC profile, a named colour space and high dynamic range."""
    stored = read(row.plain())
    if stored is None:
        return ["refused"] * 3
    profiled = "-" if row.profiled is None else cell(read(row.profiled(DISPLAY_P3)), converted(stored, DISPLAY_P3))
    named = "-" if row.named is None else cell(read(row.named[0]()), converted(stored, row.named[1]))
    return [profiled, named, "-" if row.bright is None else cell(read(row.bright()), None)]


def page() -> str:
    """The page as Markdown."""
    lines = [
        "| format | bits a channel | pixels | the 8 orientations | ICC profile (Display P3) | colour space by name | high dynamic range |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows():
        cells = [cell(read(row.plain()), row.expected, row.exactly), turns(row), *colours(row)]
        lines.append(f"| {' | '.join([row.name, row.bits, *cells])} |")
    return HEAD + "\n".join(lines) + "\n" + TAIL


TAIL = """
Colour spaces by name: Adobe RGB in EXIF (JPEG, TIFF, WebP), `cICP` (PNG), the numbers of ITU-T H.273 (HEIC, AVIF), Color Space (DICOM).
Files that ImageMagick and dcmtk wrote, and the samples of pydicom, have a table of their own: [other programs](other_programs.md).

DICOM photographs are of the classes *VL Photographic Image* and *Secondary Capture*, with one frame of 8 bits, uncompressed or with a
baseline JPEG within. YBR_FULL and YBR_FULL_422 are converted to RGB. Other classes, encodings (JPEG 2000, JPEG-LS, RLE, deflated) and
several frames are refused by name. Overlays, windows and lookup tables for display are not applied; a warning says so.

Masks are read by the same rules. Training data and portraits for mosaics are JPEG, PNG, TIFF, WebP and BMP with 8 bits.
"""


def main() -> None:
    """Write the table, or compare it."""
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit("docs/formats.md is out of date: run python docs/formats.py")
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
