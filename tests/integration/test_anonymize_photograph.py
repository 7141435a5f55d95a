"""`vera anonymize` with the shipped bundles on a real photograph: what is written, and what is refused."""

import hashlib
import importlib.util
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from vera.bundle import controlled_bundle, default_bundle
from vera.cli.schema import validator
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.faces.recogniser_choice import embedded_recognisers
from vera.faces.recognition import DlibRecogniser

ORIENTATION = 0x0112
RENDERERS = ["generator", pytest.param("exemplars", marks=pytest.mark.slow)]
DEMO = Path(__file__).parents[2] / "experiments" / "demo" / "run.py"


@pytest.fixture(scope="module")
def portrait():
    """The astronaut's head and shoulders, 320 x 300."""
    return Image.fromarray(skimage.data.astronaut()[0:320, 80:380])


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def decoded(path):
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def turned():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return {"exif": exif.tobytes(), "quality": 92}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_pair_is_verified_and_kept_bit_for_bit(vera, portrait, tmp_path, renderer):
    """JPEG with an orientation beside RGBA PNG; a class and drawn masks preserved; an identity saved and used again."""
    before = save(portrait.rotate(90, expand=True), tmp_path / "before.jpg", **turned())
    darker = portrait.point(lambda v: int(v * 0.9)).rotate(2, Image.Resampling.BICUBIC).crop((8, 4, 292, 310)).convert("RGBA")
    after = save(darker, tmp_path / "after.png")
    spots = []
    for source, corner in ((before, (190, 190)), (after, (180, 185))):  # a spot on the cheek
        drawn = np.zeros(decoded(source).shape[:2], np.uint8)
        drawn[corner[1] : corner[1] + 9, corner[0] : corner[0] + 9] = 255
        spots.append(save(Image.fromarray(drawn), tmp_path / f"{source.stem}-spot.png"))
    keep = ["--renderer", renderer, "--preserve", f"mouth,{spots[0]}", "--preserve", spots[1]]
    out, identity = tmp_path / "out", tmp_path / "face.safetensors"
    code, _, stderr = vera("anonymize", before, after, *keep, "--person", "a", "--seed", 3, "--out", out, "--save-identity", identity)
    assert code == 0, stderr
    assert sorted(p.name for p in out.iterdir()) == ["after.png", "after.preserved.png", "audit.json", "before.png", "before.preserved.png"]
    assert stat.S_IMODE((out / "audit.json").stat().st_mode) == 0o600

    detector, recogniser = DlibDetector(), DlibRecogniser()

    def embedding(pixels):
        (face, *_) = detector.detect(photograph_from_pixels(pixels, "x"))
        return recogniser.embed(pixels, face.landmarks)

    outputs = []
    for source in (before, after):
        original, made = decoded(source), decoded(out / f"{source.stem}.png")
        with Image.open(out / f"{source.stem}.png") as image:
            assert not image.getexif()
        with Image.open(out / f"{source.stem}.preserved.png") as mask:
            kept = np.asarray(mask)
        assert set(np.unique(kept)) == {0, 255}
        with Image.open(tmp_path / f"{source.stem}-spot.png") as spot:
            assert (kept[np.asarray(spot) > 0] == 255).all()
        assert kept.shape == original.shape[:2] == made.shape[:2]
        assert np.array_equal(original[kept == 255], made[kept == 255])
        assert (original != made).any(axis=2).mean() > 0.05
        outputs.append(embedding(made))
        assert recogniser.distance(embedding(original), outputs[-1]) >= recogniser.threshold
    assert recogniser.distance(*outputs) < recogniser.threshold

    audit = json.loads((out / "audit.json").read_text())
    validator().validate(audit)
    (record,) = audit["people"]
    assert record["status"] == "written"
    assert [p["digest"] for p in record["photographs"]] == [hashlib.sha256(f.read_bytes()).hexdigest() for f in (before, after)]
    assert record["renderer"] == renderer
    judges = record["verification"]["recognisers"]
    assert [judge["name"] for judge in judges] == [judge.name for judge in embedded_recognisers()]
    assert all(judge["false_accept_rate"] > 0 for judge in judges)

    code, _, stderr = vera("anonymize", before, after, *keep, "--identity", identity, "--out", tmp_path / "later")
    assert code == 0, stderr
    later = embedding(decoded(tmp_path / "later" / "before.png"))
    assert recogniser.distance(later, outputs[0]) < recogniser.threshold


@pytest.mark.parametrize(
    ("renderer", "name", "mode", "options"),
    [("exemplars", "grey.png", "L", {}), pytest.param("generator", "cmyk.jpg", "CMYK", {"quality": 90}, marks=pytest.mark.slow)],
)
def test_every_kind_of_source_is_kept_bit_for_bit_and_python_gives_the_same(vera, portrait, tmp_path, renderer, name, mode, options):
    from vera import anonymize

    source = save(portrait.convert(mode), tmp_path / name, **options)
    choices = ["--renderer", renderer, "--preserve", "mouth", "--person", "p", "--seed", 1]
    code, _, stderr = vera("anonymize", source, *choices, "--out", tmp_path / "out")
    assert code == 0, stderr
    original, made = decoded(source), decoded(tmp_path / "out" / f"{source.stem}.png")
    kept = decoded(tmp_path / "out" / f"{source.stem}.preserved.png")[:, :, 0] == 255
    assert kept.any()
    assert np.array_equal(original[kept], made[kept])

    (result,) = anonymize([source], renderer=renderer, preserve=["mouth"], identity=1, person="p")
    assert result.audit["seed"] == 1
    assert result.audit["renderer"] == renderer
    assert np.array_equal(result.image, made)
    assert np.array_equal(result.preserved, kept)
    assert not (result.preserved & result.replaced).any()
    changed = (made != original).any(axis=2)
    assert changed[result.replaced].mean() > 0.9
    assert (changed & ~result.replaced).sum() <= result.audit["photographs"][0]["hair_edge_pixels"]


def bad_inputs(portrait, folder):
    """What is wrong, the arguments, and a phrase of the message (one that no path here holds)."""
    face = save(portrait, folder / "face.png")
    size = (portrait.height, portrait.width)
    two = Image.fromarray(np.hstack([np.asarray(portrait), np.asarray(portrait)]))
    broken = folder / "broken.jpg"
    broken.write_bytes(save(portrait, folder / "whole.jpg").read_bytes()[:3000])
    truncated = folder / "truncated"
    shutil.copytree(default_bundle(), truncated)
    weights = truncated / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    empty = save(Image.fromarray(np.zeros(size, np.uint8)), folder / "empty.png")
    small = save(Image.fromarray(np.full((10, 10), 255, np.uint8)), folder / "small.png")
    blank = save(Image.fromarray(np.full((200, 200, 3), 200, np.uint8)), folder / "blank.png")
    scan = folder / "scan.jpg"
    scan.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    taken = folder / "taken"
    taken.write_text("a file")
    return {
        "no face": ([blank], "no face found in photograph"),
        "several faces": ([save(two, folder / "two.png")], "2 faces found in photograph"),
        "unreadable": ([broken], "cannot be read as an image"),
        "another format": ([scan], "EPS is not supported: export it as 8-bit JPEG, PNG or TIFF"),
        "missing": ([folder / "nobody.jpg"], "is not there: check the path"),
        "empty mask": ([face, "--preserve", empty], "is empty: paint"),
        "mask of the wrong size": ([face, "--preserve", small], "its photograph (320, 300)"),
        "unknown class": ([face, "--preserve", "tooth"], "unknown region 'tooth'"),
        "missing bundle": ([face, "--bundle", folder / "none"], "no bundle"),
        "truncated bundle": ([face, "--bundle", truncated], "truncated or altered"),
        "colliding names": ([face, save(portrait, folder / "other" / "face.jpg")], "would both be written as face.png"),
        "unwritable": ([face, "--out", taken / "out"], "can't be written (Not a directory)"),
    }


CASES = (
    "no face", "several faces", "unreadable", "another format", "missing", "empty mask", "mask of the wrong size", "unknown class",
    "missing bundle", "truncated bundle", "colliding names", "unwritable",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_one_clear_error_and_no_image(vera, portrait, tmp_path, case):
    arguments, phrase = bad_inputs(portrait, tmp_path)[case]
    out = tmp_path / "out"
    options = [] if "--out" in arguments else ["--out", out]
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    code, _, stderr = vera("anonymize", *arguments, *options, "--seed", 1)
    assert code == 2
    assert phrase in stderr
    assert "Traceback" not in stderr
    assert len([line for line in stderr.strip().splitlines() if line.strip()]) == 1
    added = {p for p in tmp_path.rglob("*") if p.is_file()} - before
    assert not [p for p in added if p.suffix == ".png"]


def test_python_takes_an_array_and_loads_a_network(portrait):
    from vera import anonymize, load

    (result,) = anonymize([np.asarray(portrait)], preserve=["mouth"], method="cover", person="p")
    assert result.image.shape == (320, 300, 3)
    assert np.array_equal(result.image[result.preserved], np.asarray(portrait)[result.preserved])
    assert not load(default_bundle()).training


@pytest.mark.slow
def test_demo_writes_panel_and_measurements(tmp_path):
    import runpy

    arguments, sys.argv = sys.argv, [str(DEMO), "--out", str(tmp_path)]
    try:
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(DEMO), run_name="__main__")
    finally:
        sys.argv = arguments
    assert not left.value.code
    both = json.loads((tmp_path / "measured.json").read_text())
    assert set(both) == {"exemplars", "generator"}
    for measured in both.values():
        assert measured["preserved_bit_for_bit"]
        assert len(measured["recognisers"]) == 2
        for found in measured["recognisers"].values():
            assert found["between_the_anonymized"] < found["one_person_below"] <= found["least_distance_to_source"]
            assert min(found["to_source"]) >= found["least_distance_to_source"]
    assert {"panel.png", "before.png", "after.png", "audit.json", "generator"} <= set(os.listdir(tmp_path))


def test_demo_measures_and_draws_what_was_made(portrait, tmp_path):
    """The quick twin of the test above: the pair is made and judged, the photographs themselves are in the place of the results."""
    spec = importlib.util.spec_from_file_location("demo", DEMO)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    detector, recognisers = DlibDetector(), embedded_recognisers()
    before = read_photograph(save(portrait, tmp_path / "before.png"))
    after = photograph_from_pixels(demo.intervene(before, demo.only_face(detector, before)), "after")
    pair = [before, after]
    kept = [np.full_like(photograph.pixels, 255) for photograph in pair]
    measured = demo.measure(pair, pair, kept, detector, recognisers)
    assert measured["preserved_bit_for_bit"]
    for found in measured["recognisers"].values():
        assert found["to_source"] == pytest.approx([0, 0], abs=1e-6)
        assert 0 < found["between_the_originals"] < found["one_person_below"]
    other = [before, photograph_from_pixels(after.pixels ^ 1, "after")]
    assert not demo.measure(pair, other, kept, detector, recognisers)["preserved_bit_for_bit"]
    both = {"exemplars": measured, "generator": measured}
    demo.draw_panel(tmp_path / "panel.png", pair, {"exemplars": pair, "generator": other}, kept, detector, both)
    with Image.open(tmp_path / "panel.png") as panel:
        assert min(panel.size) > 300


def test_an_upside_down_photograph_is_refused_with_how_to_turn_it(vera, portrait, tmp_path):
    source = save(portrait.rotate(180), tmp_path / "a.png")
    code, _, stderr = vera("anonymize", source, "--renderer", "generator", "--seed", 1, "--out", tmp_path / "out")
    assert code == 2
    assert "is not upright: turn the photograph upright (a half turn)" in stderr
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.slow
def test_a_pair_of_dicom_photographs_becomes_a_pair_of_dicom_photographs(vera, portrait, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from tests.reference import dicom_tools
    from tests.reference.clinic_files import JANE, dicom

    darker = portrait.point(lambda value: int(value * 0.9)).crop((8, 4, 292, 310))
    sources = {"before": np.asarray(portrait), "after": np.asarray(darker)}
    for name, pixels in sources.items():
        (tmp_path / f"{name}.dcm").write_bytes(dicom(pixels, study="1.2.3.471147", series="1.2.3.471148"))
    given, out = [tmp_path / f"{name}.dcm" for name in sources], tmp_path / "out"
    code, _, stderr = vera("anonymize", *given, "--preserve", "mouth", "--person", "a", "--seed", 3, "--out", out)
    assert code == 0, stderr
    written = [pydicom.dcmread(out / f"{name}.dcm") for name in sources]
    for level in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        assert len({str(one[level].value) for one in written}) == 1, f"{level}: what belongs together stays together"
    assert len({one.SOPInstanceUID for one in written}) == 2
    for name, pixels in sources.items():
        made, kept = read_photograph(out / f"{name}.dcm"), np.asarray(Image.open(out / f"{name}.preserved.png")) > 0
        assert kept.any()
        assert np.array_equal(made.pixels[kept], pixels[kept])
        assert not np.array_equal(made.pixels, pixels)
        content = (out / f"{name}.dcm").read_bytes()
        secrets = [*(text for text in JANE.values() if len(text) > 1), "1.2.3.471147", "1.2.3.471148", "EXAMPLE CLINIC"]
        assert not [text for text in secrets if text.encode() in content]
    if dicom_tools.ABSENT:
        pytest.skip(f"not judged by other programs: {', '.join(dicom_tools.ABSENT)} not installed (Debian's dicom3tools and dcmtk)")
    for name in sources:
        assert dicom_tools.errors(out / f"{name}.dcm") == []
        assert np.array_equal(dicom_tools.pixels(out / f"{name}.dcm"), read_photograph(out / f"{name}.dcm").pixels)


@pytest.mark.slow
def test_the_shipped_generator_after_stage_2_anonymizes_by_optimisation(vera, portrait, tmp_path):
    """Attribute codes stay the photograph's, identities come from its mapping; what is written is checked again from the files."""
    source, out = save(portrait, tmp_path / "photographs" / "a.png"), tmp_path / "out"
    choices = ["--preserve", "mouth", "--person", "a", "--seed", 3, "--bundle", controlled_bundle(), "--refine-steps", 60]
    code, _, stderr = vera("anonymize", source, *choices, "--out", out)
    assert code == 0, stderr
    assert "inverting by 60 steps of optimisation, about" in stderr
    (person,) = json.loads((out / "audit.json").read_text())["people"]
    assert person["bank"] == {"identities": 512, "seed": 0}
    assert person["verification"]["passed"]
    original, made, preserved = decoded(source), decoded(out / "a.png"), decoded(out / "a.preserved.png")[..., 0] > 0
    assert preserved.any()
    assert (made == original)[preserved].all()
    assert (made != original).any(axis=2).mean() > 0.1
    code, said, stderr = vera("verify", out, "--sources", source.parent)
    assert code == 0, said + stderr
