import ast
import io
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.reference.image_bytes import SUFFIX, by_opencv, encoded, grey_tiff, picture, with_chunk, with_frame

import vera
from vera.faces.formats import BRANDS, CAMERA_RAW, EXTRAS, FORMATS, SIGNATURES, png_chunk
from vera.faces.photograph import read_photograph
from vera.types import VeraError

KNOWN = [(name, b"\0" * offset + first) for offset, first, name in SIGNATURES if name not in FORMATS]
KNOWN += [(name, b"\0\0\0\x18ftyp" + brand) for brand, name in BRANDS.items()] + [("video", b"\0\0\0\x18ftypqt  ")]
FOREIGN = [(name, first) for name, first in KNOWN if name not in EXTRAS and not name.startswith(CAMERA_RAW)]
BY_EXTRAS = [(name, first) for name, first in KNOWN if (name, first) not in FOREIGN]
ENCODED = ["GIF", "EPS", "PDF", "PPM", "JPEG2000"]
NAMES = {"PPM": "Netpbm", "JPEG2000": "JPEG 2000"}


def refusal(tmp_path, data, name="face.jpg"):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(VeraError) as refused:
        read_photograph(tmp_path / name)
    return str(refused.value)


@pytest.mark.parametrize(("name", "first"), FOREIGN, ids=[f"{name}-{number}" for number, (name, _) in enumerate(FOREIGN)])
def test_a_known_format_that_is_not_read_is_named(tmp_path, name, first):
    said = refusal(tmp_path, first + b"\0" * 200)
    assert f"{name} is not supported: export it as 8-bit JPEG, PNG or TIFF" in said


@pytest.mark.parametrize(("name", "first"), BY_EXTRAS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BY_EXTRAS)])
def test_a_format_whose_library_is_missing_says_which_extra_brings_it(tmp_path, monkeypatch, name, first):
    extra = EXTRAS[CAMERA_RAW if name.startswith(CAMERA_RAW) else name]
    for module in ("pillow_heif", "rawpy", "pydicom"):
        monkeypatch.setitem(sys.modules, module, None)
    said = refusal(tmp_path, first + b"\0" * 200)
    assert f"run `pip install 'vera-anonymization[{extra}]'`, or export it as 8-bit JPEG, PNG or TIFF" in said


@pytest.mark.parametrize(("name", "first"), BY_EXTRAS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BY_EXTRAS)])
def test_a_beginning_of_such_a_format_is_refused(tmp_path, name, first):
    assert re.search("may be damaged|LibRaw cannot develop", refusal(tmp_path, first + b"\0" * 200))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "eps"])
@pytest.mark.parametrize("kind", ENCODED)
def test_no_decoder_outside_the_list_runs(tmp_path, monkeypatch, kind, suffix):
    data = encoded(kind)

    def run(*_):
        pytest.fail("a decoder outside the list was run")

    Image.init()
    for known in set(Image.OPEN) - set(FORMATS):
        monkeypatch.setitem(Image.OPEN, known, (run, run))
    assert f"{NAMES.get(kind, kind)} is not supported" in refusal(tmp_path, data, f"face.{suffix}")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "heic", "txt", ""])
@pytest.mark.parametrize("kind", SUFFIX)
def test_the_content_counts_not_the_suffix(tmp_path, kind, suffix):
    path = tmp_path / f"face.{suffix}"
    path.write_bytes(encoded(kind))
    assert np.array_equal(read_photograph(path).pixels, np.asarray(Image.open(io.BytesIO(encoded(kind)))))


GREY = struct.pack("<HHIHH", 262, 3, 1, 1, 0)
"""The entry of a TIFF that says that black is 0."""
VARIANTS = {
    "12-bit JPEG": (lambda: with_frame(encoded("JPEG"), bits=12), "JPEG with 12 bits a channel is not supported"),
    "16-bit JPEG": (lambda: with_frame(encoded("JPEG"), bits=16), "JPEG with 16 bits a channel is not supported"),
    "lossless JPEG": (lambda: with_frame(encoded("JPEG"), marker=0xC3), "lossless JPEG is not supported"),
    "JPEG-LS": (lambda: with_frame(encoded("JPEG"), marker=0xF7), "JPEG-LS is not supported"),
    "float TIFF": (lambda: by_opencv(".tiff", np.float32), "floating point numbers is not supported"),
    "grey float TIFF": (lambda: by_opencv(".tiff", np.float32, 1), "floating point numbers is not supported"),
    "double TIFF": (lambda: by_opencv(".tiff", np.float64), "floating point numbers is not supported"),
    "signed TIFF": (lambda: grey_tiff(8, 8, (339, 3, 1, 2)), "signed or floating point numbers is not supported"),
    "16-bit TIFF, white is 0": (lambda: grey_tiff(8, 4, bits=16).replace(GREY, GREY[:8] + bytes(4)), "does not have 8 bits a channel"),
    "16-bit TIFF in planes": (lambda: grey_tiff(8, 4, (284, 3, 1, 2), bits=16), "does not have 8 bits a channel"),
    "12-bit TIFF": (lambda: grey_tiff(8, 4, bits=12), "does not have 8 bits a channel"),
    "32-bit TIFF": (lambda: grey_tiff(4, 4, bits=32), "does not have 8 bits a channel"),
    "16-bit JPEG 2000": (lambda: by_opencv(".jp2", np.uint16), "JPEG 2000 is not supported"),
    "8-bit JPEG 2000": (lambda: by_opencv(".jp2", np.uint8), "JPEG 2000 is not supported"),
    "LAB": (lambda: encoded("TIFF", picture("LAB")), "in the colour mode LAB, which is not supported"),
    "DNG": (lambda: encoded("TIFF", tiffinfo={50706: b"\1\4\0\0"}), r"looks like camera raw \(DNG\), which LibRaw cannot develop"),
    "preview": (lambda: encoded("TIFF", tiffinfo={254: 1}), "looks like camera raw, which LibRaw cannot develop"),
    "preview of a page": (lambda: encoded("TIFF", tiffinfo={254: 3}), "looks like camera raw, which LibRaw cannot develop"),
    "old preview": (lambda: encoded("TIFF", tiffinfo={255: 2}), "looks like camera raw, which LibRaw cannot develop"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_that_no_decoder_reads_rightly_are_refused(tmp_path, variant):
    make, says = VARIANTS[variant]
    said = refusal(tmp_path, make())
    assert re.search(says, said)
    assert "export it as 8-bit JPEG, PNG or TIFF" in said
    assert "damaged" not in said


def test_a_png_chunk_is_found_before_the_pixels_only():
    png = with_chunk(encoded("PNG"), b"cICP", b"\1\2\3\4")
    assert png_chunk(png, b"cICP") == b"\1\2\3\4"
    assert png_chunk(png, b"IEND") is None
    assert png_chunk(encoded("PNG"), b"cICP") is None
    assert png_chunk(png[:30], b"cICP") is None


def test_every_image_in_the_house_is_opened_by_the_list():
    for source in Path(vera.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                assert "formats" in {keyword.arg for keyword in node.keywords}, f"{source}:{node.lineno} lets Pillow choose the decoder"
