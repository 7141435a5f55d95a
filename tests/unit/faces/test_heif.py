import io

import numpy as np
import pytest
from PIL import Image
from tests.reference.clinic_files import heic
from tests.reference.image_bytes import encoded, exif, picture
from tests.unit.faces.test_image_file import refusal, turned

from vera.faces import formats, icc
from vera.faces.image_file import decode

PIXELS = np.asarray(picture())


def test_a_lossless_heic_keeps_its_pixels():
    assert np.array_equal(decode(heic(), "face").pixels, PIXELS)
    assert np.array_equal(decode(heic(PIXELS[..., 0]), "face").pixels, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_ten_bits_are_rounded_to_the_eight_they_were_made_of():
    assert np.array_equal(decode(heic(bits=10), "face").pixels, PIXELS)


def test_transparency_is_seen():
    see_through = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 100, np.uint8)])
    decoded = decode(heic(see_through), "face")
    assert np.array_equal(decoded.pixels, PIXELS)
    assert not decoded.opaque


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_is_applied_once_though_it_stands_in_the_container_and_in_exif(orientation):
    stored = decode(heic(), "face").pixels
    assert np.array_equal(decode(heic(orientation=orientation), "face").pixels, turned(stored, orientation))
    avif = encoded("AVIF", quality=90)
    stored = np.asarray(Image.open(io.BytesIO(avif)).convert("RGB"))
    turned_avif = encoded("AVIF", quality=90, exif=exif(orientation=orientation))
    assert np.array_equal(decode(turned_avif, "face").pixels, turned(stored, orientation))


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_a_colour_profile_is_converted_as_in_a_png(kind):
    profile = icc.profile(icc.DISPLAY_P3, None)
    data = heic(save_nclx_profile=False) if kind == "HEIC" else encoded("AVIF")
    stored = decode(data, "face").pixels
    as_png = decode(encoded("PNG", Image.fromarray(stored), icc_profile=profile), "face").pixels
    with_profile = heic(icc_profile=profile) if kind == "HEIC" else encoded("AVIF", icc_profile=profile)
    assert np.array_equal(decode(with_profile, "face").pixels, as_png)
    assert not np.array_equal(as_png, stored)


def test_a_colour_space_named_by_numbers_is_converted_and_video_is_refused():
    as_png = decode(encoded("PNG", icc_profile=icc.profile(icc.DISPLAY_P3, None)), "face").pixels
    assert np.array_equal(decode(heic(color_primaries=12, transfer_characteristics=13), "face").pixels, as_png)
    said = refusal(heic(bits=10, color_primaries=9, transfer_characteristics=16))
    assert "video or high dynamic range" in said


def test_what_is_not_decoded_rightly_is_refused():
    import pillow_heif

    assert "multiplied by their transparency" in refusal(premultiplied())
    both = pillow_heif.from_bytes("RGB", (8, 8), bytes(192))
    both.add_frombytes("RGB", (8, 8), bytes(192))
    stream = io.BytesIO()
    both.save(stream, quality=-1)
    assert ["several images" in one for one in decode(stream.getvalue(), "face").warnings] == [True]


def premultiplied():
    import pillow_heif

    file = pillow_heif.from_bytes("RGBa", (8, 8), bytes(256))
    stream = io.BytesIO()
    file.save(stream, quality=-1)
    return stream.getvalue()


def test_ten_bits_of_avif_are_refused():
    data = encoded("AVIF")
    at = data.index(b"av1C") + 6  # the byte of the configuration with the bit "high bit depth"
    changed = bytearray(data)
    changed[at] |= 0x40
    refusal(bytes(changed))


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_too_many_pixels_are_refused_by_the_header(kind, monkeypatch):
    import pillow_heif

    data = heic() if kind == "HEIC" else encoded("AVIF")
    monkeypatch.setattr(formats, "MOST_PIXELS", PIXELS.shape[0] * PIXELS.shape[1] - 1)
    monkeypatch.setattr(pillow_heif.HeifImage, "load", lambda self: pytest.fail("pixels were decoded"))
    assert "megapixels" in refusal(data)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_a_file_cut_short_is_refused(kind, share):
    data = heic() if kind == "HEIC" else encoded("AVIF", picture(size=(90, 80)))
    assert "damaged" in refusal(data[: int(len(data) * share)])
