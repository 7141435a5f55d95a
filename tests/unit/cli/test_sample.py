import numpy as np
import pytest
import torch
from PIL import Image

from vera import bundle
from vera.anonymization.identity import draw
from vera.anonymization.portrait import portrait
from vera.attributes.control import ControlledGenerator
from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.inversion.autoencoder import Autoencoder
from vera.ops.palette import PALETTE
from vera.types import LatentCodes, tensor_to_image

GENERATOR = {
    "size": 32, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {16: 5, 32: 4}, "attributes": {"pose": 3}, "mapping_layers": 2,
}  # fmt: skip
ENCODER = {"width": 8, "hidden": 8, "layout": 4, "pretrained": False}


def save(folder, network):
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
    bundle.save(folder, network, provenance={}, licence="none", card="made up", dtype=torch.float32)
    return folder


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    torch.manual_seed(0)
    return save(tmp_path_factory.mktemp("g") / "bundle", Generator(**GENERATOR))


def pixels(path):
    return np.asarray(Image.open(path))


def test_face_i_depends_on_seed_and_i_alone(vera, generator, tmp_path, files):
    for out, n, seed in (("a", 3, 0), ("b", 2, 0), ("c", 2, 1)):
        code, _, err = vera("sample", "--n", n, "--seed", seed, "--out", tmp_path / out, "--bundle", generator)
        assert code == 0, err
    names = ["0000.png", "0000.seg.png", "0001.png", "0001.seg.png", "sheet.png"]
    assert files(tmp_path / "b") == names
    assert files(tmp_path / "a") == sorted([*names, "0002.png", "0002.seg.png"])
    for name in names[:-1]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()
    assert (pixels(tmp_path / "a" / "0000.png") != pixels(tmp_path / "a" / "0001.png")).any()


def test_a_seed_means_the_same_faces_to_sample_and_to_edit(vera, tmp_path, monkeypatch):
    torch.manual_seed(1)
    path = save(tmp_path / "bundle", ControlledGenerator(controls={"pose": ["yaw"]}, **GENERATOR))
    monkeypatch.setattr(ControlledGenerator, "edit", lambda self, codes, wanted: codes)
    asked = ["--bundle", path, "--n", 2, "--seed", 3, "--truncation", 0.7]
    assert vera("sample", *asked, "--out", tmp_path / "drawn")[0] == 0
    assert vera("edit", "yaw=0", *asked, "--out", tmp_path / "edited")[0] == 0
    for name in ("0000.png", "0001.png", "0001.seg.png"):
        assert (tmp_path / "drawn" / name).read_bytes() == (tmp_path / "edited" / name).read_bytes()


def test_labels_are_class_numbers_that_show_in_their_colours(vera, generator, tmp_path):
    assert vera("sample", "--n", 3, "--out", tmp_path / "a", "--bundle", generator)[0] == 0
    with Image.open(tmp_path / "a" / "0002.seg.png") as file:
        assert file.mode == "P"
        labels, shown = np.asarray(file), np.asarray(file.convert("RGB"))
    assert labels.max() < 13
    assert len(np.unique(labels)) > 1
    np.testing.assert_array_equal(shown, np.array(PALETTE, np.uint8)[labels])
    sheet = pixels(tmp_path / "a" / "sheet.png")
    assert sheet.shape == (2 * 32, 4 * 32, 3)
    np.testing.assert_array_equal(sheet[32:, :32], pixels(tmp_path / "a" / "0002.png"))
    np.testing.assert_array_equal(sheet[32:, 32:64], shown)


def test_truncation_pulls_to_the_mean_face(vera, tmp_path):
    torch.manual_seed(0)
    path = save(tmp_path / "bundle", Generator(**GENERATOR | {"attributes": {}}))
    for psi in ("0", "0.5", "1"):
        assert vera("sample", "--n", 2, "--truncation", psi, "--out", tmp_path / psi, "--bundle", path)[0] == 0
    network = bundle.load(path)
    mean = network.mean_code().expand(1, network.rows, -1)
    face = tensor_to_image(network(LatentCodes(mean, torch.zeros(1, 0))).image[0])
    for number in range(2):
        at = {psi: pixels(tmp_path / psi / f"000{number}.png").astype(int) for psi in ("0", "0.5", "1")}
        np.testing.assert_array_equal(at["0"], face)
        assert 0 < np.abs(at["0.5"] - face).mean() < np.abs(at["1"] - face).mean()


def test_an_autoencoder_shows_the_identities_that_anonymization_draws(vera, tmp_path):
    torch.manual_seed(1)
    network = Autoencoder(generator=GENERATOR | {"attributes": {}, "mapping_layers": 0}, encoder=ENCODER, bank=0)
    network.fill_bank(torch.randn(6, network.generator.rows, 6), torch.randn(network.generator.rows, 6))
    path = save(tmp_path / "bundle", network)
    assert vera("sample", "--n", 2, "--seed", 5, "--truncation", 0.7, "--out", tmp_path / "out", "--bundle", path)[0] == 0
    read = bundle.load(path)
    identity = draw(read.bank, read.mean, bundle="", seed=5, person="1", attempt=1, truncation=0.7)
    image, probabilities = portrait(read, identity)
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "0001.png"), tensor_to_image(image))
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "0001.seg.png"), probabilities.argmax(dim=0))
    assert (pixels(tmp_path / "out" / "0000.png") != pixels(tmp_path / "out" / "0001.png")).any()


def test_nothing_is_overwritten(vera, generator, tmp_path, files):
    (tmp_path / "0001.seg.png").write_text("mine")
    code, _, err = vera("sample", "--n", 2, "--out", tmp_path, "--bundle", generator)
    assert code == 2
    assert "0001.seg.png is there already" in err
    assert files(tmp_path) == ["0001.seg.png"]


def test_what_fails_midway_leaves_nothing(vera, generator, tmp_path, files, monkeypatch):
    made = []

    def failing(path, labels):
        made.append(path)
        if len(made) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("vera.cli.samples.write_labels", failing)
    code, _, err = vera("sample", "--n", 3, "--out", tmp_path / "out", "--bundle", generator)
    assert code == 2
    assert "No space left" in err
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize("wrong", ["--truncation=nan", "--truncation=-1", "--n=0", "--seed=-1", "--bundle=/nowhere"])
def test_bad_input_is_refused(vera, generator, tmp_path, wrong):
    code, _, err = vera("sample", "--out", tmp_path / "out", "--bundle", generator, wrong)
    assert code == 2
    assert err
    assert not (tmp_path / "out").exists()


def test_a_network_that_draws_no_faces_is_named(vera, tmp_path):
    without = save(tmp_path / "g", Generator(**GENERATOR | {"mapping_layers": 0}))
    judge = save(tmp_path / "d", Discriminator(size=8, classes=13, channels={4: 4, 8: 4}, group=4))
    for path, kind in ((without, "generator without a mapping"), (judge, "Discriminator")):
        code, _, err = vera("sample", "--out", tmp_path / "out", "--bundle", path)
        assert code == 2
        assert kind in err
