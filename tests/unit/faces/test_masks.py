"""Masks pass the photographs' reader, and then must be black and white, opaque, not empty, and of the photograph's size."""

import numpy as np
import pytest
from PIL import Image
from tests.reference.image_bytes import encoded, exif

from vera.faces.masks import check_mask, mask_from_text, mask_to_text, read_mask
from vera.types import VeraError

SIZE = (24, 30)
DRAWN = np.zeros(SIZE, dtype=bool)
DRAWN[5:12, 8:20] = True
GREY = Image.fromarray(np.where(DRAWN, np.uint8(255), np.uint8(0)))


def with_alpha(alpha):
    image = GREY.convert("RGBA")
    image.putalpha(alpha)
    return image


GOOD = {
    "grey PNG": lambda: encoded("PNG", GREY),
    "one bit PNG": lambda: encoded("PNG", GREY.convert("1")),
    "palette PNG": lambda: encoded("PNG", GREY.convert("RGB").quantize(2)),
    "colour PNG": lambda: encoded("PNG", GREY.convert("RGB")),
    "opaque PNG with alpha": lambda: encoded("PNG", with_alpha(255)),
    "16 bit PNG": lambda: encoded("PNG", Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)),
    "BMP": lambda: encoded("BMP", GREY),
    "one bit TIFF": lambda: encoded("TIFF", GREY.convert("1")),
    "fax TIFF": lambda: encoded("TIFF", GREY.convert("1"), compression="group4"),
    "WebP": lambda: encoded("WEBP", GREY),
    "upright by EXIF": lambda: encoded("PNG", GREY.transpose(Image.Transpose.ROTATE_90), exif=exif(orientation=6)),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_drawn_region_is_read_exactly(tmp_path, case):
    (tmp_path / "mask").write_bytes(GOOD[case]())
    assert np.array_equal(read_mask(tmp_path / "mask", SIZE), DRAWN)


BAD = {
    "empty": (lambda: encoded("PNG", Image.new("L", SIZE[::-1])), "is empty: paint"),
    "turned by a quarter": (lambda: encoded("PNG", GREY.transpose(Image.Transpose.ROTATE_90)), "draw it on the upright photograph"),
    "turned by EXIF": (lambda: encoded("PNG", GREY, exif=exif(orientation=6)), "draw it on the upright photograph"),
    "smaller": (lambda: encoded("PNG", GREY.resize((15, 12))), "at its full size"),
    "grey all over": (lambda: encoded("PNG", Image.new("L", SIZE[::-1], 128)), "neither black nor white"),
    "half transparent": (lambda: encoded("PNG", with_alpha(128)), "is transparent in places"),
    "drawn in the alpha channel": (lambda: encoded("PNG", with_alpha(GREY)), "is transparent in places"),
    "one transparent grey": (lambda: encoded("PNG", GREY, transparency=0), "is transparent in places"),
    "two images": (lambda: encoded("TIFF", GREY, save_all=True, append_images=[GREY.copy()]), "save it as a plain PNG"),
    "another format": (lambda: encoded("GIF", GREY), "GIF is not supported: export"),
    "floating point": (lambda: encoded("TIFF", Image.new("F", SIZE[::-1])), "floating point numbers is not supported"),
    "cut short": (lambda: encoded("PNG", GREY)[:50], "may be damaged"),
    "no bytes": (lambda: b"", "is empty: copy"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_mask_is_refused(tmp_path, case):
    make, says = BAD[case]
    (tmp_path / "mask.png").write_bytes(make())
    with pytest.raises(VeraError, match=says) as refused:
        read_mask(tmp_path / "mask.png", SIZE)
    assert "mask.png" in str(refused.value)


def test_an_array_must_be_a_mask_too():
    assert check_mask(DRAWN, SIZE, "drawn") is DRAWN
    for wrong, says in ((DRAWN.astype(np.uint8), "must be boolean"), (DRAWN[1:], "has shape"), (DRAWN & False, "is empty")):
        with pytest.raises(VeraError, match=says):
            check_mask(wrong, SIZE, "drawn")


def test_a_mask_survives_as_text_and_a_changed_text_is_told():
    mask = np.random.default_rng(0).random((31, 17)) > 0.5
    text = mask_to_text(mask)
    assert text == mask_to_text(mask.copy())
    np.testing.assert_array_equal(mask_from_text(text, (31, 17), "x"), mask)
    assert not mask_from_text(mask_to_text(np.zeros((4, 5), dtype=bool)), (4, 5), "x").any()
    for wrong, says in (("?", "no base64"), (text[: len(text) // 2 // 4 * 4], "cannot be read"), (mask_to_text(mask.T), "has shape")):
        with pytest.raises(VeraError, match=says):
            mask_from_text(wrong, (31, 17), "x")
