"""Named regions from the command line: sides under every orientation, the audit, ``vera verify``, and ``vera regions``."""

import numpy as np
import pytest
from PIL import Image
from tests.unit.anonymization.conftest import Detector, Parser, Recogniser, face_points
from tests.unit.cli.folders import audit_of

from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.preview import LEGEND
from vera.anonymization.recheck import Rechecker
from vera.cli.assembly import PersonAnonymizer
from vera.faces.region_choice import NAMES

STORED = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, -1),
}  # fmt: skip
"""How a picture is stored whose EXIF orientation makes it upright (EXIF 2.3, Orientation)."""


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    """The pipeline of ``--method cover``, with the drawn face's detector, parser and recogniser."""

    def assemble(bundle, device, options, **choices):
        detector, judges = Detector(closed_mouth()), [Recogniser()]
        made = VeraAnonymizer(ObscuringRenderer("cover"), detector=detector, parser=Parser(), recognisers=judges, options=options)
        settings = {"false_accept_rate": 0.001, "preserve": options.preserved_names}
        return PersonAnonymizer(made, settings)

    rechecker = Rechecker(detector=Detector(closed_mouth()), recognisers=[Recogniser()])
    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: rechecker)
    monkeypatch.setattr("vera.faces.detection.DlibDetector", lambda: Detector(closed_mouth()))
    monkeypatch.setattr("vera.faces.turns.quick_detectors", lambda detector: [])
    monkeypatch.setattr("vera.faces.parser_choice.choose_parser", lambda which: Parser())


def closed_mouth():
    """The drawn face, its inner lips a pixel apart."""
    points = face_points()
    points[65:68, 1] = points[[63, 62, 61], 1] + 1
    return points


def stored(path, orientation=1):
    """A drawn photograph, 200 x 240 as it is displayed, brighter on its right."""
    rng = np.random.default_rng(0)
    pixels = (np.linspace(90, 190, 200)[None, :, None] + rng.normal(0, 8, (240, 200, 3))).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation](pixels)))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path, pixels


@pytest.mark.parametrize("orientation", STORED)
def test_left_is_the_patients_under_every_orientation(vera, tmp_path, orientation):
    path, shown = stored(tmp_path / "a.png", orientation)
    code, _, told = vera("anonymize", path, "--preserve", "left_eye,box:10,20,30,15", "--out", tmp_path / "out")
    assert code == 0, told
    image, kept = (np.asarray(Image.open(tmp_path / "out" / name)) for name in ("a.png", "a.preserved.png"))
    kept = kept > 0
    assert kept[20:35, 10:40].all(), "a box is in the pixels of the photograph as it is displayed"
    kept[20:35, 10:40] = False
    assert kept[110 - 8, 130], "the left eye is on the right of the photograph as it is displayed"
    assert not kept[:, :105].any()
    np.testing.assert_array_equal(image[kept], shown[kept])
    assert (image[102, 70] == 0).all(), "the right eye is covered"


def test_the_audit_names_regions_and_verify_looks_at_them(vera, tmp_path):
    path, _ = stored(tmp_path / "a.png")
    asked = "mouth,right_upper_eyelid+0.05,polygon:90,120,110,120,100,130"
    code, _, told = vera("anonymize", path, "--preserve", asked, "--out", tmp_path / "out")
    assert code == 0, told
    audit = audit_of(tmp_path / "out")
    assert ",".join(audit["settings"]["preserve"]) == ",".join(audit["people"][0]["options"]["preserve"]) == asked
    code, said, told = vera("verify", tmp_path / "out", "--sources", tmp_path)
    assert (code, said[:4]) == (0, "PASS"), said + told
    mask = np.asarray(Image.open(tmp_path / "out" / "a.preserved.png")) > 0
    image = np.array(Image.open(tmp_path / "out" / "a.png"))
    row, column = np.argwhere(mask & (np.arange(240)[:, None] < 110))[0]
    image[row, column] ^= 8
    Image.fromarray(image).save(tmp_path / "out" / "a.png")
    code, said, _ = vera("verify", tmp_path / "out", "--sources", tmp_path)
    assert code == 3
    assert "preserved" in said


def test_a_margin_makes_the_region_larger_by_as_much(vera, tmp_path):
    path, _ = stored(tmp_path / "a.png")
    kept = []
    for number, asked in enumerate(("box:95,100,10,10", "box:95,100,10,10+0.1", "box:95,100,10,10+6.3mm")):
        assert vera("anonymize", path, "--preserve", asked, "--out", tmp_path / str(number))[0] == 0
        kept.append(np.asarray(Image.open(tmp_path / str(number) / "a.preserved.png")) > 0)
    bare, wide, millimetres = kept
    np.testing.assert_array_equal(wide, millimetres)
    assert (wide[105].sum(), wide[:, 100].sum(), bare[105].sum()) == (22, 22, 10), "6 pixels on each side, eyes are 60 apart"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("teeth", "'teeth' cannot be preserved in photograph 'a': the mouth is closed"),
        ("left_ear", "'left_ear' is not visible in photograph 'a'"),
        ("box:190,0,20,20", "reaches outside photograph 'a'"),
        ("chins", "did you mean 'chin'"),
    ],
)
def test_a_region_that_cannot_be_kept_is_refused(vera, tmp_path, asked, says):
    path, _ = stored(tmp_path / "a.png")
    code, _, told = vera("anonymize", path, "--preserve", asked, "--out", tmp_path / "out")
    assert code == 2
    assert says in told
    assert not list((tmp_path / "out").glob("*.png"))


def test_a_shape_needs_a_photograph(vera, tmp_path):
    (a, _), (b, _) = stored(tmp_path / "a.png"), stored(tmp_path / "b.png")
    code, _, told = vera("anonymize", a, b, "--preserve", "box:1,1,9,9", "--out", tmp_path / "out")
    assert (code, "does not say to which" in told) == (2, True)


def test_vera_regions_lists_and_draws(vera, tmp_path):
    path, _ = stored(tmp_path / "a.png", 6)
    code, said, told = vera("regions", path, "--out", tmp_path / "regions.png")
    assert code == 0, told
    lines = dict(line.split(maxsplit=2)[1:] for line in said.splitlines())
    assert list(lines) == list(NAMES)
    assert lines["left_eye"].endswith("pixels")
    assert "the mouth is closed" in lines["teeth"]
    assert "not visible" in lines["left_ear"]
    assert "keep it in the clinic" in told
    drawn = np.asarray(Image.open(tmp_path / "regions.png"))
    assert drawn.shape[1] > LEGEND
    code, _, told = vera("regions", path, "--out", tmp_path / "regions.png")
    assert (code, "name a new PNG file" in told) == (2, True)
