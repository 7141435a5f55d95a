import io
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from tests.reference.image_bytes import (
    SIZE,
    SUFFIX,
    chunk,
    encoded,
    exif,
    grey_tiff,
    picture,
    png_of,
    segment,
    shown,
    with_chunk,
    with_frame,
)

from vera.faces import formats, image_file
from vera.faces.image_file import decode
from vera.faces.masks import read_mask
from vera.faces.photograph import read_photograph
from vera.types import VeraError

EXIF_HEAD = b"Exif\0\0II*\0\x08\0\0\0"
BOMB = zlib.compress(bytes(2**26), 9)


def several(kind):
    """A file of two images."""
    return encoded(kind, save_all=True, append_images=[picture("L").convert("RGB")])


def refusal(data, name="face.jpg"):
    """The one sentence with which a file is refused."""
    with pytest.raises(VeraError) as refused:
        decode(data, name)
    said = str(refused.value)
    assert said.startswith(f"'{name}' ")
    assert ": " in said, "says what to do"
    assert "\n" not in said
    return said


def refused_or_right(data, expected):
    """Bad bytes give an error or exactly the right pixels, nothing between."""
    try:
        decoded = decode(data, "face.jpg")
    except VeraError:
        return False
    assert np.array_equal(decoded.pixels, expected)
    return True


# Orientation


def turned(pixels, orientation):
    """EXIF's eight orientations in plain numpy: where the stored first row and first column belong."""
    plain = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: pixels[::-1].transpose(1, 0, 2),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: pixels[:, ::-1].transpose(1, 0, 2),
    }
    return plain.get(orientation, pixels)


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_is_applied_once(kind, orientation):
    stored = shown(encoded(kind))
    decoded = decode(encoded(kind, exif=exif(orientation=orientation)), "face")
    assert np.array_equal(decoded.pixels, turned(stored, orientation))
    assert decoded.pixels.flags.c_contiguous
    assert decoded.warnings == ()


MODES = {
    "JPEG": ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"),
    "WEBP": ("L", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_mode_of_eight_bits_is_read_as_pillow_shows_it(kind, mode):
    data = encoded(kind, picture(mode))
    assert np.array_equal(decode(data, "face").pixels, shown(data))


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "LA"), ("PNG", "RGBA"), ("TIFF", "LA"), ("TIFF", "RGBA"), ("TIFF", "PA"), ("WEBP", "RGBA")]
)
def test_transparency_is_seen(kind, mode):
    assert not decode(encoded(kind, picture(mode)), "face").opaque
    assert decode(encoded(kind, picture("RGB").convert("RGBA")), "face").opaque


def test_a_transparent_colour_is_seen_in_any_strip(monkeypatch):
    monkeypatch.setattr(image_file, "STRIP", 2 * SIZE[0])
    image = picture("RGB")
    assert not decode(encoded("PNG", image, transparency=image.getpixel((3, SIZE[1] - 1))), "face").opaque
    palette = picture("P")
    assert not decode(encoded("PNG", palette, transparency=palette.getpixel((0, 0))), "face").opaque


# Damage


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("kind", SUFFIX)
def test_a_file_cut_short_is_refused(kind, share):
    data = encoded(kind, picture(size=(90, 80)))
    said = refusal(data[: int(len(data) * share)])
    assert "damaged" in said or "not an image" in said


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", SUFFIX)
def test_a_file_without_its_last_bytes_is_refused_or_right(kind, progressive):
    options = {"progressive": progressive} if kind == "JPEG" else {}
    data = encoded(kind, picture(size=(64, 48)), **options)
    for missing in (*range(1, 40), 100, 200):
        refused_or_right(data[:-missing], shown(data))


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"PK\3\4 an archive", b"%PDF-1.4", b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run", bytes(5000)])
@pytest.mark.parametrize("kind", SUFFIX)
def test_what_follows_an_image_changes_nothing(kind, tail):
    assert np.array_equal(decode(encoded(kind) + tail, "face").pixels, shown(encoded(kind)))


@pytest.mark.parametrize("position", range(12))
def test_a_changed_byte_in_a_png_is_refused_or_right(position):
    data = bytearray(encoded("PNG"))
    data[8 + position * (len(data) - 8) // 12] ^= 0x55
    refused_or_right(bytes(data), np.asarray(picture()))


HOSTILE = {
    "one byte": b"\xff",
    "text": b"hello",
    "only zeros": bytes(4096),
    "an HTML page": b"<!DOCTYPE html><html></html>",
    "JPEG's mark": b"\xff\xd8\xff",
    "PNG's mark": b"\x89PNG\r\n\x1a\n",
    "TIFF's mark": b"II*\0",
    "TIFF that ends before its directory": b"II*\0\xff\xff\xff\xff",
    "BigTIFF's mark": b"II+\0\x08\0\0\0",
    "WebP's mark": b"RIFF\0\0\0\0WEBP",
    "BMP's mark": b"BM",
    "JPEG of markers": b"\xff\xd8" + b"\xff\xe1\0\2" * 5000,
    "JPEG of 0xFF": b"\xff\xd8" + b"\xff" * 100_000,
    "JPEG with a segment beyond its end": b"\xff\xd8\xff\xe1\xff\xff",
    "JPEG of size zero": with_frame(encoded("JPEG"), size=(0, 0)),
    "JPEG without tables": encoded("JPEG").replace(b"\xff\xdb", b"\xff\xfe"),
    "PNG of size zero": png_of(0, 5),
    "PNG without pixels": png_of(64, 64),
    "PNG with a false checksum": encoded("PNG")[:29] + b"\0\0\0\0" + encoded("PNG")[33:],
    "PNG of colour type 5": png_of(8, 8, colour=5),
    "PNG of 3 bits": png_of(8, 8, depth=3),
    "PNG with a chunk beyond its end": encoded("PNG")[:33] + b"\x7f\xff\xff\xffzTXt",
    "PNG with an iCCP bomb": with_chunk(encoded("PNG"), b"iCCP", b"x\0\0" + BOMB),
    "PNG with a zTXt bomb": with_chunk(encoded("PNG"), b"zTXt", b"x\0\0" + BOMB),
    "PNG with an iTXt bomb": with_chunk(encoded("PNG"), b"iTXt", b"x\0\1\0\0\0" + BOMB),
    "TIFF without pixels": grey_tiff(8, 8, body=b""),
    "TIFF with too few pixels": grey_tiff(64, 64),
    "TIFF of 3 bits": grey_tiff(8, 8, bits=3),
    "TIFF of size zero": grey_tiff(0, 0),
    "TIFF of unknown compression": encoded("TIFF").replace(
        struct.pack("<HHIHH", 259, 3, 1, 1, 0), struct.pack("<HHIHH", 259, 3, 1, 999, 0)
    ),
    "BMP that ends in its header": encoded("BMP")[:30],
    "BMP of negative width": encoded("BMP")[:18] + struct.pack("<i", -5) + encoded("BMP")[22:],
    "BMP of unknown compression": encoded("BMP")[:30] + struct.pack("<I", 77) + encoded("BMP")[34:],
    "WebP that ends in its header": encoded("WEBP")[:40],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bytes_are_one_sentence(case, capfd):
    refusal(HOSTILE[case])
    assert capfd.readouterr() == ("", "")


ODD_METADATA = {
    "EXIF of garbage": lambda: segment(encoded("JPEG"), 0xE1, b"Exif\0\0garbage and more"),
    "EXIF with too many entries": lambda: segment(encoded("JPEG"), 0xE1, EXIF_HEAD + b"\xff\xff" + b"\1" * 50),
    "EXIF with its directory beyond its end": lambda: segment(encoded("JPEG"), 0xE1, b"Exif\0\0II*\0\xff\0\0\0"),
    "EXIF with an orientation of text": lambda: segment(
        encoded("JPEG"), 0xE1, EXIF_HEAD + struct.pack("<HHHI4s", 1, 0x0112, 2, 4, b"six\0") + bytes(4)
    ),
    "EXIF with values beyond its end": lambda: segment(
        encoded("JPEG"), 0xE1, EXIF_HEAD + struct.pack("<HHHII", 1, 0x010F, 2, 40000, 900) + bytes(4)
    ),
    "EXIF of garbage in a PNG": lambda: with_chunk(encoded("PNG"), b"eXIf", b"II*\0\x08\0\0\0\xff\xff"),
    "MPF of garbage": lambda: segment(encoded("JPEG"), 0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
}


@pytest.mark.parametrize("case", ODD_METADATA)
def test_damaged_metadata_are_a_warning_of_ours_and_none_of_pillows(case, capfd, recwarn):
    data = ODD_METADATA[case]()
    decoded = decode(data, "face")
    assert np.array_equal(decoded.pixels, shown(encoded("PNG" if data[:1] == b"\x89" else "JPEG")))
    assert len(decoded.warnings) == 1
    assert "metadata are damaged" in decoded.warnings[0]
    assert not recwarn.list or all("faces/image_file" not in one.filename for one in recwarn.list)
    assert capfd.readouterr() == ("", "")


def test_damaged_exif_does_not_hide_the_colour_profile():
    data = encoded("PNG", icc_profile=swapped_primaries())
    whole = decode(data, "face")
    damaged = decode(with_chunk(data, b"eXIf", b"II*\0\x08\0\0\0\xff\xff"), "face")
    assert np.array_equal(damaged.pixels, whole.pixels)
    assert not np.array_equal(whole.pixels, np.asarray(picture()))


def swapped_primaries():
    from vera.faces import icc

    return icc.profile((*icc.SRGB[2:4], *icc.SRGB[:2], *icc.SRGB[4:]), None)


# Size


LARGE = {
    "PNG": lambda: png_of(13_000, 13_000),
    "PNG beyond Pillow's own limit": lambda: png_of(2**31 - 1, 2**31 - 1),
    "PNG, very wide": lambda: png_of(2**27, 1),
    "JPEG": lambda: with_frame(encoded("JPEG"), size=(65_535, 65_535)),
    "JPEG below Pillow's own limit": lambda: with_frame(encoded("JPEG"), size=(12_000, 12_000)),
    "TIFF": lambda: grey_tiff(100_000, 100_000),
    "TIFF of 4 thousand million squared": lambda: grey_tiff(2**32 - 1, 2**32 - 1),
    "BMP": lambda: encoded("BMP")[:18] + struct.pack("<ii", 60_000, 60_000) + encoded("BMP")[26:],
    "WebP": lambda: webp_of(16_383, 16_383),
    "WebP below Pillow's own limit": lambda: webp_of(12_000, 12_000),
}


def webp_of(width, height):
    """A WebP whose lossless stream says that it is of this size."""
    data = bytearray(encoded("WEBP"))
    assert data[12:16] == b"VP8L"
    numbers = int.from_bytes(data[21:25], "little") >> 28 << 28
    data[21:25] = (numbers | (height - 1) << 14 | (width - 1)).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("case", LARGE)
def test_too_many_pixels_are_refused_by_the_header(case, monkeypatch):
    data = LARGE[case]()

    def load(_):
        pytest.fail("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert "more than the 120 megapixels that are supported: make it smaller" in refusal(data)


def test_the_limit_on_pixels_is_exact(monkeypatch):
    monkeypatch.setattr(formats, "MOST_PIXELS", SIZE[0] * SIZE[1])
    decode(encoded("PNG"), "face")
    monkeypatch.setattr(formats, "MOST_PIXELS", SIZE[0] * SIZE[1] - 1)
    assert "megapixels" in refusal(encoded("PNG"))


def test_masks_have_the_same_limit_formats_and_depth(tmp_path):
    for data, says in (
        (png_of(13_000, 13_000), "megapixels"),
        (encoded("GIF"), "GIF is not supported"),
        (grey_tiff(8, 4, bits=12), "8 bits"),
        (several("TIFF"), "several images"),
        (b"", "is empty"),
    ):
        (tmp_path / "mask.png").write_bytes(data)
        with pytest.raises(VeraError, match=says):
            read_mask(tmp_path / "mask.png", (8, 8))


# Several images


@pytest.mark.parametrize("kind", ["TIFF", "MPO", "PNG", "WEBP"])
def test_of_several_images_the_first_is_taken_with_a_warning(kind):
    decoded = decode(several(kind), "face")
    lossless = kind != "MPO"
    assert decoded.pixels.shape == (SIZE[1], SIZE[0], 3)
    assert not lossless or np.array_equal(decoded.pixels, np.asarray(picture()))
    assert len(decoded.warnings) == 1
    assert "several images" in decoded.warnings[0]


def test_directories_in_a_circle_are_one_image():
    assert decode(grey_tiff(8, 8, next_page=8), "face").pixels.shape == (8, 8, 3)


# Files


def test_what_is_no_regular_file_is_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "nowhere.jpg").symlink_to("absent")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.jpg"))
        for name, says in {
            "pipe.jpg": "is not a regular file",
            "device.jpg": "is not a regular file",
            "socket.jpg": "is not a regular file",
            "folder.jpg": "is a folder",
            "loop.jpg": "cannot be read",
            "nowhere.jpg": "is not there",
            "absent.jpg": "is not there",
            "folder.jpg/face.jpg": "is not there",
            "x" * 300: "cannot be read",
            "zero\0byte.jpg": "cannot be read",
        }.items():
            for read in (read_photograph, lambda path: read_mask(path, (8, 8))):
                with pytest.raises(VeraError, match=says):
                    read(tmp_path / name)
    for device in ("/dev/null", "/dev/zero"):
        with pytest.raises(VeraError, match="is not a regular file"):
            read_photograph(device)


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(2**40)  # a sparse file
    with pytest.raises(VeraError, match="larger than 512 MiB"):
        read_photograph(tmp_path / "huge.tif")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "face.png").write_bytes(encoded("PNG"))
    (tmp_path / "link.png").symlink_to("face.png")
    photograph = read_photograph(tmp_path / "link.png")
    assert photograph.name == "link"
    assert np.array_equal(photograph.pixels, np.asarray(picture()))


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/M\xfcller.png"
    with open(path, "wb") as file:
        file.write(encoded("PNG"))
    assert read_photograph(os.fsdecode(path)).name == "M%FCller"
    with open(path, "wb") as file:
        file.write(b"hello")
    with pytest.raises(VeraError, match=r"M%FCller\.png' is not an image"):
        read_photograph(os.fsdecode(path))


def test_warnings_reach_the_photograph(tmp_path):
    (tmp_path / "face.tif").write_bytes(several("TIFF"))
    assert len(read_photograph(tmp_path / "face.tif").warnings) == 1


def test_png_text_is_not_kept(tmp_path):
    text = chunk(b"tEXt", b"Patient\0Jane")
    data = encoded("PNG")
    assert np.array_equal(decode(data[:33] + text + data[33:], "face").pixels, np.asarray(Image.open(io.BytesIO(data))))
