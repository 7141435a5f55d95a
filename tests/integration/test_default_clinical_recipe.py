"""The recipe of the default model at tiny size, by its own commands: portraits of drawn people, mosaics, training, bundle, faces.

What cannot be told from drawings is experiments/default_clinical's to measure; here every command must take what the one before it left.
"""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from tests.reference.drawn_portraits import DrawnDetector, DrawnParser, DrawnRecogniser, draw_people

from vera import bundle
from vera.inversion.autoencoder import Autoencoder

# The experiment's own data, losses and discriminator; only the sizes are others, and the discriminator comes in at once.
TINY = [
    "experiment=default_clinical", "generator=tiny", "encoder=tiny", "discriminator.resolution=128", "discriminator.channels=[8,8,8,8]",
    "discriminator.width=8", "stage.begin=8", "images=32", "batch_size=8", "trainer.log_every_n_steps=1", "~callbacks.progress",
]  # fmt: skip


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Drawn people, and the command line's face parts replaced by stand-ins that know them."""
    folder = tmp_path / "photos"
    draw_people(folder, 7)
    monkeypatch.setattr("vera.faces.detection.DlibDetector", partial(DrawnDetector, folder))
    monkeypatch.setattr("vera.faces.parsing.LandmarkParser", partial(DrawnParser, folder))
    monkeypatch.setattr("vera.faces.recognition.DlibRecogniser", DrawnRecogniser)
    return folder


def test_from_portraits_to_faces(vera, photos, tmp_path):
    data, run, made, drawn = (tmp_path / name for name in ("data", "run", "bundle", "drawn"))
    held = tmp_path / "held.txt"
    held.write_text("p06\n")

    people = ["--photos", photos, "--people", photos / "people.csv", "--without", held]
    code, _, stderr = vera("data", "mosaic", *people, "--out", data, "--count", 5, "--size", 64, "--min-distance", 0, "--seed", 1)
    assert code == 0, stderr
    assert len(list((data / "images").iterdir())) == 10
    assert "p06" not in (data / "meta.jsonl").read_text()

    code, _, stderr = vera("train", *TINY, f"data.root={data}", f"run.folder={run}")
    assert code == 0, stderr
    assert "loss/adversarial" in (run / "metrics.csv").read_text()

    card = tmp_path / "CARD.md"
    card.write_text("# drawn people\n")
    stated = ["--data", "drawn people", "--licence", "CC0-1.0", "--card", card, "--pattern", "*_neutral.*", "--identities", 6]
    code, _, stderr = vera("export", run, "--out", made, *stated)
    assert code == 0, stderr
    network = bundle.load(made)
    assert isinstance(network, Autoencoder)
    assert network.info.provenance["images_seen"] == 32
    assert network.info.provenance["faces"] == 5
    assert network.bank.shape == (6, network.generator.rows, network.generator.latent)
    assert torch.isfinite(network.bank).all()
    assert network.bank.std(dim=0).max() > 0  # identities differ

    code, _, stderr = vera("sample", "--bundle", made, "--n", 3, "--seed", 2, "--out", drawn)
    assert code == 0, stderr
    faces = [np.asarray(Image.open(drawn / f"000{n}.png")) for n in range(3)]
    assert {face.shape for face in faces} == {(network.size, network.size, 3)}
    assert len({face.tobytes() for face in faces}) == 3
