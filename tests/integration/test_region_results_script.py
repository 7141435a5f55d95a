"""experiments/regions: what is made, what is not made again, and what it calls a failure."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.unit.cli.test_regions import STORED

from vera.types import Anonymized, VeraError

EXPERIMENT = "regions"
CHIN = np.zeros((60, 60), bool)
CHIN[40:50, 20:40] = True


class Ours:
    """Turns everything but the chin grey; refuses the person `b`, and changes a kept pixel of `c`."""

    options = SimpleNamespace(seed=0)
    detector = others = parser = None

    def __init__(self):
        self.made = []

    def with_options(self, options):
        return self

    def __call__(self, photographs, *, person):
        self.made.append(person)
        if person == "b":
            raise VeraError("still recognised")
        image = np.where(CHIN[..., None], photographs[0].pixels, 90).astype(np.uint8)
        image[45, 30] ^= person == "c"
        return SimpleNamespace(photographs=[Anonymized("x", image, CHIN, ~CHIN)])


@pytest.fixture
def run(script, tmp_path, monkeypatch):
    module, ours = script("run"), Ours()
    for person in "abc":
        Image.new("RGB", (60, 60), (200, 150, 120)).save(tmp_path / f"{person}_smiling.jpg")
    found = SimpleNamespace(masks={"chin": CHIN, "teeth": None}, missing={"teeth": "the mouth is closed"})
    monkeypatch.setattr(module, "embedded", lambda *_, **__: ours)
    monkeypatch.setattr(module, "preview_by", lambda *_, **__: found)

    def made(people):
        options = ["--people", people, "--only", "chin,teeth", "--photos", str(tmp_path), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["run.py", *options])
        return module.main()

    return SimpleNamespace(made=made, ours=ours, out=tmp_path / "out", module=module)


def test_what_is_there_is_not_made_again(run):
    assert run.made("a") == 0
    assert run.made("a") == 0
    assert run.ours.made == ["a"]
    assert Image.open(run.out / "chin.png").width == 4 * run.module.SIDE


@pytest.mark.parametrize(("person", "said"), [("b", "refused"), ("c", "changed")])
def test_a_refusal_and_a_changed_pixel_are_failures_and_a_closed_mouth_is_none(run, capsys, person, said):
    assert run.made(f"a,{person}") == 1
    assert f"failures: chin of {person} ({said})" in capsys.readouterr().out


def test_files_are_stored_in_the_eight_orientations_of_exif(run):
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert all(np.array_equal(run.module.STORED[number](pixels), store(pixels)) for number, store in STORED.items())


def test_a_square_that_reaches_over_the_edge_is_grey_there(run):
    part = run.module.cut(np.zeros((50, 50, 3), np.uint8), (-20, -20, 40))
    half = run.module.SIDE // 2
    assert part[: half - 20, : half - 20].min() == 200
    assert part[half + 20 :, half + 20 :].max() == 0
