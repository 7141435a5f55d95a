"""A made-up checkpoint in the form of SemanticStyleGAN's authors (random weights), from the command line to an anonymized photograph.

Such a generator draws no face. So the command must run to its end, find that out by itself, say so, and write nothing.
"""

import json

import pytest
import skimage.data
from PIL import Image
from tests.reference.checkpoint import made_up

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("size", [64, 256])]


@pytest.fixture
def converted(vera, tmp_path, size):
    code, _, said = vera("convert", "semanticstylegan", made_up(tmp_path / "x.pt", size), "--out", tmp_path / "converted")
    assert code == 0, said
    return tmp_path / "converted"


@pytest.fixture
def anonymized(vera, tmp_path):
    """Anonymize the astronaut: (exit code, the person's record, names of the outputs, text on stderr)."""

    def run(bundle, *options):
        Image.fromarray(skimage.data.astronaut()[:320, 80:380]).save(tmp_path / "photograph.png")
        out = tmp_path / "out"
        choices = ["--preserve", "mouth", "--seed", 7, "--person", "p", "--out", out]
        code, _, said = vera("anonymize", tmp_path / "photograph.png", "--bundle", bundle, *choices, *options)
        (person,) = json.loads((out / "audit.json").read_text())["people"]
        return code, person, sorted(path.name for path in out.iterdir()), said

    return run


def test_by_optimisation_it_is_refused_that_no_face_is_drawn(converted, anonymized):
    assert_refused(*anonymized(converted, "--refine-steps", 3))


def test_an_encoder_is_trained_for_it_and_it_is_refused_that_no_face_is_drawn(vera, tmp_path, converted, anonymized, size):
    run = tmp_path / "run"
    options = [f"stage.start={converted}", f"stage.size={size}", "batch_size=8", "images=200", "~callbacks.sheet", "~callbacks.progress"]
    code, _, said = vera("train", "experiment=smoke_inversion", *options, f"run.folder={run}", f"hydra.run.dir={run}")
    assert code == 0, said
    (tmp_path / "card.md").write_text("# made up")
    stated = ["--data", "drawn", "--licence", "none", "--card", tmp_path / "card.md"]
    code, _, said = vera("export", run, "--out", tmp_path / "made", *stated, "--identities", 8)
    assert code == 0, said
    assert_refused(*anonymized(tmp_path / "made"))


def assert_refused(code, person, written, said):
    assert code == 3, said
    assert "no face is found in the output" in said
    assert written == ["audit.json"], "nothing is written for a person whose verification failed"
    assert not person["verification"]["passed"]
