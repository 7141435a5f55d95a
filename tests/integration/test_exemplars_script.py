"""experiments/exemplars: photographs chosen by a rule, panels, sharpness of known pictures, and who counts as memorised."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from benchmarks import anonymize

from vera.evaluation.judges import Judge
from vera.faces.photograph import photograph_from_pixels, read_photograph, write_png
from vera.types import Anonymized, Refused, Semantic, VeraError

EXPERIMENT = "exemplars"
SIDE = 200


@pytest.fixture
def landmarks():
    points = np.full((68, 2), 100.0)
    points[36:42], points[42:48], points[48], points[54] = (80, 90), (120, 90), (85, 130), (115, 130)
    return points


class Renders:
    """An anonymizer that paints everything grey, or refuses."""

    def __init__(self, name, refuses=False):
        self.renderer, self.refuses = SimpleNamespace(name=name), refuses

    def __call__(self, photographs, *, person):
        if self.refuses:
            raise Refused(f"{person} is refused")
        none = np.zeros(photographs[0].size, bool)
        return SimpleNamespace(photographs=[Anonymized("x", np.full_like(photographs[0].pixels, 90), none, ~none)])


def test_photographs_are_chosen_by_what_is_known_before(script, tmp_path):
    choose = script("choose")
    table = tmp_path / "people.csv"
    table.write_text("person,gender,ethnicity\n" + "".join(f"{n:03},{'fm'[n % 2]},{'xy'[n // 8]}\n" for n in range(16)))
    rows = choose.london(table, tmp_path, lambda path: None if path.name.startswith("000") else 3.2)
    assert [path for _, path, _ in rows[:4]] == ["001_neutral.jpg", "008_smiling.jpg", "009_neutral.jpg", "002_smiling.jpg"]
    assert len(rows) == choose.EACH
    table.write_text("person,gender\n" + "".join(f"p{n},{'fm'[n % 2]}\n" for n in range(60)))
    for n in range(60):
        (tmp_path / f"p{n}").mkdir()
        (tmp_path / f"p{n}" / f"p{n}_0001.jpg").touch()
    rows = choose.lfw(table, tmp_path, lambda path: {0: 4.0, 1: -17.0, 2: 31.0}[int(path.parent.name[1:]) // 2 % 3])
    assert sorted(turned for *_, turned in rows) == ["-17"] * 6 + ["4"] * 6
    assert sum(int(path.split("/")[0][1:]) % 2 for _, path, _ in rows) == 6


def test_the_list_that_is_kept_is_of_both_sets_and_has_turned_heads(script):
    choose, panel = script("choose"), script("panel")
    lines = [line.split(",") for line in (choose.HERE / "photographs.csv").read_text().splitlines()[1:]]
    assert [sum(line[0] == name for line in lines) for name in ("london", "lfw")] == [choose.EACH] * 2
    assert sum(10 <= abs(int(turned)) <= 25 for *_, turned in lines) >= 4
    with pytest.raises(VeraError, match="--root lfw"):
        panel.read_list(choose.HERE / "photographs.csv", {"london": choose.HERE}, None)
    roots = dict.fromkeys(("london", "lfw"), choose.HERE)
    assert len(panel.read_list(choose.HERE / "photographs.csv", roots, 2)) == 4


def test_a_panel_shows_the_photograph_and_what_became_of_it(script, tmp_path):
    panel = script("panel")
    photograph = photograph_from_pixels(np.zeros((40, 60, 3), np.uint8), "x")
    row, lines = panel.beside(photograph, [Renders("exemplars"), Renders("generator", refuses=True)], person="p")
    assert row.shape == (40, 180, 3)
    assert (row[0, 0].tolist(), row[0, 60].tolist(), row[0, 179].tolist()) == ([0] * 3, [90] * 3, [panel.GREY] * 3)
    assert [lines[name]["status"] for name in ("exemplars", "generator")] == ["written", "refused"]
    assert lines["generator"]["reason"] == "p is refused"
    assert panel.owner("A_B/A_B_0001.jpg") == "A_B"
    write_png(tmp_path / "row.png", row)
    panel.contact_sheet([tmp_path / "row.png"] * 3, tmp_path / "sheet.jpg")
    assert read_photograph(tmp_path / "sheet.jpg").size == (2 * (panel.TILE + 4), 2 * (3 * 360 + 4))


class Halves:
    """A parser: skin above, neck below."""

    name = "halves"

    def parse(self, face):
        labels = torch.full(face.image.shape[1:], int(Semantic.SKIN))
        labels[len(labels) // 2 :] = int(Semantic.NECK)
        return torch.nn.functional.one_hot(labels, len(Semantic)).permute(2, 0, 1).float()


def test_sharpness_is_the_ratio_of_energies_of_the_finest_octave(script, landmarks):
    appearance = script("appearance")
    noise = np.random.default_rng(0).normal(0, 6, (SIDE, SIDE, 1)).repeat(3, axis=2)
    pixels = (128 + noise).clip(0, 255).round().astype(np.uint8)
    source, output = photograph_from_pixels(pixels, "x"), pixels.copy()
    output[:110] = (140 + noise[:110] / 2).clip(0, 255).round().astype(np.uint8)
    found = appearance.sharpness(source, output, landmarks, Halves())
    assert found["original"] == pytest.approx(1, abs=0.1)
    assert found["output"] == pytest.approx(0.25, abs=0.03)
    assert appearance.sharpness(source, pixels, landmarks, Halves()) is None  # nothing was replaced
    assert appearance.finest_octave(np.full((20, 20, 3), 77, np.uint8)).max() == 0
    waves = (128 + 50 * np.sin(np.arange(64) / 8)).astype(np.uint8)[None, :, None].repeat(64, 0).repeat(3, 2)
    assert appearance.finest_octave(waves).mean() < 2  # a coarse pattern is in another band


@pytest.mark.parametrize(("ratio", "median", "failures"), [(0.7, 1.0, 0), (0.8, 1.0, 1), (None, 1.4, 2), (0.7, 0.6, 1)])
def test_what_appearance_claims(script, ratio, median, failures):
    line = {"frechet_lite0_ratio": ratio, "sharpness": {"output": {"median": median}}}
    assert len(script("appearance").verdict(line)) == failures


def test_the_nearest_of_all_pictures_of_a_donor_counts(script):
    memorisation = script("memorisation")
    judge = Judge(None, SimpleNamespace(name="x"), "euclidean")
    gallery = [[np.array([0.0, 9.0]), np.array([0.0, 2.0])], [np.array([5.0, 0.0])]]
    assert memorisation.distances([[np.zeros(2)], [np.array([5.0, 1.0])]], gallery, judge).tolist() == [[2, 5], [26**0.5, 1]]
    made, others = {"q01": 0.5, "median": 0.7}, {"q01": 0.5, "median": 0.7}
    line = {"recogniser": "x", "identity_to_nearest_donor": made, "donor_to_nearest_other_donor": others}
    assert memorisation.verdict(line) == []
    assert len(memorisation.verdict(line | {"identity_to_nearest_donor": {"q01": 0.4, "median": 0.6}})) == 2


def test_an_identity_is_shown_with_plain_skin_all_around_it(script):
    memorisation = script("memorisation")
    booth = memorisation.Booth(memorisation.load(memorisation.exemplar_bundle()), [memorisation.sface_judge(), memorisation.dlib_judge()])
    picture, points = booth.portrait(0, 0)
    again, _ = booth.portrait(0, 0)
    other, _ = booth.portrait(1, 0)
    assert picture.shape == (memorisation.SIDE, memorisation.SIDE, 3)
    assert (picture == again).all()
    assert (picture != other).any()
    assert (picture[:8].reshape(-1, 3) == picture[0, 0]).all()
    inside = cv2.fillConvexPoly(np.zeros(picture.shape[:2], np.uint8), cv2.convexHull(points.astype(np.int32)), 1) > 0
    assert np.ptp(picture[inside].astype(int), axis=0).min() > 60


def test_the_benchmark_compares_medians_of_turns(monkeypatch, capsys):
    calls = []

    def call(photograph, out, renderer):
        calls.append(renderer)
        slow = renderer == "generator"
        return anonymize.Call(10.0 * (1 + slow) + len(calls) % 2, 4 << 20, {"find": 1.0, "render": 3.0 if slow else 1.0})

    monkeypatch.setattr(anonymize, "_anonymized", call)
    anonymize.main(["--small", "--repeats", "3"])
    ours, theirs, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert calls == ["exemplars", "generator"] * 3
    assert (ours["steps"], theirs["steps"]["render"]) == ({"find": 1.0, "render": 1.0}, 3.0)
    assert summary["seconds"] == pytest.approx(ours["seconds"] / theirs["seconds"], abs=1e-3)
    assert (summary["without_start_up"], summary["peak_memory"]) == (0.5, 1)
