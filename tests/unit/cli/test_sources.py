"""From every kind of source to the written file: the region is kept bit for bit, and ``vera verify`` finds it so."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.reference.clinic_files import dicom, dicom_of_jpeg, dng, heic
from tests.reference.image_bytes import encoded, exif
from tests.unit.anonymization.conftest import Detector, Parser, Recogniser, face_points

from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.recheck import Rechecker
from vera.cli.assembly import PersonAnonymizer
from vera.faces.photograph import read_photograph

PIXELS = np.random.default_rng(0).integers(90, 160, (240, 200, 3)).astype(np.uint8)
IMAGE = Image.fromarray(PIXELS)
UPSIDE_DOWN = exif(orientation=3)


def deep(suffix):
    return bytes(cv2.imencode(suffix, PIXELS[..., ::-1].astype(np.uint16) * 257)[1].tobytes())


def as_pillow_reads(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


SOURCES = {
    "JPEG": lambda: encoded("JPEG", IMAGE),
    "PNG": lambda: encoded("PNG", IMAGE),
    "PNG, upside down": lambda: encoded("PNG", IMAGE.rotate(180), exif=UPSIDE_DOWN),
    "PNG of 16 bits": lambda: deep(".png"),
    "TIFF": lambda: encoded("TIFF", IMAGE),
    "TIFF of 16 bits": lambda: deep(".tiff"),
    "WebP": lambda: encoded("WEBP", IMAGE),
    "BMP": lambda: encoded("BMP", IMAGE),
    "HEIC": lambda: heic(PIXELS),
    "HEIC of 10 bits": lambda: heic(PIXELS, bits=10),
    "AVIF": lambda: encoded("AVIF", IMAGE),
    "camera raw": lambda: dng(np.repeat(np.repeat(PIXELS[::2, ::2, 0], 2, axis=0), 2, axis=1) * 257.0 * 0.5),
    "DICOM": lambda: dicom(PIXELS),
    "DICOM, JPEG within": lambda: dicom_of_jpeg(encoded("JPEG", IMAGE)),
}
LOSSY = {"JPEG": "JPEG", "AVIF": "AVIF", "DICOM, JPEG within": "JPEG"}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_region_is_kept_from_source_to_file(vera, tmp_path, monkeypatch, kind):
    parts = {"detector": Detector(face_points()), "recognisers": [Recogniser()]}

    def assemble(bundle, device, options, *, method, **others):
        return PersonAnonymizer(VeraAnonymizer(ObscuringRenderer(method), **parts, parser=Parser(), options=options), {})

    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: Rechecker(**parts))
    source, out = tmp_path / "sources" / "a", tmp_path / "out"
    source.parent.mkdir()
    source.write_bytes(SOURCES[kind]())
    if kind == "camera raw":
        shown = read_photograph(source).pixels  # developed; its colours are tested beside its reader
    else:
        shown = as_pillow_reads(encoded(LOSSY[kind], IMAGE)) if kind in LOSSY else PIXELS
    code, _, told = vera("anonymize", source, "--preserve", "mouth", "--method", "cover", "--out", out)
    assert code == 0, told
    kept = np.asarray(Image.open(out / "a.preserved.png")) > 0
    made = read_photograph(out / ("a.dcm" if "DICOM" in kind else "a.png")).pixels
    assert kept.sum() > 100
    np.testing.assert_array_equal(made[kept], shown[kept])
    assert (made != shown).any()
    code, said, told = vera("verify", out, "--sources", source.parent)
    assert code == 0, said + told
    assert "1 of them compared with their sources" in said
