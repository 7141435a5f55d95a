"""Make ``docs/other_programs.md``: files that other programs wrote, and whether each is read exactly or refused.

python docs/other_programs.py           write the page; all programs must be installed
python docs/other_programs.py --check   exit code 1 if a table is not what the reader gives; tables of missing programs are passed over

Every cell is measured: the program writes a small file, VerA reads it, and the pixels are compared with what the program itself reads.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from docs.formats import DISPLAY_P3, PIXELS, converted  # noqa: E402
from tests.reference.image_bytes import encoded, exif, picture  # noqa: E402

from vera.faces.image_file import UPRIGHT, decode  # noqa: E402
from vera.types import Pixels, VeraError  # noqa: E402

PAGE = ROOT / "docs" / "other_programs.md"
HEAD = """# Files that other programs wrote

Made by `python docs/other_programs.py`; do not edit it by hand. `make test` makes each table anew where its program is installed.
[File formats](formats.md) has the same for files that Pillow, pillow-heif, OpenCV, tifffile and pydicom wrote.

- **exact**: VerA reads the pixels that the program was given or, where it loses some (JPEG), that it reads itself, upright.
- **within N**: by at most N of 255 levels, since two JPEG decoders round differently.
- **refused**: exit code 2 and one sentence that says what to do; nothing is written.
- **-**: the program does not write such a file.

No program here writes camera raw, and `rawpy` brings no samples: **no raw file of a real camera was developed**, only the DNG files of the
tests. The files of cameras in Debian's sources of exiv2 0.27.6 and ExifTool 12.57 (CR2, CR3, CRW, DNG, IIQ, MRW, NEF, RAF, RW2, X3F) have
had their pictures taken out, so each must be refused; each is.
"""


class Tool(NamedTuple):
    """A program that writes files.

    Attributes:
        title: heading of its table.
        needs: commands that must be there.
        table: function that makes the table, in a folder for its files.

    """

    title: str
    needs: tuple[str, ...]
    table: Callable[[Path], list[str]]


def run(*command: str | Path) -> None:
    """Run a program; its complaint is an error of this script."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[:200]}")


def read(path: Path) -> Pixels | str:
    """Pixels of a photograph, or why it is refused."""
    try:
        return decode(path.read_bytes(), path.name).pixels
    except VeraError as error:
        return str(error).replace(f"'{path.name}' ", "").partition(":")[0]


def told(found: Pixels | str, expected: Pixels, most: int = 0) -> str:
    """``exact``, ``within N`` with N up to ``most``, ``refused``, or what is wrong."""
    if isinstance(found, str):
        return "refused"
    if found.shape != expected.shape:
        return "WRONG"
    apart = int(np.abs(found.astype(int) - expected).max())
    return "exact" if not apart else f"within {apart}" if apart <= most else f"off by {apart}"


class Written(NamedTuple):
    """A kind of file that ImageMagick writes.

    Attributes:
        name: what the table calls it.
        bits: bits a channel.
        target: ImageMagick's format and the file's suffix.
        options: options of the call.
        turned: whether the file keeps an orientation that counts.
        profiled: whether it keeps a colour profile.

    """

    name: str
    bits: int
    target: tuple[str, str]
    options: tuple[str, ...] = ()
    turned: bool = True
    profiled: bool = True


IMAGEMAGICK = [
    Written("PNG", 8, ("png24", "png")),
    Written("PNG", 16, ("png48", "png"), ("-depth", "16")),
    Written("PNG, with transparency", 16, ("png64", "png"), ("-depth", "16", "-alpha", "on")),
    Written("TIFF", 8, ("tiff", "tif"), ("-depth", "8", "-compress", "none")),
    Written("TIFF, LZW", 8, ("tiff", "tif"), ("-depth", "8", "-compress", "lzw")),
    Written("TIFF, Deflate", 16, ("tiff", "tif"), ("-depth", "16", "-compress", "zip")),
    Written("TIFF, big endian", 16, ("tiff", "tif"), ("-depth", "16", "-endian", "msb")),
    Written(
        "BigTIFF",
        16,
        ("tiff64", "tif"),
        (
            "-depth",
            "16",
        ),
    ),
    Written("WebP, lossless", 8, ("webp", "webp"), ("-define", "webp:lossless=true")),
    Written("JPEG", 8, ("jpg", "jpg"), ("-quality", "95")),
    Written("BMP", 8, ("bmp3", "bmp"), turned=False, profiled=False),
]


def convert() -> str:
    """ImageMagick's command."""
    return shutil.which("convert-im6.q16") or shutil.which("convert") or "convert"


def by_imagemagick(path: Path) -> Pixels:
    """Pixels as ImageMagick reads them, upright."""
    shown = path.with_suffix(".read.bmp")
    run(convert(), path, "-auto-orient", "-strip", "-alpha", "off", "-colorspace", "sRGB", "-type", "TrueColor", f"bmp3:{shown}")
    return np.asarray(Image.open(io.BytesIO(shown.read_bytes()), formats=["BMP"]).convert("RGB"))


def imagemagick(folder: Path) -> list[str]:
    """The table of ImageMagick's files."""
    (folder / "p3.icc").write_bytes(DISPLAY_P3)
    picture().save(folder / "source.bmp")
    for turn in range(1, 9):  # whose EXIF the program hands on
        (folder / f"{turn}.jpg").write_bytes(encoded("JPEG", quality=100, subsampling=0, exif=exif(orientation=turn)))
    lines = ["| file | bits a channel | pixels | the 8 orientations | ICC profile (Display P3) | grey |", "|---|---|---|---|---|---|"]
    for kind in IMAGEMAGICK:
        made = folder / f"made.{kind.target[1]}"

        def write(source: str, *options: str, kind: Written = kind, made: Path = made) -> Path:
            run(convert(), folder / source, *kind.options, *options, f"{kind.target[0]}:{made}")
            return made

        plain = read(write("source.bmp"))
        cells = [told(plain, by_imagemagick(made) if kind.name == "JPEG" else PIXELS)]
        cells.append(_turns(write, lossless=kind.name != "JPEG") if kind.turned else "-")
        if kind.profiled and not isinstance(plain, str):
            expected = converted(plain, DISPLAY_P3)
            assert expected is not None
            cells.append(told(read(write("source.bmp", "-profile", str(folder / "p3.icc"))), expected))
        else:
            cells.append("-")
        cells.append(told(read(write("source.bmp", "-colorspace", "Gray")), by_imagemagick(made)))
        lines.append(f"| {' | '.join([kind.name, str(kind.bits), *cells])} |")
    return lines


def _turns(write: Callable[..., Path], *, lossless: bool) -> str:
    """All eight orientations of a JPEG that was converted, each compared with the JPEG's pixels, turned by Pillow."""
    found = []
    for turn in range(1, 9):
        made = write(f"{turn}.jpg")
        stored = Image.open(io.BytesIO((made.parent / f"{turn}.jpg").read_bytes()), formats=["JPEG"])
        upright = np.asarray(stored if turn == 1 else stored.transpose(UPRIGHT[turn]))
        expected = upright if lossless else by_imagemagick(made)
        found.append(told(read(made), expected) if expected.shape == upright.shape else "WRONG")
    return " or ".join(sorted(set(found)))


def by_dcmtk(path: Path) -> Pixels:
    """Pixels as dcmtk shows them."""
    shown = path.with_suffix(".read.bmp") if path.parent != SAMPLES else Path(tempfile.gettempdir()) / f"{path.stem}.read.bmp"
    run("dcmj2pnm", "+ob", path, shown)
    pixels = np.asarray(Image.open(io.BytesIO(shown.read_bytes()), formats=["BMP"]).convert("RGB"))
    shown.unlink()
    return pixels


def dcmtk(folder: Path) -> list[str]:
    """The table of dcmtk's files."""
    (folder / "face.jpg").write_bytes(encoded("JPEG"))
    (folder / "face.bmp").write_bytes(encoded("BMP"))
    (folder / "grey.jpg").write_bytes(encoded("JPEG", picture("L")))
    lines = ["| file | how it was written | pixels |", "|---|---|---|"]
    made = folder / "made.dcm"
    for title, option in (("VL Photographic Image", "--vl-photo"), ("Secondary Capture", "--sec-capture")):
        for what, source, more in (("a JPEG", "face.jpg", ()), ("a grey JPEG", "grey.jpg", ()), ("a bitmap", "face.bmp", ("-i", "BMP"))):
            run("img2dcm", *more, option, folder / source, made)
            lines.append(f"| {title} of {what} | `img2dcm {' '.join([*more, option])}` | {told(read(made), by_dcmtk(made), 2)} |")
    whole = folder / "whole.dcm"
    run("img2dcm", "-i", "BMP", "--vl-photo", folder / "face.bmp", whole)
    for title, command in (
        ("explicit VR, little endian", ("dcmconv", "+te")),
        ("implicit VR", ("dcmconv", "+ti")),
        ("explicit VR, big endian", ("dcmconv", "+tb")),
        ("deflated", ("dcmconv", "+td")),
        ("RLE", ("dcmcrle",)),
        ("JPEG, baseline", ("dcmcjpeg", "+eb")),
        ("JPEG, lossless", ("dcmcjpeg", "+e1")),
        ("JPEG-LS", ("dcmcjpls",)),
        ("palette", ("dcmquant",)),
    ):
        run(*command, whole, made)
        found = read(made)
        outcome = f"refused: {found}" if isinstance(found, str) else told(found, by_dcmtk(made), 2)
        lines.append(f"| the same, {title} | `{' '.join(command)}` | {outcome} |")
    return lines


def _sample(path: Path) -> str:
    """What becomes of a sample."""
    found = read(path)
    if isinstance(found, str):
        return f"refused: {found}"
    try:
        return told(found, by_dcmtk(path), 2)
    except RuntimeError:
        return "read, and not compared: dcmtk does not read it"


def samples_folder() -> Path:
    """The samples that come with pydicom."""
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files"


SAMPLES = samples_folder()


def pydicoms(folder: Path) -> list[str]:
    """What becomes of each sample of pydicom: dcmtk, GDCM and others wrote them."""
    outcomes: dict[str, list[str]] = {}
    for path in sorted(SAMPLES.glob("*.dcm"), key=lambda path: path.name.lower()):
        outcomes.setdefault(_sample(path), []).append(path.stem)
    ordered = sorted(outcomes, key=lambda known: (known.startswith("refused"), known))
    rows = [f"| {outcome} | {', '.join(f'`{name}`' for name in outcomes[outcome])} |" for outcome in ordered]
    return ["| outcome | samples |", "|---|---|", *rows]


TOOLS = {
    "imagemagick": Tool("ImageMagick", ("convert",), imagemagick),
    "dcmtk": Tool("dcmtk: `img2dcm` and its converters", ("img2dcm", "dcmj2pnm", "dcmconv"), dcmtk),
    "pydicom": Tool("Samples that come with pydicom", ("dcmj2pnm",), pydicoms),
}


def missing(name: str) -> list[str]:
    """Commands of a tool that are not installed."""
    return [command for command in TOOLS[name].needs if shutil.which(command) is None]


def section(name: str) -> str:
    """A tool's heading and table."""
    with tempfile.TemporaryDirectory() as folder:
        return f"\n## {TOOLS[name].title}\n\n" + "\n".join(TOOLS[name].table(Path(folder))) + "\n"


def written(name: str) -> str:
    """The section as the page has it; empty if it has none."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    found = re.search(rf"\n## {re.escape(TOOLS[name].title)}\n.*?(?=\n## |\Z)", text, re.DOTALL)
    return found[0] if found else ""


def outdated() -> Iterator[str]:
    """Sections that differ from what the reader gives now."""
    for name in TOOLS:
        if absent := missing(name):
            sys.stderr.write(f"not checked: {TOOLS[name].title}, since {', '.join(absent)} is not installed\n")
        elif section(name) != written(name):
            yield name


def main() -> None:
    """Write the page, or compare it."""
    if "--check" in sys.argv[1:]:
        if wrong := [*outdated()]:
            raise SystemExit(f"docs/other_programs.md is out of date ({', '.join(wrong)}): run python docs/other_programs.py")
        return
    if absent := [command for name in TOOLS for command in missing(name)]:
        raise SystemExit(f"{', '.join(absent)} not installed: run apt-get install imagemagick dcmtk, then this script again")
    PAGE.write_text(HEAD + "".join(section(name) for name in TOOLS), encoding="utf-8")


if __name__ == "__main__":
    main()
