import pytest
import torch

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.objective import ContrastiveObjective, NTXent
from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.generator.objective import GeneratorWeights
from vera.rng import Draws
from vera.training.build.contrastive import with_attributes
from vera.training.export.contrastive import with_controls
from vera.training.objectives.base import Faces
from vera.training.objectives.contrastive import ContrastiveAdversaries
from vera.types import VeraError

GENERATOR = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4}, "attributes": {}, "mapping_layers": 1,
}  # fmt: skip
WIDTHS = {"pose": 5, "light": 3}


class Brightness(AttributeEncoder):
    """Of the image's left and right half, or of the upper and lower one."""

    size = None

    def __init__(self, *, axis):
        super().__init__()
        self.axis = axis
        names = [f"half{axis}{n}" for n in range(2)]
        self.describe(dict.fromkeys(names, ""), dict.fromkeys(names, (-1, 1)))

    def forward(self, images, segmentations):
        return torch.stack([half.mean(dim=(1, 2, 3)) for half in images.chunk(2, dim=self.axis)], dim=1)


def encoders():
    return {"pose": Brightness(axis=3), "light": Brightness(axis=2)}


def generator(spread=0.02):
    torch.manual_seed(0)
    return with_attributes(Generator(**GENERATOR), WIDTHS, spread=spread)


def objective(network, **changed):
    torch.manual_seed(1)
    made = ContrastiveAdversaries(
        contrast=ContrastiveObjective(
            encoders=encoders(), weights={"pose": 1.0, "light": 0.5}, loss=NTXent(temperature=0.1), projection={"hidden": 8, "outputs": 4}
        ),
        mirroring=True,
        shared_noise=False,
        contrast_shrink=2,
        generator=network,
        discriminator=Discriminator(size=16, classes=13, channels={4: 8, 8: 8, 16: 8}, group=4, checkpointing=False),
        augmentation=None,
        strength=None,
        weights=GeneratorWeights(r1_image=1.0, r1_segmentation=1.0, path=1.0, mask=1.0),
        mixing=0.3,
        r1_every=16,
        path_every=4,
        path_shrink=2,
        compiler=None,
        checkpointing=False,
        **changed,
    )
    made.draws = Draws(0, torch.device("cpu"))
    return made


def faces(count=8):
    sample = {"image": torch.zeros(count, 3, 16, 16, dtype=torch.uint8), "labels": torch.zeros(count, 16, 16, dtype=torch.uint8)}
    return Faces(sample, range(count))


def test_an_attribute_space_changes_nothing_but_the_styles_a_little():
    torch.manual_seed(0)
    before = Generator(**GENERATOR)
    after = with_attributes(before, WIDTHS, spread=0.02)
    assert after.attributes == {"light": 3, "pose": 5}  # sorted, as in a bundle's record
    for name, value in before.state_dict().items():
        if name != "local.style_attributes":
            assert torch.equal(after.state_dict()[name], value)
    assert float(after.local.style_attributes.std()) == pytest.approx(0.02, rel=0.1)
    codes = before.map(torch.randn(2, 6), {})
    silent = after.map(torch.randn(2, 6), {name: torch.randn(2, width) for name, width in WIDTHS.items()})
    torch.testing.assert_close(
        after(type(codes)(codes.local, torch.zeros_like(silent.attributes))).image, before(codes).image, rtol=0, atol=1e-5
    )


def test_a_trained_space_is_kept_and_another_is_refused():
    network = generator()
    again = with_attributes(network, WIDTHS, spread=5.0)
    assert torch.equal(again.local.style_attributes, network.local.style_attributes)
    with pytest.raises(VeraError, match="choose the same"):
        with_attributes(network, {"pose": 5}, spread=0.02)


def test_the_gradient_does_not_vanish_at_the_start():
    def norms(spread):
        network = generator(spread)
        made = objective(network)
        sum(made.contrasts(faces(4)).values()).backward()
        mapping = [p.grad.norm() for p in network.attribute_mappings["pose"].parameters() if p.grad is not None]
        return float(network.local.style_attributes.grad.norm()), float(torch.stack(mapping).norm())

    conditioning, mapping = norms(0.02)
    assert conditioning > 1e-3
    assert mapping > 1e-5
    assert norms(0.0)[1] == 0  # the reason for the spread


def test_the_generators_phase_has_stage_1s_losses_and_each_attributes():
    made = objective(generator())
    assert made.stage == "contrastive"
    assert [phase.name for phase in made.phases] == ["discriminator", "r1", "generator", "path"]
    loss, terms = made.phases[2].loss(faces())
    assert {"loss/adversarial", "loss/mask", "contrast/pose", "contrast/light"} <= set(terms)
    expected = terms["loss/adversarial"] + terms["loss/mask"] + terms["contrast/pose"] + 0.5 * terms["contrast/light"]
    torch.testing.assert_close(loss, expected)


def test_heads_move_with_the_generator_and_are_neither_described_nor_averaged():
    made = objective(generator())
    moved = {id(p) for p in made.networks["generator"].parameters()}
    assert {id(p) for p in made.contrast.heads.parameters()} < moved
    assert {id(p) for p in made.generator.parameters()} < moved
    assert made.networks["generator"].config == made.generator.config
    assert made.averaged is made.generator
    assert not any(key.startswith("networks") for key in made.state_dict())


def test_noise_is_each_faces_own_unless_a_group_shares_it():
    for shared in (False, True):
        made, seen = objective(generator()), []
        made.shared_noise = shared
        original = made._fast["generator"]
        made._fast["generator"] = lambda *given, original=original, seen=seen: seen.append(given[2]) or original(*given)
        made.contrasts(faces(2))
        for maps in seen[0]:
            assert len(maps) == 2 * 5
            assert len(torch.unique(maps.flatten(1), dim=0)) == (2 if shared else 10)


def test_other_attributes_than_encoders_are_refused():
    torch.manual_seed(0)
    with pytest.raises(VeraError, match="encoders read"):
        objective(with_attributes(Generator(**GENERATOR), {"pose": 5}, spread=0.02))


def test_controls_are_fitted_on_the_generators_own_faces():
    network = generator(spread=0.5).eval()
    made = with_controls(network, encoders(), faces=64, seed=0)
    assert made.config["controls"] == {"pose": ["half30", "half31"], "light": ["half20", "half21"]}
    codes = made.map(torch.randn(2, 6), {name: torch.randn(2, width) for name, width in WIDTHS.items()})
    torch.testing.assert_close(made(codes).image, network(codes).image)
    assert made.regressor("pose").spread.min() > 0
    with pytest.raises(VeraError, match="encoders are for"):
        with_controls(network, {"pose": Brightness(axis=3)}, faces=8, seed=0)
