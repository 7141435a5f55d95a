import functools
import math

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from vera.attributes.encoder import AttributeEncoder
from vera.evaluation.measures.controls import (
    LOCAL,
    AttributeControl,
    Disentanglement,
    Reading,
    Separability,
    control,
    disentanglement,
    held_out,
    separability,
)
from vera.evaluation.measures.probe import NAMES, ProceduralProbe, labelled
from vera.generator.network import Synthesis
from vera.training.export.contrastive import with_controls
from vera.types import NUM_CLASSES, LatentCodes, VeraError


def test_control_is_spearmans_correlation_and_the_mean_error():
    metric = AttributeControl()
    metric.update(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 4.0, 9.0, 16.0]))
    assert metric.compute() == {"faces": 4, "rank_correlation": pytest.approx(1), "mean_error": pytest.approx((0 + 2 + 6 + 12) / 4)}
    metric.update(torch.tensor([5.0]), torch.tensor([0.0]))
    assert metric.compute()["rank_correlation"] == pytest.approx(0.0)  # the last becomes the first: 1 - 6 (4 + 1·4 …)/120 = 0
    assert AttributeControl().compute()["rank_correlation"] is None


def test_disentanglement_is_in_units_of_redrawing_everything():
    metric = Disentanglement(["pose", "all"], ["yaw", "age"])
    metric.update("pose", torch.tensor([[2.0, 0.0], [-4.0, 1.0]]))
    metric.update("all", torch.tensor([[6.0, -4.0]]))
    assert metric.compute() == {"pose": {"yaw": 0.5, "age": 0.125}, "all": {"yaw": 1.0, "age": 1.0}}
    assert Disentanglement(["pose", "all"], ["yaw"]).compute()["pose"]["yaw"] is None
    with pytest.raises(VeraError, match="got 'light'"):
        metric.update("light", torch.zeros(1, 2))


def made_up(count=400):
    rng = np.random.default_rng(0)
    codes, others = rng.normal(size=(2, count, 3))
    values = np.stack([codes @ [1.0, 2.0, -1.0], codes[:, 0] + rng.normal(size=count)], axis=1)
    return codes, others, values


def test_held_out_codes_explain_what_they_cause():
    codes, others, values = made_up()
    full, half = held_out(codes, values)
    assert full == pytest.approx(1, abs=0.01)
    assert half == pytest.approx(0.5, abs=0.08)
    assert (held_out(others, values) < 0.02).all()
    assert held_out(np.random.default_rng(1).normal(size=(30, 14)), values[:30]).max() < 0.2  # as many numbers as faces: nothing is learnt


def feed(metric, rows):
    codes, others, values = (torch.from_numpy(part) for part in made_up(60))
    for row in rows:
        metric.update([row], {"own": codes[[row]], "other": others[[row]]}, values[[row]])
    return metric.compute()


def work(rank, address, kept):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    torch.save(feed(Separability(["own", "other"], ["a", "b"]), range(rank, 60, 2)), f"{kept}{rank}")
    dist.destroy_process_group()


def test_separability_does_not_depend_on_how_faces_are_dealt(tmp_path):
    expected = feed(Separability(["own", "other"], ["a", "b"]), range(60))
    assert expected["own"]["a"] > 0.9 > 0.3 > expected["other"]["a"]
    multiprocessing.spawn(functools.partial(work, address=tmp_path / "meet", kept=f"{tmp_path}/rank"), nprocs=2)
    for rank in range(2):
        assert torch.load(tmp_path / f"rank{rank}") == expected


class Puppet(torch.nn.Module):
    """A generator whose image is as bright as its pose code says, and whose blue is its light code and a little of its pose."""

    def __init__(self):
        super().__init__()
        self.latent, self.attributes, self.noise_sides = 2, {"light": 1, "pose": 1}, [2]
        self.rest = torch.nn.Parameter(torch.zeros(1))
        self.config, self.mapping = {"attributes": self.attributes}, None

    def map(self, z, z_attributes):
        return LatentCodes(z[:, None].expand(-1, 28, -1), torch.cat([z_attributes["light"], z_attributes["pose"]], dim=1))

    def forward(self, codes, noise=None):
        light, pose = codes.attributes.unbind(dim=1)
        channels = torch.stack([pose, codes.local[:, 0, 0], light + 0.25 * pose], dim=1) / 10
        image = channels[..., None, None].expand(-1, -1, 4, 4) + self.rest
        return Synthesis(image, torch.zeros(len(image), NUM_CLASSES, 4, 4), torch.zeros(0))


class Red(AttributeEncoder):
    size, channel = None, 0

    def __init__(self, name, channel):
        super().__init__()
        self.channel = channel
        self.describe({name: ""}, {name: (-1, 1)})

    def forward(self, images, segmentations):
        return 10 * images[:, self.channel].mean(dim=(1, 2))[:, None]


def reading(network, faces=300):
    return Reading(network, {"pose": Red("yaw", 0), "light": Red("blue", 2)}, faces=faces, batch=64, seed=0)


def test_a_puppets_attributes_are_told_apart():
    table = separability(reading(Puppet()))
    assert table["pose"]["yaw"] == pytest.approx(1, abs=0.01)
    assert table["light"]["blue"] == pytest.approx(1 / (1 + 0.25**2), abs=0.05)
    assert table["pose"]["blue"] == pytest.approx(1 - 1 / (1 + 0.25**2), abs=0.06)
    assert table["light"]["yaw"] < 0.02
    assert table[LOCAL]["yaw"] < 0.02


def test_a_puppets_changes_are_known():
    table = disentanglement(reading(Puppet()), identity=lambda a, b: (a - b)[:, 1].abs().mean(dim=(1, 2)))
    assert table["pose"]["yaw"] == pytest.approx(1, abs=0.1)
    assert table["light"]["yaw"] == 0
    assert table["pose"]["blue"] == pytest.approx(0.25 / math.hypot(1, 0.25), abs=0.05)
    assert table["local"] == {"yaw": 0, "blue": 0, "identity": pytest.approx(1, abs=0.1)}
    assert table["pose"]["identity"] == table["light"]["identity"] == 0


def test_controls_give_what_is_asked_for():
    config = {
        "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
        "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4}, "attributes": {"light": 2, "pose": 2}, "mapping_layers": 1,
    }  # fmt: skip
    from vera.generator.network import Generator

    torch.manual_seed(0)
    network = Generator(**config)
    torch.nn.init.normal_(network.local.style_attributes, std=0.5)
    encoders = {"pose": Red("yaw", 0), "light": Red("blue", 2)}
    controlled = with_controls(network.eval(), encoders, faces=64, seed=0)
    results = control(reading(controlled, faces=40), controlled, asked={"yaw": "yaw", "blue": "blue"})
    assert set(results) == {"yaw", "blue"}
    assert results["yaw"]["faces"] == 40
    # What the regressor believes is reached exactly, whatever the network makes of it.
    codes = reading(controlled).draw("face", range(3))
    torch.testing.assert_close(controlled.read(controlled.edit(codes, {"yaw": 2.0}))["yaw"], torch.full((3,), 2.0), rtol=1e-3, atol=1e-3)


def test_the_probe_reads_faces_that_it_never_saw():
    probe = ProceduralProbe(size=16)
    before = torch.get_rng_state()
    explained = probe.learn(faces=1000, epochs=12, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert explained["light"] > 0.7
    assert explained["yaw"] > 0.5
    images, truth = labelled(16, 4, seed=9)
    assert probe(images, images).shape == truth.shape == (4, len(NAMES))
    assert not any(p.requires_grad for p in probe.parameters())
