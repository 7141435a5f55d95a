import contextlib
import io
from types import SimpleNamespace

import numpy as np
import pytest
from tests.reference.clinic_files import dng, mosaic_of
from tests.unit.faces.test_image_file import refusal, turned

from vera.faces import camera_raw, formats
from vera.faces.image_file import decode


def srgb(linear):
    """IEC 61966-2-1."""
    linear = np.asarray(linear, dtype=np.float64)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", [(0.5, 0.25, 0.125), (0.01, 0.4, 0.9), (0.2, 0.2, 0.2)])
def test_linear_light_comes_out_as_srgb_of_the_same_brightness(colour):
    decoded = decode(dng(mosaic_of(colour)), "face")
    assert decoded.pixels.shape == (24, 32, 3)
    assert np.abs(decoded.pixels - srgb(colour)).max() <= 1
    (warning,) = decoded.warnings
    assert "camera raw (DNG), developed by LibRaw" in warning
    assert "the camera's white balance" in warning


def test_the_cameras_white_balance_makes_its_neutral_grey():
    pixels = decode(dng(mosaic_of((0.2, 0.4, 0.3)), balance=(0.5, 1, 0.75)), "face").pixels
    assert np.ptp(pixels.astype(int), axis=2).max() <= 1
    assert abs(float(pixels.mean()) - srgb(0.4)) <= 1


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_is_applied_once_and_reading_repeats(orientation):
    mosaic = np.random.default_rng(1).integers(0, 65536, (24, 32)).astype(float)
    upright = decode(dng(mosaic), "face").pixels
    decoded = decode(dng(mosaic, orientation=orientation), "face").pixels
    assert np.array_equal(decoded, turned(upright, orientation))
    assert np.array_equal(decode(dng(mosaic, orientation=orientation), "face").pixels, decoded)


def test_too_many_pixels_are_refused_before_anything_is_developed(monkeypatch):
    monkeypatch.setattr(formats, "MOST_PIXELS", 24 * 32 - 1)
    assert "megapixels" in refusal(dng(mosaic_of((0.5, 0.5, 0.5))))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(share):
    data = dng(mosaic_of((0.5, 0.5, 0.5)))
    assert "LibRaw cannot develop" in refusal(data[: int(len(data) * share)])


def test_a_file_whose_picture_was_taken_out_is_refused():
    """As exiv2's and ExifTool's samples of real cameras are, which LibRaw develops to a black picture."""
    assert "its picture is not whole" in refusal(dng(np.zeros((24, 32))))


@pytest.mark.parametrize(("needed", "over"), [(90, False), (100, False), (101, True), (9000, True)])
def test_a_developer_that_reads_over_the_end_is_noticed(needed, over):
    """As LibRaw does with Panasonic's files that are cut short, which cannot be made here."""

    class Lenient(contextlib.AbstractContextManager):
        def open_buffer(self, stream):
            self.raw_image = np.frombuffer(stream.read().ljust(needed, b"\0")[:needed], np.uint8)

        def __exit__(self, *raised):
            pass

    data = bytes(range(100))
    first = Lenient()
    first.open_buffer(io.BytesIO(data))
    known = SimpleNamespace(RawPy=Lenient, LibRawError=ValueError)
    assert camera_raw._reads_over_the_end(known, data, first.raw_image) is over
