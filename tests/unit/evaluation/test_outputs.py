"""Another tool's outputs in a folder, judged like any anonymizer."""

import numpy as np
import pytest
from tests.unit.evaluation.protocol_parts import people, run

from vera.evaluation.baselines.outputs import Outputs
from vera.evaluation.report import results as report
from vera.faces.photograph import photograph_from_pixels, write_png
from vera.types import Refused, VeraError


@pytest.fixture
def photograph():
    return photograph_from_pixels(np.full((8, 12, 3), 40, np.uint8), "a")


def put(path, pixels):
    path.parent.mkdir(exist_ok=True, parents=True)
    write_png(path, pixels)


def test_outputs_stand_in_the_table_and_missing_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "draw", lambda *arguments: [])
    known = people(tmp_path / "in", 3)
    for person in known[:2]:
        for file in person.photographs:
            put(tmp_path / "tool" / file.path.name, 255 - file.read().pixels)
    (record,) = run(tmp_path / "in", tmp_path / "out", {"tool": Outputs(tmp_path / "tool", pattern="{name}.png")}, known)
    assert record["people"] == {"written": 2, "refused": 1, "unusable": 0, "failed": 0, "all": 3}
    assert record["why"] == {"the folder has no output of this photograph": 1}
    assert record["measures"]["preservation"]["without_region"] == 4
    assert record["made_by"]["config"]["pattern"] == "{name}.png"


def test_masks_say_what_a_tool_kept(tmp_path, photograph):
    kept = np.zeros((8, 12), bool)
    kept[2:4] = True
    put(tmp_path / "p" / "a.png", photograph.pixels)
    put(tmp_path / "p" / "a.kept.png", kept)
    (found,) = Outputs(tmp_path, preserved="{person}/{name}.kept.png")([photograph], person="p").photographs
    np.testing.assert_array_equal(found.preserved, kept)
    np.testing.assert_array_equal(found.replaced, ~kept)


def test_a_picture_of_another_size_is_scaled_if_asked_and_only_in_proportion(tmp_path, photograph):
    put(tmp_path / "p" / "a.png", np.full((16, 24, 3), 90, np.uint8))
    with pytest.raises(VeraError, match="is 24 x 16, not 12 x 8: resize=true scales it"):
        Outputs(tmp_path)([photograph], person="p")
    (found,) = Outputs(tmp_path, resize=True)([photograph], person="p").photographs
    assert found.image.shape == (8, 12, 3)
    assert (found.image == 90).all()
    put(tmp_path / "p" / "a.png", np.full((16, 16, 3), 90, np.uint8))
    with pytest.raises(VeraError, match="its proportions differ"):
        Outputs(tmp_path, resize=True)([photograph], person="p")


def test_bad_folders_and_patterns(tmp_path, photograph):
    with pytest.raises(VeraError, match="no folder"):
        Outputs(tmp_path / "none")
    with pytest.raises(VeraError, match=r"has no \{name\}"):
        Outputs(tmp_path, pattern="{person}.png")
    with pytest.raises(Refused, match="no output of this photograph"):
        Outputs(tmp_path)([photograph], person="p")
    (tmp_path / "in").mkdir()
    with pytest.raises(VeraError, match="outside the folder"):
        Outputs(tmp_path / "in")([photograph], person="..")
