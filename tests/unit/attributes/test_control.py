import pytest
import torch

from vera import bundle
from vera.attributes.control import ControlledGenerator, Regressor
from vera.types import LatentCodes, VeraError

GENERATOR = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4}, "attributes": {"light": 2, "pose": 3}, "mapping_layers": 1,
}  # fmt: skip


def fitted(noise=0.0):
    torch.manual_seed(0)
    codes = torch.randn(2000, 3) * torch.tensor([1.0, 2.0, 0.5]) + 1
    slope = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    values = codes @ slope + torch.tensor([10.0, -5.0])
    regressor = Regressor(code=3, values=2)
    regressor.fit(codes, values + noise * torch.randn_like(values))
    return regressor, codes, values


def test_a_linear_attribute_is_found():
    regressor, codes, values = fitted()
    torch.testing.assert_close(regressor.predict(codes), values, rtol=0.05, atol=0.1)
    assert (regressor.explained > 0.99).all()
    assert (fitted(noise=100.0)[0].explained < 0.1).all()


def test_reach_gives_the_wanted_value_and_moves_as_little_as_possible():
    regressor, codes, _ = fitted()
    reached = regressor.reach(codes[:5], {1: 2.0})
    torch.testing.assert_close(regressor.predict(reached)[:, 1], torch.full((5,), 2.0))
    torch.testing.assert_close(reached[:, 0], codes[:5, 0], rtol=0, atol=0.05)  # the first number says nothing of the second value
    # Of the two that do, one varies four times as much and counts half: variance times slope, 4·1 against 0.25·2.
    moved = (reached - codes[:5])[:, 1:]
    torch.testing.assert_close(moved[:, 0] / moved[:, 1], torch.full((5,), 8.0), rtol=0.1, atol=0)
    assert torch.equal(regressor.reach(codes[:5], {1: regressor.predict(codes[:5])[:, 1]}), codes[:5])


def test_two_values_at_once():
    regressor, codes, _ = fitted()
    reached = regressor.predict(regressor.reach(codes[:5], {0: 12.0, 1: torch.arange(5.0)}))
    torch.testing.assert_close(reached, torch.stack([torch.full((5,), 12.0), torch.arange(5.0)], dim=1), rtol=1e-3, atol=1e-3)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    made = ControlledGenerator(controls={"pose": ["yaw", "pitch"]}, **GENERATOR)
    made.regressor("pose").load_state_dict(fitted()[0].state_dict())
    return made


def test_an_edit_changes_one_attributes_code_alone(generator):
    codes = LatentCodes(torch.randn(2, generator.rows, 6), torch.randn(2, 5))
    edited = generator.edit(codes, {"yaw": 15.0})
    assert torch.equal(edited.local, codes.local)
    assert torch.equal(edited.attributes[:, :2], codes.attributes[:, :2])
    torch.testing.assert_close(generator.read(edited)["yaw"], torch.full((2,), 15.0))
    with pytest.raises(VeraError, match=r"smile.*yaw, pitch"):
        generator.edit(codes, {"smile": 1.0})


def test_controls_survive_the_bundle(generator, tmp_path):
    bundle.save(tmp_path / "b", generator, provenance={}, licence="none", card="made up", dtype=torch.float32)
    loaded = bundle.load(tmp_path / "b")
    assert isinstance(loaded, ControlledGenerator)
    assert loaded.config["controls"] == {"pose": ["yaw", "pitch"]}
    codes = LatentCodes(torch.randn(2, generator.rows, 6), torch.randn(2, 5))
    torch.testing.assert_close(loaded.edit(codes, {"pitch": 1.0}).attributes, generator.edit(codes, {"pitch": 1.0}).attributes)
