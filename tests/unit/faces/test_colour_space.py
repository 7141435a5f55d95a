import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests.reference.image_bytes import encoded, exif, picture, with_chunk

from vera.faces import icc
from vera.faces.photograph import read_photograph
from vera.types import VeraError

GREY_AND_COLOURS = np.array(
    [[[30, 30, 30], [128, 128, 128], [250, 250, 250], [180, 130, 110], [110, 80, 70], [90, 120, 140]]], dtype=np.uint8
)
"""Colours that every space here can show."""


def read(tmp_path, data, name="face.png"):
    (tmp_path / name).write_bytes(data)
    return read_photograph(tmp_path / name)


def plain_srgb(pixels, primaries, decode):
    """The same colours in sRGB, by the textbook, in float: no adaptation is needed, since all whites are D65."""

    def to_xyz(numbers):
        x, y = np.reshape(numbers, (4, 2)).T
        xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
        return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])

    linear = decode(pixels / 255) @ (np.linalg.inv(to_xyz(icc.SRGB)) @ to_xyz(primaries)).T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_curve(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def gamma(exponent):
    return lambda values: values**exponent


def cicp(*numbers):
    return with_chunk(encoded("PNG", Image.fromarray(GREY_AND_COLOURS)), b"cICP", bytes(numbers))


def gama(value, *, primaries=None):
    png = encoded("PNG", Image.fromarray(GREY_AND_COLOURS))
    if primaries is not None:
        values = [round(100000 * number) for number in (*primaries[6:], *primaries[:6])]
        png = with_chunk(png, b"cHRM", struct.pack(">8I", *values))
    return png if value is None else with_chunk(png, b"gAMA", struct.pack(">I", value))


def adobe(kind, space=65535, index="R03"):
    return encoded(kind, Image.fromarray(GREY_AND_COLOURS), exif=exif(colour_space=space, index=index))


CONVERTED = {
    "Adobe RGB in a PNG's EXIF": (lambda: adobe("PNG"), icc.ADOBE_RGB, gamma(563 / 256)),
    "Adobe RGB in a WebP's EXIF": (lambda: adobe("WEBP"), icc.ADOBE_RGB, gamma(563 / 256)),
    "Adobe RGB in a TIFF's EXIF": (lambda: adobe("TIFF", space=2), icc.ADOBE_RGB, gamma(563 / 256)),
    "Adobe RGB as some cameras write it": (lambda: adobe("PNG", space=2, index="R98"), icc.ADOBE_RGB, gamma(563 / 256)),
    "cICP Display P3": (lambda: cicp(12, 13, 0, 1), icc.DISPLAY_P3, srgb_curve),
    "cICP BT.2020": (lambda: cicp(9, 13, 0, 1), icc.BT_2020, srgb_curve),
    "cICP linear": (lambda: cicp(1, 8, 0, 1), icc.SRGB, gamma(1.0)),
    "gAMA linear": (lambda: gama(100000), icc.SRGB, gamma(1.0)),
    "gAMA 1.8": (lambda: gama(55556), icc.SRGB, gamma(1.8)),
    "cHRM Adobe RGB": (lambda: gama(45455, primaries=icc.ADOBE_RGB), icc.ADOBE_RGB, gamma(1 / 0.45455)),
    "cHRM Display P3": (lambda: gama(None, primaries=icc.DISPLAY_P3), icc.DISPLAY_P3, srgb_curve),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_named_colour_spaces_are_converted(tmp_path, case):
    make, primaries, decode = CONVERTED[case]
    pixels = read(tmp_path, make()).pixels
    expected = plain_srgb(GREY_AND_COLOURS, primaries, decode)
    assert np.abs(pixels - expected).max() <= 1.6  # littleCMS computes in integers
    assert np.abs(pixels.astype(int) - GREY_AND_COLOURS).max() > 3


UNCHANGED = {
    "nothing said": lambda: encoded("PNG", Image.fromarray(GREY_AND_COLOURS)),
    "sRGB in EXIF": lambda: adobe("PNG", space=1, index="R98"),
    "sRGB chunk before EXIF": lambda: with_chunk(adobe("PNG"), b"sRGB", b"\0"),
    "sRGB chunk before gAMA": lambda: with_chunk(gama(100000), b"sRGB", b"\0"),
    "cICP sRGB": lambda: cicp(1, 13, 0, 1),
    "cICP sRGB before gAMA": lambda: with_chunk(gama(100000), b"cICP", bytes((1, 13, 0, 1))),
    "gAMA of sRGB": lambda: gama(45455),
    "gAMA and cHRM of sRGB": lambda: gama(45455, primaries=icc.SRGB),
    "a built profile of sRGB": lambda: encoded("PNG", Image.fromarray(GREY_AND_COLOURS), icc_profile=icc.profile(icc.SRGB, None)),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_what_means_srgb_keeps_its_pixels(tmp_path, case):
    photograph = read(tmp_path, UNCHANGED[case]())
    assert np.array_equal(photograph.pixels, GREY_AND_COLOURS)
    assert photograph.warnings == ()


REFUSED = {
    "PQ": (lambda: cicp(9, 16, 0, 1), "high dynamic range"),
    "HLG": (lambda: cicp(9, 18, 0, 1), "high dynamic range"),
    "video": (lambda: cicp(1, 1, 0, 1), "video"),
    "narrow range": (lambda: cicp(1, 13, 0, 0), "video"),
    "YCbCr": (lambda: cicp(1, 13, 1, 1), "video"),
    "unspecified": (lambda: cicp(2, 2, 0, 1), "video"),
    "short cICP": (lambda: cicp(1, 13), "damaged colour information"),
    "empty cICP": (lambda: cicp(), "damaged colour information"),
    "gAMA 0": (lambda: gama(0), "damaged colour information"),
    "gAMA beyond all": (lambda: gama(4000000000), "damaged colour information"),
    "cHRM of zeros": (lambda: gama(45455, primaries=[0] * 8), "damaged colour information"),
    "cHRM in one point": (lambda: gama(45455, primaries=[0.3] * 8), "damaged colour information"),
    "short cHRM": (lambda: with_chunk(encoded("PNG"), b"cHRM", bytes(8)), "damaged"),
    "iCCP of nothing": (lambda: with_chunk(encoded("PNG"), b"iCCP", b"x\0\0garbage"), "damaged colour profile"),
    "ICC of text": (lambda: encoded("JPEG", icc_profile=b"text"), "damaged colour profile"),
    "ICC cut": (lambda: encoded("JPEG", icc_profile=icc.profile(icc.DISPLAY_P3, None)[:200]), "damaged colour profile"),
    "ICC for LAB": (lambda: encoded("TIFF", icc_profile=space_of("LAB")), "colour profile for Lab"),
    "grey ICC on colours": (lambda: encoded("PNG", icc_profile=relabelled(b"GRAY")), "colour profile"),
    "CMYK ICC on colours": (lambda: encoded("PNG", icc_profile=relabelled(b"CMYK")), "colour profile"),
    "RGB ICC on CMYK": (lambda: encoded("JPEG", picture("CMYK"), icc_profile=icc.profile(icc.SRGB, None)), "RGB colour profile on a CMYK"),
}


def space_of(name):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def relabelled(space):
    return icc.profile(icc.SRGB, None).replace(b"RGB ", space)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_refused(tmp_path, case):
    make, says = REFUSED[case]
    with pytest.raises(VeraError, match=says) as refused:
        read(tmp_path, make())
    assert "export" in str(refused.value)


def test_uncalibrated_colours_are_kept_with_a_warning(tmp_path):
    photograph = read(tmp_path, adobe("PNG", index="R98"))
    assert np.array_equal(photograph.pixels, GREY_AND_COLOURS)
    assert len(photograph.warnings) == 1
    assert "no profile says which" in photograph.warnings[0]


def test_adobe_rgb_of_a_jpeg_is_that_of_its_profile(tmp_path):
    by_exif = read(tmp_path, adobe("JPEG"), "exif.jpg")
    profile = icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
    by_profile = read(tmp_path, encoded("JPEG", Image.fromarray(GREY_AND_COLOURS), icc_profile=profile), "icc.jpg")
    assert np.array_equal(by_exif.pixels, by_profile.pixels)


def test_the_profile_in_a_bitmap_is_used(tmp_path):
    profile = icc.profile(icc.DISPLAY_P3, None)
    rows = b"".join(bytes(pixel[::-1]) for pixel in GREY_AND_COLOURS[0]) + b"\0" * 2
    header = struct.pack("<IiiHHIIiiII", 124, 6, 1, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16) + b"DEBM" + bytes(52)
    header += struct.pack("<II", 124 + len(rows), len(profile)) + bytes(4)
    bitmap = b"BM" + struct.pack("<IHHI", 14 + len(header) + len(rows) + len(profile), 0, 0, 14 + len(header)) + header + rows + profile
    pixels = read(tmp_path, bitmap, "face.bmp").pixels
    expected = plain_srgb(GREY_AND_COLOURS, icc.DISPLAY_P3, srgb_curve)
    assert np.abs(pixels - expected).max() <= 1.6


def test_a_built_srgb_profile_is_littlecms_own():
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile
    ours = ImageCms.ImageCmsProfile(io.BytesIO(icc.profile(icc.SRGB, None))).profile
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        assert np.allclose(getattr(ours, name)[0], getattr(theirs, name)[0], atol=2e-3)
    assert np.allclose(icc.colorants(icc.SRGB).sum(axis=1), icc.D50, atol=1e-3)


def test_a_large_picture_is_converted_in_strips_as_a_whole_one(tmp_path, monkeypatch):
    from vera.faces import image_file

    data = encoded("PNG", picture(size=(61, 47)), icc_profile=icc.profile(icc.DISPLAY_P3, None))
    whole = read(tmp_path, data).pixels
    monkeypatch.setattr(image_file, "STRIP", 61 * 5)
    assert np.array_equal(read(tmp_path, data).pixels, whole)
    monkeypatch.setattr(image_file, "STRIP", 7)
    assert np.array_equal(read(tmp_path, data).pixels, whole)
