"""Whatever bytes come, reading gives a photograph or one VeraError, and nothing on the terminal."""

import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.reference.clinic_files import dicom, dicom_of_jpeg, dng, heic, mosaic_of
from tests.reference.image_bytes import SUFFIX, by_opencv, encoded, exif, picture, png_of, segment, tiff, with_chunk

from vera.faces import icc
from vera.faces.formats import MOST_PIXELS, SIGNATURES
from vera.faces.image_file import decode
from vera.types import VeraError

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
"""The same examples on every machine: a test that fails now and then tells nothing."""
SOURCES = {
    "JPEG": encoded("JPEG", exif=exif(orientation=6, colour_space=65535, index="R03")),
    "progressive JPEG": encoded("JPEG", progressive=True, icc_profile=icc.profile(icc.DISPLAY_P3, None)),
    "PNG": with_chunk(encoded("PNG", exif=exif(orientation=3)), b"gAMA", struct.pack(">I", 55556)),
    "palette PNG": encoded("PNG", picture("P"), transparency=3),
    "TIFF": encoded("TIFF", exif=exif(orientation=8)),
    "packed TIFF": encoded("TIFF", compression="tiff_lzw"),
    "JPEG in TIFF": encoded("TIFF", compression="jpeg"),
    "WEBP": encoded("WEBP", exif=exif(orientation=2)),
    "BMP": encoded("BMP"),
    "deep PNG": by_opencv(".png", np.uint16),
    "deep TIFF": by_opencv(".tiff", np.uint16),
    "HEIC": heic(),
    "AVIF": encoded("AVIF", exif=exif(orientation=6)),
    "DNG": dng(mosaic_of((0.5, 0.4, 0.3))),
    "DICOM": dicom(),
    "JPEG in DICOM": dicom_of_jpeg(),
}


def photograph_or_error(data):
    """Read; a photograph has the promised form."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decoded, said = decode(data, "face.jpg"), ""
        except VeraError as error:
            decoded, said = None, str(error)
    if decoded is None:
        assert said.startswith("'face.jpg' ")
        assert "\n" not in said
        return
    height, width, channels = decoded.pixels.shape
    assert decoded.pixels.dtype == np.uint8
    assert channels == 3
    assert 0 < height * width <= MOST_PIXELS


@pytest.mark.parametrize("source", SOURCES)
@FEW
@given(st.data())
def test_changed_bytes(source, data):
    changed = bytearray(SOURCES[source])
    # Most of what can go wrong lies in the header.
    places = st.one_of(st.integers(0, min(400, len(changed) - 1)), st.integers(0, len(changed) - 1))
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        changed[place] = data.draw(st.integers(0, 255))
    photograph_or_error(bytes(changed))


@pytest.mark.parametrize("source", SOURCES)
@FEW
@given(st.data())
def test_cut_and_joined_bytes(source, data):
    whole = SOURCES[source]
    first, second = (data.draw(st.integers(0, len(whole))) for _ in range(2))
    photograph_or_error(whole[:first] + data.draw(st.binary(max_size=20)) + whole[second:])


@FEW
@given(st.sampled_from([first for offset, first, _ in SIGNATURES if offset == 0]), st.binary(max_size=300))
def test_any_bytes_behind_a_mark(mark, rest):
    photograph_or_error(mark + rest)


@FEW
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 14), st.integers(0, 2**32 - 1), st.integers(0, 65535)), max_size=12))
def test_any_exif_directory(entries):
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    photograph_or_error(segment(encoded("JPEG"), 0xE1, b"Exif\0\0II*\0\x08\0\0\0" + directory))


@FEW
@given(
    st.lists(
        st.tuples(st.sampled_from([0x0112, 0x8769, 0xA005, 0x8825, 0xA001]), st.integers(1, 13), st.integers(0, 9), st.integers(0, 80)),
        max_size=6,
    )
)
def test_exif_tags_that_are_used(entries):
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    photograph_or_error(segment(encoded("JPEG"), 0xE1, b"Exif\0\0II*\0\x08\0\0\0" + directory))


@FEW
@given(
    st.lists(
        st.tuples(
            st.sampled_from([254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 330, 338, 339, 34675, 50706]),
            st.sampled_from([1, 2, 3, 4, 5, 12, 13]),
            st.integers(0, 4),
            st.integers(0, 300),
        ),
        max_size=14,
    ),
    st.sampled_from("<>"),
)
def test_any_tiff_directory(entries, order):
    photograph_or_error(tiff(entries, order=order, body=bytes(200)))


@FEW
@given(st.sampled_from([b"iCCP", b"cICP", b"gAMA", b"cHRM", b"sRGB", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL"]), st.binary(max_size=60))
def test_any_png_chunk(name, content):
    photograph_or_error(with_chunk(encoded("PNG"), name, content))


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 17), st.integers(0, 7))
def test_any_png_header(width, height, depth, colour):
    if width < 2**31 and height < 2**31:
        photograph_or_error(png_of(width, height, depth=depth, colour=colour))


@FEW
@given(st.binary(max_size=300), st.integers(0, 127))
def test_any_colour_profile(tail, keep):
    photograph_or_error(encoded("PNG", icc_profile=(icc.profile(icc.SRGB, None)[:keep] + tail) or b"x"))


@FEW
@given(st.sampled_from(sorted(SUFFIX)), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
def test_good_files_are_read_exactly(kind, width, height, orientation):
    image = picture("RGB", (width, height))
    options = {} if kind == "BMP" else {"exif": exif(orientation=orientation)}
    read = decode(encoded(kind, image, **options), "face").pixels
    stored = np.asarray(Image.open(io.BytesIO(encoded(kind, image))))
    assert sorted(read.shape) == sorted(stored.shape)
    assert np.array_equal(np.sort(read.reshape(-1, 3), axis=0), np.sort(stored.reshape(-1, 3), axis=0))
