from __future__ import annotations

import hashlib
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from vera.faces.marking import PNG_KEYWORD, TERMS, TOOL, packet
from vera.faces.photograph import photograph_from_pixels, read_photograph, write_png
from vera.types import VeraError

RNG_SEED = 3


def picture(mode: str, size: tuple[int, int] = (37, 23)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(RNG_SEED).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    if mode == "P":
        return Image.fromarray(np.repeat(values, 3, axis=2)[..., :3].copy()).quantize(32)
    return Image.frombytes(mode, size, values.tobytes())


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", "png"),
        ("LA", "png"),
        ("P", "png"),
        ("RGB", "png"),
        ("RGBA", "png"),
        ("RGB", "jpg"),
        ("L", "jpg"),
        ("CMYK", "jpg"),
        ("CMYK", "tiff"),
    ],
)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 5])
def test_pixels_equal_pillows(tmp_path: Path, mode: str, suffix: str, orientation: int) -> None:
    path = tmp_path / f"face.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(mode).save(path, exif=exif)
    photograph = read_photograph(path)
    # From memory, since Pillow forgets the orientation of a CMYK TIFF that it maps from disk.
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert photograph.pixels.dtype == np.uint8
    assert np.array_equal(photograph.pixels, expected)
    assert photograph.name == "face"
    assert photograph.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_srgb_profile_leaves_pixels_alone(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB", "RGBA", "P"):
        path = tmp_path / f"{mode}.png"
        picture(mode).save(path, icc_profile=profile)
        assert np.array_equal(read_photograph(path).pixels, np.asarray(picture(mode).convert("RGB")))


def swapped_primaries() -> bytes:
    """An RGB profile that is not sRGB: littleCMS's own with red's and green's colorants exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"tmp_").replace(b"gXYZ", b"rXYZ").replace(b"tmp_", b"gXYZ")


def test_another_profile_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=swapped_primaries())
    red, green, _ = read_photograph(path).pixels[0, 0].astype(int)
    assert green > 240
    assert red < 15


def test_a_damaged_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    picture("RGB").save(path, icc_profile=b"not a profile")
    with pytest.raises(VeraError, match="colour profile"):
        read_photograph(path)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_more_than_16_bits_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "deep.tiff"
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(VeraError, match=r"8.bit"):
        read_photograph(path)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jpg"
    picture("RGB", (200, 200)).save(whole)
    data = whole.read_bytes()
    for name, content in {"empty.jpg": b"", "text.png": b"hello", "cut.jpg": data[: len(data) // 2], "head.jpg": data[:20]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VeraError, match=name):
            read_photograph(tmp_path / name)
    for path, what in ((tmp_path, "not a file"), (tmp_path / "missing.png", "not there")):
        with pytest.raises(VeraError, match=what):
            read_photograph(path)


def test_every_truncation_of_a_png_is_one_clear_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    picture("RGB").save(whole)
    data = whole.read_bytes()
    for end in range(1, len(data) - 30, 97):
        (tmp_path / "cut.png").write_bytes(data[:end])
        with pytest.raises(VeraError):
            read_photograph(tmp_path / "cut.png")


def test_png_roundtrip_is_exact_deterministic_and_bare(tmp_path: Path) -> None:
    pixels = np.asarray(picture("RGB")).copy()
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, pixels)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info == {"srgb": 1}
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("term", TERMS)
def test_a_mark_says_two_things_and_changes_no_pixel(tmp_path: Path, term: str) -> None:
    pixels = np.asarray(picture("RGB")).copy()
    for name, mark in (("bare.png", None), ("a.png", packet(term)), ("b.png", packet(term))):
        write_png(tmp_path / name, pixels, xmp=mark)
        assert np.array_equal(read_photograph(tmp_path / name).pixels, pixels)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert set(image.info) == {"srgb", "xmp", PNG_KEYWORD}
        (said,) = ElementTree.fromstring(image.info["xmp"]).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert set(said.attrib.values()) == {"", TOOL, term}
    assert said.attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"] == term
    assert not list(said)
    with pytest.raises(ValueError, match="no renderer makes"):
        packet("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture")


def test_a_mask_is_written_grey(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((9, 7)) > 0.5
    write_png(tmp_path / "mask.png", mask)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), mask * 255)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(VeraError, match="cannot be written"):
        write_png(tmp_path / "taken.png", np.zeros((2, 2), bool))
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]
    with pytest.raises(VeraError, match="cannot be written"):
        write_png(tmp_path / "absent" / "x.png", np.zeros((2, 2), bool))
    with pytest.raises(VeraError, match="uint8"):
        write_png(tmp_path / "x.png", np.zeros((2, 2, 3), np.float32))  # type: ignore[arg-type]


def test_text_chunks_of_the_source_do_not_come_through(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Patient", "Jane")
    picture("RGB").save(tmp_path / "in.png", pnginfo=info)
    write_png(tmp_path / "out.png", read_photograph(tmp_path / "in.png").pixels)
    assert b"Jane" not in (tmp_path / "out.png").read_bytes()


def test_a_photograph_in_memory_has_a_digest_of_its_pixels() -> None:
    a, b = np.zeros((4, 6, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)
    assert photograph_from_pixels(a, "a").digest == photograph_from_pixels(a, "b").digest
    assert photograph_from_pixels(a, "a").digest != photograph_from_pixels(b, "a").digest
    with pytest.raises(VeraError):
        photograph_from_pixels(np.zeros((4, 4), np.uint8), "grey")


def test_a_closed_folder_and_a_name_too_long_are_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VeraError, match="check the path"):
        read_photograph(tmp_path / ("x" * 300 + ".png"))

    def closed(path: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(VeraError, match="Permission denied"):
        read_photograph(tmp_path / "photograph.png")
