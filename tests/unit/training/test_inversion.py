"""The objective of stage 3, without a Trainer."""

import pytest
import torch

from vera import bundle
from vera.attributes.control import ControlledGenerator
from vera.data.procedural import ProceduralFaces
from vera.data.sample import Sample
from vera.generator.network import Generator
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.objective import InversionObjective, InversionWeights
from vera.rng import Draws
from vera.training.build import networks as start
from vera.training.objectives.base import Faces
from vera.training.objectives.inversion import Inversion
from vera.types import VeraError

TINY = {
    "size": 32, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {16: 4, 32: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip
ENCODER = {"width": 8, "hidden": 8, "layout": 2, "pretrained": False}
WEIGHTS = InversionWeights(face=0.0, pixel=1.0, perceptual=0.0, segmentation=0.1, prior=0.0, codes=1.0)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Autoencoder(generator=TINY, encoder=ENCODER, bank=0, passes=2)
    made.generator.requires_grad_(False)
    return made


@pytest.fixture
def faces():
    samples = [ProceduralFaces(size=32, count=8, seed=0)[n] for n in range(8)]
    return Faces(Sample(**{key: torch.stack([s[key] for s in samples]) for key in ("image", "labels")}), range(8))


def objective(network, *, generated=0.5, weights=(0.5, 1.0)):
    objective = InversionObjective(weights=WEIGHTS, perceptual=None)
    made = Inversion(network=network, objective=objective, pass_weights=weights, generated=generated)
    made.draws = Draws(0, torch.device("cpu"))
    return made  # in the modes that Lightning finds


def test_a_generated_face_is_encoded_as_one_and_its_codes_are_known(network, faces):
    loss, terms = objective(network).invert(faces)
    kinds = {name.partition("/")[0] for name in terms}
    assert kinds == {"generated", "real", "loss"}
    assert {f"generated/{number}/codes" for number in (1, 2)} <= terms.keys()
    assert "real/1/codes" not in terms
    torch.testing.assert_close(loss, 0.5 * terms["loss/pass1"] + terms["loss/pass2"])
    of_kinds = [terms[f"{kind}/1/pixel"] + 0.1 * terms[f"{kind}/1/segmentation"] for kind in ("generated", "real")]
    torch.testing.assert_close(terms["loss/pass1"], (of_kinds[0] + terms["generated/1/codes"] + of_kinds[1]) / 2)


def test_a_share_of_none_or_all(network, faces):
    assert not any(name.startswith("generated") for name in objective(network, generated=0.0).invert(faces)[1])
    assert not any(name.startswith("real") for name in objective(network, generated=1.0).invert(faces)[1])
    with pytest.raises(VeraError, match="between 0 and 1"):
        objective(network, generated=1.5)


def test_gradients_reach_the_encoder_and_build_nothing_for_the_generator(network, faces):
    made = objective(network)
    made.invert(faces)[0].backward()
    assert all(p.grad is None for p in network.generator.parameters())
    head = network.encoder.to_steps.weight.grad
    assert head is not None
    assert head.abs().max() > 0


def test_generated_faces_are_mixed_by_the_encoder_that_the_generator_knows(network, faces):
    made = objective(network)
    before = made._generate(faces, faces.images, (faces.segmentations + 1) / 2, 4)[0].local
    torch.nn.init.zeros_(network.encoder.to_codes.weight)  # whatever becomes of the one that learns
    assert torch.equal(made._generate(faces, faces.images, (faces.segmentations + 1) / 2, 4)[0].local, before)
    assert not any(p.requires_grad for p in made.origin.parameters())


def test_the_standardisation_stays_the_autoencoders(network, faces):
    before = network.encoder.standardise.running_mean.clone()
    objective(network).invert(faces)
    assert torch.equal(network.encoder.standardise.running_mean, before)


def test_micro_batches_generate_the_same_share_of_the_same_batch(network, faces):
    made = objective(network)
    whole, _ = made.invert(faces)
    parts = [made.invert(part)[0] for part in faces.micro_batches(4)]
    chosen = [part.indices[: len(part) // 2] for part in faces.micro_batches(4)]
    assert sorted(n for part in chosen for n in part) == [0, 1, 2, 3]
    torch.testing.assert_close(whole, torch.stack(parts).mean(), rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_said(network, faces):
    with pytest.raises(VeraError, match="one weight for each pass"):
        objective(network, weights=(1.0,))
    small = Faces(Sample(image=faces.sample["image"][..., :16, :16], labels=faces.sample["labels"][..., :16, :16]), faces.indices)
    with pytest.raises(VeraError, match="16 px wide"):
        objective(network).invert(small)
    network.generator.requires_grad_()
    with pytest.raises(VeraError, match="frozen"):
        objective(network)


def test_it_starts_from_an_autoencoders_bundle(network, tmp_path):
    stated = {"provenance": {}, "licence": "CC0", "card": "#", "dtype": torch.float32}
    bundle.save(tmp_path / "bundle", network, **stated)
    loaded = start.inversion(start=tmp_path / "bundle", passes=3, encoder={})
    assert loaded.passes == 3
    assert not any(p.requires_grad for p in loaded.generator.parameters())
    assert all(p.requires_grad for p in loaded.encoder.parameters())
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))
    with pytest.raises(VeraError, match=r"stage\.start=BUNDLE"):
        start.inversion(start=None, passes=2, encoder=ENCODER)
    bundle.save(tmp_path / "generator", Generator(**TINY), **stated)
    with pytest.raises(VeraError, match="has no mapping, so no identity can be drawn"):
        start.inversion(start=tmp_path / "generator", passes=2, encoder=ENCODER)


def test_a_generator_gets_an_encoder_that_starts_at_its_codes_and_learns_from_its_faces(tmp_path, faces):
    """Of stage 2, with attribute codes and controls."""
    torch.manual_seed(0)
    config = {**TINY, "attributes": {"pose": 3}, "mapping_layers": 2}
    controlled = ControlledGenerator(controls={"pose": ["yaw"]}, **config)
    bundle.save(tmp_path / "generator", controlled, provenance={}, licence="none", card="#", dtype=torch.float32)
    network = start.inversion(start=tmp_path / "generator", passes=2, encoder=ENCODER)
    assert type(network.generator) is Generator
    assert not any(parameter.requires_grad for parameter in network.generator.parameters())
    assert (network.passes, len(network.bank), network.truncation) == (2, 0, 0.7)
    usual = network.usual_codes(8)
    torch.testing.assert_close(usual.attributes[:1], controlled.mean_attributes())
    made = objective(network, generated=1.0)
    assert (made.origin, made.group) == (None, 1)
    true, face = made._generate(faces, faces.images, (faces.segmentations + 1) / 2, 8)
    with torch.no_grad():
        first = network.encode(face.image.clamp(-1, 1), (face.segmentation + 1) / 2, passes=1)
    for codes in (true, first):  # as far from the mean as the mapping's, in its units
        assert (codes.local - usual.local).std() == pytest.approx(float((true.local - usual.local).std()), rel=1)
    assert (true.local[:, 2::2] != true.local[:, 2:3]).any(), "classes of a face have codes of two draws"
    whole, terms = made.invert(faces)
    assert {"generated/1/codes", "generated/2/codes"} <= terms.keys()
    parts = [made.invert(part)[0] for part in faces.micro_batches(4)]
    torch.testing.assert_close(whole, torch.stack(parts).mean(), rtol=1e-4, atol=1e-5)
