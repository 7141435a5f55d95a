"""``vera anonymize --c2pa-certificate --c2pa-key``: signed pictures, checked before any work, and ``vera verify`` over them."""

import io
import logging

import c2pa
import numpy as np
import pytest
from PIL import Image
from tests.reference.certificates import issue
from tests.reference.clinic_files import dicom
from tests.unit.anonymization.conftest import Detector, Parser, Recogniser, face_points
from tests.unit.cli.folders import audit_of

from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.recheck import Rechecker
from vera.cli.assembly import PersonAnonymizer
from vera.cli.rendering import PersonWorker
from vera.faces.content_credentials import check_credentials
from vera.faces.photograph import read_photograph


@pytest.fixture
def issued(tmp_path):
    return issue(tmp_path)


def signed(path, issued):
    context = c2pa.Context(c2pa.Settings.from_dict({"trust": {"trust_anchors": issued.root}, "verify": {"verify_trust": True}}))
    return c2pa.Reader("image/png", io.BytesIO(path.read_bytes()), context=context)


def body_of(issued):
    """Letters of the key that nothing else holds."""
    return "".join(issued.key.read_text().splitlines()[1:-1])[20:70]


def test_signed_pictures_agree_with_their_xmp_and_pass_vera_verify(vera, issued, tmp_path, monkeypatch, files):
    parts = {"detector": Detector(face_points()), "recognisers": [Recogniser()]}

    def assemble(bundle, device, options, *, method, **others):
        return PersonAnonymizer(VeraAnonymizer(ObscuringRenderer(method), **parts, parser=Parser(), options=options), {})

    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: Rechecker(**parts))
    source, plain, out = tmp_path / "sources" / "a.png", tmp_path / "plain", tmp_path / "out"
    source.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(90, 160, (240, 200, 3)).astype(np.uint8)).save(source)
    call = ["anonymize", source, "--preserve", "mouth", "--method", "cover", "--out"]
    assert vera(*call, plain)[0] == 0
    code, _, told = vera(*call, out, *issued.options)
    assert code == 0, told
    assert files(out) == ["a.png", "a.preserved.png", "audit.json"]
    manifest = signed(out / "a.png", issued)
    assert manifest.get_validation_state() == "Trusted"
    term = manifest.get_active_manifest()["assertions"][0]["data"]["actions"][0]["digitalSourceType"]
    assert term == audit_of(out)["people"][0]["digital_source_type"]
    assert term in Image.open(out / "a.png").info["xmp"].decode()
    preserved = read_photograph(out / "a.preserved.png").pixels[..., 0] > 0
    made = read_photograph(out / "a.png").pixels
    assert np.array_equal(made, read_photograph(plain / "a.png").pixels)
    assert np.array_equal(made[preserved], read_photograph(source).pixels[preserved])
    code, said, told = vera("verify", out, "--sources", source.parent)
    assert code == 0, said + told
    assert "1 of them compared with their sources, 1 people judged again" in said
    assert len(audit_of(out)["settings"]["c2pa_certificate"]) == 64
    assert "c2pa_certificate" not in audit_of(plain)["settings"]


def test_the_key_is_neither_told_nor_stored(vera, studio, photo, issued, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("VERA_DEBUG", "1")
    with caplog.at_level(logging.DEBUG):
        _, said, told = vera("anonymize", photo("a.jpg"), *issued.options, "--out", tmp_path / "out")
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) == 3
    for text in (said, told, caplog.text, *(path.read_bytes().decode("latin-1") for path in written)):
        assert body_of(issued) not in text
        assert str(issued.key) not in text


@pytest.mark.parametrize(
    ("choices", "more", "says"),
    [
        ({"days": (-9, -2)}, [], "expired on"),
        ({}, ["--no-mark"], "leave one of the two out"),
        ({}, ["--format", "dicom"], "a DICOM file has no place for a C2PA manifest: use --format png"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_any_work(refused, photo, tmp_path, choices, more, says):
    assert says in refused(photo("a.jpg"), *issue(tmp_path, **choices).options, *more, "--out", tmp_path / "out")


def test_one_of_the_two_files_or_of_another_pair_is_refused(refused, photo, issued, tmp_path):
    (tmp_path / "other").mkdir()
    other = issue(tmp_path / "other")
    assert "belong together" in refused(photo("a.jpg"), *issued.options[:2], "--out", tmp_path / "out")
    assert "is not the one of" in refused(photo("a.jpg"), *issued.options[:2], *other.options[2:], "--out", tmp_path / "out")


def test_a_dicom_source_is_signed_as_png_only(vera, refused, studio, issued, tmp_path):
    (tmp_path / "a.dcm").write_bytes(dicom())
    assert "has no place for a C2PA manifest" in refused(tmp_path / "a.dcm", *issued.options, "--out", tmp_path / "out")
    assert vera("anonymize", tmp_path / "a.dcm", "--format", "png", *issued.options, "--out", tmp_path / "out")[0] == 0
    assert signed(tmp_path / "out" / "a.png", issued).get_validation_state() == "Trusted"


def test_a_certificate_that_expires_meanwhile_leaves_no_picture(vera, studio, photo, issued, tmp_path, files, monkeypatch):
    def sign(*arguments):
        raise c2pa.C2paError("Signature: the certificate was not valid at time of signing")

    assert vera("anonymize", photo("a.jpg"), *issued.options, "--out", tmp_path / "first")[0] == 0
    builder = c2pa.Builder.sign
    calls = []
    monkeypatch.setattr(c2pa.Builder, "sign", lambda *arguments: (calls.append(1), (builder if len(calls) < 3 else sign)(*arguments))[1])
    code, _, told = vera("anonymize", photo("a.jpg"), *issued.options, "--out", tmp_path / "out")
    assert code == 2
    assert "not valid at time of signing" in told
    assert files(tmp_path / "out") == ["audit.json"]


def test_a_worker_of_an_archive_reads_the_credentials_itself(issued):
    credentials = check_credentials(issued.certificate, issued.key, mark=True)
    assert PersonWorker(lambda: None, mark=True, credentials=credentials).signer.fingerprint == credentials.fingerprint
    assert PersonWorker(lambda: None, mark=True).signer is None
