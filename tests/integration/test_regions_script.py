"""experiments/region_preservation: what it calls a failure, and the spot that is drawn."""

from types import SimpleNamespace

import numpy as np
import pytest

from vera.types import VeraError

EXPERIMENT = "region_preservation"
CASES = [(11, 1.0, 0, 0), (10, 1.0, 0, 1), (11, 0.9, 0, 1), (11, 1.0, 1, 2)]


@pytest.mark.parametrize(("written", "identical", "recognised", "failures"), CASES)
def test_each_claim_about_regions_can_fail(script, written, identical, recognised, failures):
    seen = {"nearest": {"recognised": {"own": {"share": recognised / 20}}}}
    measures = {"preservation": {"identical": {"share": identical}, "without_region": 0}}
    measures |= {f"recognition/{name}": seen for name in ("dlib-resnet-128", "sface-128")}
    record = {"people": {"written": written, "all": 12}, "measures": measures}
    assert len(script("run").verdict({"mouth": record})) == failures


def test_the_drawn_spot_lies_on_a_cheek_and_is_handed_on(script):
    drawn = script("drawn")
    points = np.full((68, 2), 50.0)
    points[36:42], points[42:48], points[48] = (30, 40), (70, 40), (36, 80)
    given = {}

    class Ours:
        options, bundle = "options", "bundle"
        detector = SimpleNamespace(detect=lambda photograph: [SimpleNamespace(landmarks=points)] if photograph.name else [])

        def __call__(self, photographs, *, person, masks):
            given.update(person=person, masks=masks)

    ours = drawn.Drawn(Ours())
    ours([SimpleNamespace(name="x", size=(100, 90))], person="p")
    (mask,) = given["masks"]
    rows, columns = np.nonzero(mask)
    assert (mask.shape, rows.mean(), columns.mean()) == ((100, 90), 60, 33)
    assert np.ptp(rows) == 2 * drawn.RADIUS * 40
    with pytest.raises(VeraError, match="no face"):
        ours([SimpleNamespace(name="", size=(9, 9))], person="p")
