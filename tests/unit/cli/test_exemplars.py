"""``vera export exemplars`` on drawn mosaics and drawn donors."""

import json
from functools import partial

import pytest
from tests.reference.drawn_bank import SEXES, candidates
from tests.reference.drawn_portraits import DrawnDetector, DrawnRecogniser, draw_people

from vera import bundle

ROWS = 8


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    draw_people(folder, 6, sexes=SEXES)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Drawn faces as ``vera data mosaic`` writes them."""
    folder, lines = tmp_path_factory.mktemp("mosaics"), []
    for one in candidates(folder, 10):
        sources = {"sources": [f"p{(one.number + step) % 6:02d}" for step in (0, 2)], "surround": f"p{(one.number + 4) % 6:02d}"}
        for role, record in zip(("neutral", "smiling"), one.records, strict=True):
            lines.append(json.dumps({**record, **sources, "identity": one.number, "role": role, "sex": one.sex}) + "\n")
    (folder / "meta.jsonl").write_text("".join(lines))
    (folder / "settings.json").write_text(json.dumps({"roles": ["neutral", "smiling"]}))
    return folder


@pytest.fixture
def export(vera, photos, data, tmp_path, monkeypatch):
    card = tmp_path / "CARD.md"
    card.write_text("# drawn\n")
    monkeypatch.setattr("vera.faces.detection.DlibDetector", partial(DrawnDetector, photos))
    monkeypatch.setattr("vera.faces.recogniser_choice.embedded_recognisers", lambda: [DrawnRecogniser()])
    monkeypatch.setattr("vera.exemplars.screening.NEAREST_STRANGERS", 0.0)
    stated = ["--photos", photos, "--people", photos / "people.csv", "--data", "drawn", "--licence", "CC0-1.0", "--card", card]

    def run(*more, out="bank", folder=data):
        return vera("export", "exemplars", folder, *stated, "--out", tmp_path / out, "--bands", 2, *more)

    return run


def test_a_bank_is_written(export, tmp_path):
    code, out, stderr = export("--rows", ROWS)
    assert code == 0, stderr
    assert f"{ROWS} rows of 10" in out
    bank = bundle.load(tmp_path / "bank")
    assert bank.rows == ROWS
    assert bank.sexes == SEXES
    assert set(bank.donors) <= {f"p{n:02d}" for n in range(6)}
    said = bank.info.provenance
    assert (said["mosaics"], said["far_enough"]) == (10, 10)
    assert sum(said["rows_of_each_sex"].values()) == ROWS
    assert said["nearest_row_to_donors"]["drawn"] >= said["least_distance_to_donors"]["drawn"]


def test_a_bundle_is_never_overwritten(export, tmp_path):
    (tmp_path / "bank").mkdir()
    code, _, stderr = export("--rows", ROWS)
    assert code == 2
    assert "never overwritten" in stderr


def test_mosaics_that_were_found_wrong_are_left_out(export, tmp_path):
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("000\n001\n002\n")
    code, _, stderr = export("--rows", ROWS, "--without", wrong)
    assert code == 2
    assert "of 7 mosaics are far enough" in stderr
    assert not (tmp_path / "bank").exists()


def test_mosaics_without_points_are_refused(export, data, tmp_path):
    old = tmp_path / "old"
    for name in ("images", "masks"):
        (old / name).mkdir(parents=True)
        for file in (data / name).iterdir():
            (old / name / file.name).symlink_to(file)
    (old / "settings.json").write_text((data / "settings.json").read_text())
    records = [json.loads(line) for line in (data / "meta.jsonl").read_text().splitlines()]
    (old / "meta.jsonl").write_text("".join(json.dumps({k: v for k, v in r.items() if k != "points"}) + "\n" for r in records))
    code, _, stderr = export("--rows", ROWS, folder=old)
    assert code == 2
    assert "make the mosaics again" in stderr
