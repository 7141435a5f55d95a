import io

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.reference.image_bytes import by_opencv, encoded, exif, png_of
from tests.unit.faces.test_image_file import refusal, turned

from vera.faces.deep import eight_bit_image
from vera.faces.image_file import decode

EIGHT = np.random.default_rng(5).integers(0, 256, (23, 37, 4), dtype=np.uint8)


def deep(suffix, values):
    return cv2.imencode(suffix, values)[1].tobytes()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_eight_bits_that_were_scaled_up_come_back_exactly(suffix, channels):
    stored = EIGHT[..., 0] if channels == 1 else EIGHT[..., :channels]
    decoded = decode(deep(suffix, stored.astype(np.uint16) * 257), "face")
    expected = np.repeat(stored[..., None], 3, axis=2) if channels == 1 else stored[..., 2::-1]  # OpenCV's order is BGR
    assert np.array_equal(decoded.pixels, expected)
    assert decoded.opaque == (channels < 4)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_other_values_are_rounded_not_cut(suffix):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(values / 257)
    assert np.array_equal(decode(deep(suffix, values), "face").pixels[..., 1], expected)
    assert np.array_equal(decode(deep(suffix, np.dstack([values] * 3)), "face").pixels[..., 1], expected)


def test_orientation_and_colours_are_those_of_an_eight_bit_file():
    from vera.faces import icc

    profile = icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
    rgb = EIGHT[..., :3]
    data = deep(".png", rgb[..., ::-1].astype(np.uint16) * 257)
    chunks = encoded("PNG", Image.fromarray(rgb), icc_profile=profile, exif=exif(orientation=6))
    pieces = chunks[33 : chunks.index(b"IDAT") - 4]
    same = decode(chunks, "face").pixels
    assert np.array_equal(decode(data[:33] + pieces + data[33:], "face").pixels, same)
    assert same.shape == turned(rgb, 6).shape


def test_two_decoders_that_differ_are_an_error():
    other = Image.open(io.BytesIO(by_opencv(".png", np.uint16, value=512)))
    other.load()
    with pytest.raises(ValueError, match="different values"):
        eight_bit_image(by_opencv(".png", np.uint16), other)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_file_cut_short_is_refused(suffix):
    data = deep(suffix, np.random.default_rng(0).integers(0, 65536, (40, 50, 3), dtype=np.uint16))
    assert "damaged" in refusal(data[: len(data) // 2])
    assert "damaged" in refusal(png_of(8, 8, depth=16, colour=4))
