"""``vera data``: mosaics of drawn people in two calls, one data set; packing."""

from functools import partial

import pytest
from PIL import Image
from tests.reference.drawn_portraits import DrawnDetector, DrawnParser, DrawnRecogniser, draw_people


@pytest.fixture
def photos(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    draw_people(folder, 6)
    monkeypatch.setattr("vera.faces.detection.DlibDetector", partial(DrawnDetector, folder))
    monkeypatch.setattr("vera.faces.parsing.LandmarkParser", partial(DrawnParser, folder))
    monkeypatch.setattr("vera.faces.recognition.DlibRecogniser", DrawnRecogniser)
    return folder


def test_mosaics_from_the_command_line(vera, photos, tmp_path, files):
    out = tmp_path / "out"
    held = tmp_path / "held.txt"
    held.write_text("p05\n")
    options = ["--photos", photos, "--people", photos / "people.csv", "--out", out, "--size", 64, "--min-distance", 0, "--seed", 5]
    code, _, stderr = vera("data", "mosaic", *options, "--count", 1, "--without", held)
    assert code == 0, stderr
    assert "1 identities, 2 photographs" in stderr
    code, _, stderr = vera("data", "mosaic", *options, "--count", 2, "--without", held)
    assert code == 0, stderr
    assert files(out / "images") == [f"00000{n}_{role}.jpg" for n in (0, 1) for role in ("neutral", "smiling")]
    assert {"report.md", "report.json", "sheet.png", "sheet.masks.png", "meta.jsonl"} <= set(files(out))
    assert "p05" not in (out / "meta.jsonl").read_text()
    code, _, stderr = vera("data", "mosaic", *options, "--count", 2)
    assert code == 2
    assert "people changed" in stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", 100], "--size 100: choose from"),
        (["--people", "none.csv"], "is missing"),
        (["--photos", "nowhere"], "no folder"),
        (["--k", 2], "--k"),
        (["--k", 6, "--min-distance", 0, "--size", 64], "add people, or choose a smaller --k"),
    ],
)
def test_bad_input_gets_one_clear_sentence(vera, photos, tmp_path, options, says):
    usual = {"--photos": photos, "--people": photos / "people.csv", "--out": tmp_path / "out", "--count": 1}
    usual |= dict(zip(options[::2], options[1::2], strict=True))
    code, _, stderr = vera("data", "mosaic", *[part for pair in usual.items() for part in pair])
    assert code == 2
    assert says in stderr
    assert "Traceback" not in stderr


def test_packing_from_the_command_line(vera, tmp_path, files):
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for n in range(3):
            Image.new("L", (8, 8), n).save(tmp_path / "data" / kind / f"{n}.png")
    options = ["--data", tmp_path / "data", "--out", tmp_path / "out", "--shard-size", 2]
    code, _, stderr = vera("data", "pack", *options)
    assert code == 0, stderr
    assert stderr.strip() == f"3 faces: {tmp_path / 'out'}"
    assert files(tmp_path / "out") == ["000000.tar", "000001.tar", "index.json"]
    code, _, stderr = vera("data", "pack", *options)
    assert code == 2
    assert "there already" in stderr
