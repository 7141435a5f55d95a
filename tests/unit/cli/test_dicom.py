"""DICOM photographs in, DICOM photographs out: nothing of the patient is left, and what belongs together stays together."""

import io
import json
import re

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from tests.reference import dicom_tools
from tests.reference.clinic_files import JANE, dicom, dicom_of_jpeg, heic
from tests.reference.image_bytes import encoded
from tests.unit.anonymization.conftest import Detector, Parser, Recogniser, face_points
from tests.unit.cli.folders import audit_of

from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.recheck import Rechecker
from vera.cli.assembly import PersonAnonymizer
from vera.faces.photograph import read_photograph

STUDY, SERIES = "1.2.826.0.1.3680043.8.498.1111", "1.2.826.0.1.3680043.8.498.2222"


@pytest.fixture
def pair(tmp_path):
    """Before and after in one series of an archive, the second with a JPEG within."""
    before, after = tmp_path / "before.dcm", tmp_path / "after"  # the content counts, not the suffix
    before.write_bytes(dicom(study=STUDY, series=SERIES))
    after.write_bytes(dicom_of_jpeg(study=STUDY, series=SERIES))
    return before, after


def texts(dataset):
    """Every text and number of letters in a data set, at any depth, that could name somebody."""
    for element in dataset.iterall():
        values = element.value if element.VM > 1 else [element.value]
        for value in values if element.VR not in ("SQ", "OB", "OW") else ():
            if len(str(value)) > 3:
                yield element.keyword, str(value)


def test_a_pair_in_and_a_pair_out_without_the_patient(vera, studio, pair, tmp_path, files):
    out = tmp_path / "out"
    code, _, told = vera("anonymize", *pair, "--person", "Doe-4711", "--preserve", "mouth", "--out", out)
    assert code == 0, told
    assert files(out) == ["after.dcm", "after.preserved.png", "audit.json", "before.dcm", "before.preserved.png"]
    sources, made = [pydicom.dcmread(path) for path in pair], [pydicom.dcmread(out / f"{path.stem}.dcm") for path in pair]
    kept = {"SOPClassUID", "Modality", "PhotometricInterpretation", "TransferSyntaxUID"}
    for source, target in zip(sources, made, strict=True):
        content = (out / f"{'before' if target is made[0] else 'after'}.dcm").read_bytes()
        for keyword, text in [*texts(source), ("", "Doe"), ("", "Jane"), ("", "EXAMPLE CLINIC"), ("", "-4711")]:  # UIDs have random digits
            assert keyword in kept or text.encode() not in content, f"{keyword}: {text} is left"
        assert not any(element.tag.is_private for element in target.iterall())
        assert target.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    first, second = made
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert len({first.SOPInstanceUID, second.SOPInstanceUID, first.StudyInstanceUID, first.SeriesInstanceUID}) == 4
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert first.PatientID == second.PatientID
    assert "LossyImageCompressionMethod" not in first
    assert (second.LossyImageCompression, second.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    for target in made:
        said = [(item.CodeValue, item.CodeMeaning) for item in target.DeidentificationMethodCodeSequence]
        assert said == [
            ("113100", "Basic Application Confidentiality Profile"),
            ("113102", "Clean Recognizable Visual Features Option"),
        ]
        assert target.LongitudinalTemporalInformationModified == "REMOVED"
        assert (target.PatientIdentityRemoved, target.BurnedInAnnotation, target.RecognizableVisualFeatures) == ("YES", "NO", "NO")
    (record,) = audit_of(out)["people"]
    assert sum("does not look for text" in warning for warning in record["warnings"]) == 2
    assert np.array_equal(read_photograph(out / "before.dcm").pixels, np.full((6, 5, 3), 40))


@pytest.mark.parametrize("sop_class", [uid.VLPhotographicImageStorage, uid.SecondaryCaptureImageStorage])
def test_a_pair_is_valid_for_dicom3tools_and_readable_by_dcmtk(vera, studio, tmp_path, sop_class):
    if dicom_tools.ABSENT:
        pytest.skip(f"{', '.join(dicom_tools.ABSENT)} not installed (Debian's dicom3tools and dcmtk)")
    before, after, out = tmp_path / "before.dcm", tmp_path / "after.dcm", tmp_path / "out"
    before.write_bytes(dicom(sop_class=sop_class, study=STUDY, series=SERIES))
    after.write_bytes(dicom_of_jpeg(sop_class=sop_class, study=STUDY, series=SERIES))
    assert vera("anonymize", before, after, "--out", out)[0] == 0
    for value, made in ((40, out / "before.dcm"), (41, out / "after.dcm")):
        assert dicom_tools.errors(made) == []
        assert not [text for text in JANE.values() if len(text) > 1 and text in dicom_tools.dump(made)]
        np.testing.assert_array_equal(dicom_tools.pixels(made), np.full((6, 5, 3), value, dtype=np.uint8))
        with pydicom.config.strict_reading():
            dataset = pydicom.dcmread(made)
            for element in dataset.iterall():
                assert element.value is not NotImplemented
        assert dataset.SOPClassUID == sop_class


def test_the_format_can_be_chosen(vera, studio, pair, photo, tmp_path, files):
    mixed = (pair[0], photo("c.jpg"), tmp_path / "d.heic")
    mixed[2].write_bytes(heic())
    assert vera("anonymize", *mixed, "--out", tmp_path / "auto")[0] == 0
    assert [name for name in files(tmp_path / "auto") if "." in name and "preserved" not in name] == [
        "audit.json",
        "before.dcm",
        "c.png",
        "d.png",
    ]
    assert vera("anonymize", *mixed, "--format", "png", "--out", tmp_path / "png")[0] == 0
    assert "before.png" in files(tmp_path / "png")
    assert vera("anonymize", *mixed, "--format", "dicom", "--out", tmp_path / "dicom")[0] == 0
    made = [pydicom.dcmread(tmp_path / "dicom" / f"{name}.dcm") for name in ("before", "c", "d")]
    assert [one.get("LossyImageCompressionMethod") for one in made] == [None, "ISO_10918_1", "ISO_23008_2"]
    assert made[1].SeriesInstanceUID == made[2].SeriesInstanceUID != made[0].SeriesInstanceUID
    assert {one.PatientID for one in made} == {made[0].PatientID}


def test_the_same_call_gives_the_same_bytes_and_another_seed_or_person_other_uids(vera, studio, pair, tmp_path):
    def made(name, **changes):
        assert vera("anonymize", *pair, "--person", changes.get("person", "p"), "--rename", "--out", tmp_path / name)[0] == 0
        return (tmp_path / name / "0001.dcm").read_bytes()

    first, again, other = made("a"), made("b"), made("c", person="q")
    assert first == again
    known, unknown = (pydicom.dcmread(io.BytesIO(data)) for data in (first, other))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID"):
        assert known[keyword].value != unknown[keyword].value


def test_a_repeated_call_replaces_its_dicom_files(vera, studio, pair, tmp_path, files):
    out = tmp_path / "out"
    assert vera("anonymize", *pair, "--out", out)[0] == 0
    assert vera("anonymize", *pair, "--out", out)[0] == 0
    assert vera("anonymize", *pair, "--format", "png", "--out", out)[0] == 0
    assert files(out) == ["after.png", "after.preserved.png", "audit.json", "before.png", "before.preserved.png"]


def test_text_in_the_pixels_and_other_faces_are_refused(vera, studio, tmp_path, files):
    source, out = tmp_path / "a.dcm", tmp_path / "out"
    source.write_bytes(dicom(BurnedInAnnotation="YES"))
    code, _, told = vera("anonymize", source, "--out", out)
    assert code == 2
    assert "text is burned into its pixels" in told
    assert not studio.seen
    assert files(out) == ["audit.json"]
    assert vera("anonymize", source, "--format", "png", "--out", tmp_path / "png")[0] == 0
    code, _, told = vera("anonymize", source, "--face", "1", "--leave-others", "--out", tmp_path / "others")
    assert code == 2
    assert "--format png" in told
    assert files(tmp_path / "others") == []


@pytest.mark.parametrize("end", [140, 200, 900])
def test_a_damaged_file_is_one_sentence(vera, studio, tmp_path, files, end, caplog):
    (tmp_path / "a.dcm").write_bytes(dicom(SOPInstanceUID="not a UID, Jane Doe")[:end])
    caplog.clear()
    code, _, told = vera("anonymize", tmp_path / "a.dcm", "--out", tmp_path / "out")
    assert code in (0, 2)  # the fake reads no pixels
    assert "Traceback" not in told
    assert "Jane" not in told + caplog.text
    assert "Warning" not in told
    assert end > 200 or ("damaged" in told and not studio.seen)


def test_without_pydicom_nothing_is_begun(vera, studio, photo, tmp_path, files, monkeypatch):
    monkeypatch.setattr("vera.cli.plan.find_spec", lambda name: None)
    code, _, told = vera("anonymize", photo("a.jpg"), "--format", "dicom", "--out", tmp_path / "out")
    assert code == 2
    assert "pip install 'vera-anonymization[dicom]'" in told
    assert not studio.seen


def test_a_covered_pair_passes_vera_verify(vera, tmp_path, monkeypatch):
    parts = {"detector": Detector(face_points()), "recognisers": [Recogniser()]}

    def assemble(bundle, device, options, *, method, **others):
        return PersonAnonymizer(VeraAnonymizer(ObscuringRenderer(method), **parts, parser=Parser(), options=options), {})

    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: Rechecker(**parts))
    pixels = np.random.default_rng(0).integers(90, 160, (240, 200, 3)).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(pixels + np.uint8(20)).save(jpeg, "JPEG")
    sources, out = tmp_path / "sources", tmp_path / "out"
    sources.mkdir()
    (sources / "before.dcm").write_bytes(dicom(pixels, study=STUDY, series=SERIES))
    (sources / "after.dcm").write_bytes(dicom_of_jpeg(jpeg.getvalue(), study=STUDY, series=SERIES))
    given = [sources, "--person", "Doe-4711", "--preserve", "mouth", "--method", "cover", "--report", "--out", out]
    code, _, told = vera("anonymize", *given)
    assert code == 0, told
    code, said, told = vera("verify", out, "--sources", sources)
    assert code == 0, said + told
    assert "2 pictures as they were written, 2 of them compared with their sources, 1 people judged again" in said
    assert read_photograph(out / "before.dcm").pixels.any()
    page = re.sub(r"base64,[^\"]+", "", (out / "person-0001.report.html").read_text("utf-8"))
    assert "photograph 1 is marked as free of text" in page
    assert "REVIEW" in page
    assert "Doe" not in page
    content = bytearray((out / "after.dcm").read_bytes())
    content[-40] ^= 1
    (out / "after.dcm").write_bytes(content)
    code, said, _ = vera("verify", out, "--sources", sources)
    assert code == 3
    assert "after.dcm is not as it was written" in said


def test_the_audit_names_nobody_either(vera, studio, pair, tmp_path):
    assert vera("anonymize", *pair, "--rename", "--out", tmp_path / "out")[0] == 0
    said = json.dumps(audit_of(tmp_path / "out"))
    assert not [text for text in (*JANE.values(), STUDY, SERIES) if text in said and len(text) > 1]


def test_a_lossless_and_a_lossy_webp(tmp_path):
    from vera.faces.dicom_instance import read_origin

    assert read_origin(encoded("WEBP"), "a").method == ""
    assert read_origin(encoded("WEBP", lossless=False), "a").method == "VP8"
