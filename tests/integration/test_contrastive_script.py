"""experiments/contrastive on the default bundle: its readers, its directions, and what it draws of a tiny generator."""

import pytest
import torch
from skimage.data import astronaut

from vera.generator.network import Generator
from vera.training.build.contrastive import with_attributes
from vera.training.export.contrastive import with_controls
from vera.types import image_to_tensor

EXPERIMENT = "contrastive"
TINY = {
    "size": 32, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4, 32: 4}, "attributes": {}, "mapping_layers": 1,
}  # fmt: skip


def test_readers_know_left_from_right_and_who_is_who(script):
    face = image_to_tensor(astronaut()[0:220, 110:330])
    reader = script("readers").Landmarks(face)
    assert reader.found(face)
    assert not reader.found(torch.zeros(3, 220, 220))
    names = [q.name for q in reader.quantities]
    mirrored = face.flip(2)
    right = torch.linspace(0.3, 1, 220).expand(3, 220, 220)
    there, other, lit = reader(torch.stack([face, mirrored, (face + 1) * right - 1]), torch.zeros(3, 13, 1, 1))
    value = dict(zip(names, zip(there.tolist(), other.tolist(), lit.tolist(), strict=True), strict=True))
    assert abs(value["yaw"][0]) > 1
    assert value["yaw"][0] * value["yaw"][1] < 0
    assert value["mouth_width"][0] == pytest.approx(value["mouth_width"][1], rel=0.15)
    assert value["light_right"][2] > value["light_right"][0] + 0.2
    distances = reader.distance(torch.stack([face, face]), torch.stack([face, mirrored]))
    assert distances[0] == 0
    assert 0 < distances[1] < 0.6


def test_directions_are_those_in_which_one_persons_photographs_differ(script):
    within = script("reconstructed").within
    source = torch.Generator().manual_seed(0)
    people = torch.randn(300, 1, 28, 6, generator=source)  # who they are
    moves = torch.randn(2, 28, 6, generator=source)
    moves[:, :2] *= 0.1
    codes = people + torch.einsum("npk,krd->nprd", torch.randn(300, 4, 2, generator=source), moves)
    found = within(codes, 5)
    lengths = found.flatten(1).norm(dim=1)
    assert (lengths[2:] < 1e-3).all()
    spanned = torch.linalg.lstsq(found[:2].flatten(1).T, moves.flatten(1).T)
    assert torch.allclose(found[:2].flatten(1).T @ spanned.solution, moves.flatten(1).T, atol=1e-3)
    assert torch.allclose(found.square().sum(0).mean(), moves.square().sum(0).mean(), rtol=0.1)


def test_the_figures_of_a_tiny_generator(script, tmp_path):
    torch.manual_seed(0)
    ranges = {"yaw": [-9, 9], "pitch": [-9, 9]}
    attributes = {"pose": script("calibrate").SegmentationPose(yaw=[1.0] * 3, pitch=[1.0] * 4, ranges=ranges)}
    network = with_controls(with_attributes(Generator(**TINY), {"pose": 4}, spread=0.5).eval(), attributes, faces=32, seed=0)
    default = script("default_bundle")
    default.edits(network, tmp_path / "edits.png", seed=0)
    moved = {"yaw": 1.0, "identity": 0.25}
    line = {"disentanglement": {"pose": moved, "local": {"yaw": None, "identity": 0.5}, "everything": moved}}
    default.matrix(line, tmp_path / "matrix.png")
    assert all((tmp_path / name).stat().st_size > 2000 for name in ("edits.png", "matrix.png"))
    with torch.no_grad():
        usual = default.usual(network, network.map(torch.randn(1, 6), {"pose": torch.randn(1, 4)}))
    assert float(network.read(usual)["yaw"]) == pytest.approx(float(network.regressor("pose").mean[0]), abs=1e-3)
