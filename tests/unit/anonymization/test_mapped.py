"""Generators without an encoder end in the anonymizer: of stage 1, of stage 2, converted, with identity groups."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.reference.checkpoint import made_up

from vera import bundle
from vera.anonymization import interface
from vera.anonymization.assembly import assemble
from vera.anonymization.generator_renderer import GeneratorRenderer
from vera.anonymization.kinds import Kinds
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.bundle import BundleInfo
from vera.features.perceptual import PerceptualDistance
from vera.generator.network import Generator
from vera.generator.published import load_generator, read_checkpoint
from vera.inversion.mapped import TRUNCATION, MappedGenerator
from vera.types import LatentCodes, Semantic, VeraError

from .conftest import TINY, Detector, Parser, Recogniser, face_points


def converted(folder, size=64):
    return load_generator(read_checkpoint(made_up(folder / "x.pt", size)), "g_ema")


def of_stage_2(**more):
    torch.manual_seed(0)
    network = Generator(**{**TINY, "attributes": {"pose": 3}, "mapping_layers": 2, **more})
    torch.nn.init.normal_(network.local.style_attributes, std=0.3)
    return network


NETWORKS = {
    "stage 1": lambda _: Generator(**{**TINY, "mapping_layers": 2}),
    "stage 2": lambda _: of_stage_2(),
    "converted": converted,
    "converted, 256 px": lambda folder: converted(folder, 256),
}


@pytest.fixture(scope="module")
def perceptual():
    return PerceptualDistance(pretrained=False).eval().requires_grad_(False)


@pytest.fixture
def anonymizer(perceptual):
    def build(generator, **options):
        generator.info = BundleInfo(Path("tiny"), "d" * 64, "none", {})
        network = MappedGenerator(generator.eval().requires_grad_(False))
        detector = Detector(face_points())
        return VeraAnonymizer(
            GeneratorRenderer(network, detector=detector, perceptual=perceptual),
            detector=detector, parser=Parser(), recognisers=[Recogniser()],
            options=Options(**{"refine_steps": 3, "harmonize_steps": 1, "seed": 7, "attempts": 1, **options}),
        )  # fmt: skip

    return build


@pytest.mark.parametrize("name", [name if "256" not in name else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS])
def test_a_generator_anonymizes_and_the_contracts_hold(anonymizer, photograph, tmp_path, name):
    torch.manual_seed(0)
    made = anonymizer(NETWORKS[name](tmp_path), preserve=(Semantic.MOUTH,))
    told = []
    first = made([photograph], person="p", progress=lambda *step: told.append(step))
    (one,) = first.photographs
    np.testing.assert_array_equal(one.image[~one.replaced], photograph.pixels[~one.replaced])
    assert one.preserved.any()
    assert (one.image[one.replaced] != photograph.pixels[one.replaced]).any()
    assert first.audit["verification"]["passed"]
    assert first.audit["bank"] == {"identities": 512, "seed": 0}
    assert first.identity.truncation == TRUNCATION, "one truncation, stated in the audit"
    if name == "stage 2":
        np.testing.assert_array_equal(made([photograph], person="p").photographs[0].image, one.image)
        assert (made([photograph], person="q").photographs[0].image != one.image).any()
    assert re.fullmatch(r"inverting by 3 steps of optimisation, about \d+ (s|min)", told[0][0]), "the time is said before it is spent"
    assert told[:4] == [(told[0][0], 0, 0), *(("inverting", done, 3) for done in (1, 2, 3))]


def test_without_steps_or_a_mapping_one_sentence_says_what_to_do(anonymizer, monkeypatch):
    with pytest.raises(VeraError, match="'tiny' holds a generator without an encoder: invert by optimisation, --refine-steps 400"):
        anonymizer(of_stage_2(), refine_steps=0)
    monkeypatch.setattr(interface, "load", lambda *_, **__: Generator(**TINY))
    for heavy in ("DlibDetector", "choose_recognisers"):
        monkeypatch.setattr(interface, heavy, lambda *_, **__: [])
    with pytest.raises(VeraError, match="no mapping, so no identity can be drawn"):
        interface.embedded("x", "cpu", Options(refine_steps=1))


def test_optimisation_starts_at_the_mean_and_comes_nearer(anonymizer, photograph):
    case = opened(anonymizer(of_stage_2(), refine_steps=20), photograph)
    network, inputs = case.renderer.network, case.inputs
    start = network.usual_codes(1)
    torch.testing.assert_close(start.local, network.generator.mean_code().expand(1, 28, -1))

    def away(codes):
        return (network.generator(codes).image - inputs.images).abs().mean()

    assert away(case.codes) < 0.95 * away(start)
    assert case.codes.attributes.sub(start.attributes).abs().max() > 0


def opened(anonymizer, photograph):
    """The case of one photograph."""
    cases, open_ = [], anonymizer.renderer.open
    anonymizer.renderer.open = lambda request: cases.append(open_(request)) or cases[0]
    anonymizer([photograph], person="p")
    return cases[0]


def test_after_stage_2_attributes_stay_the_photographs_and_base_codes_are_the_identitys(anonymizer, photograph):
    case = opened(anonymizer(of_stage_2(), preserve=(Semantic.MOUTH,)), photograph)
    identity = case.identity(1).local
    whole = assemble(case.codes, identity, case.inputs.kept)
    assert torch.equal(whole.attributes, case.codes.attributes)
    assert torch.equal(whole.local[0, :2], identity[:2])
    own, new = (LatentCodes.rows(classes) for classes in ([Semantic.MOUTH, Semantic.NECK], [Semantic.NOSE, Semantic.SKIN]))
    assert torch.equal(whole.local[0, own], case.codes.local[0, own])
    assert torch.equal(whole.local[0, new], identity[new])
    before = opened(anonymizer(Generator(**{**TINY, "mapping_layers": 2})), photograph)
    assert before.inputs.kept[:, :2].all(), "without attribute codes the base codes carry the pose"


def test_identities_are_the_mappings_at_the_one_stated_truncation(anonymizer, photograph):
    network = of_stage_2().eval().requires_grad_(False)
    bank = MappedGenerator(network)
    torch.testing.assert_close(bank.bank.mean(dim=0), bank.mean, rtol=0, atol=0.1 * float(bank.bank.std()))
    assert torch.equal(MappedGenerator(network).bank, bank.bank)
    shapes = slice(2, None, 2)  # textures lie nearer to the mean, see TEXTURE

    def spread(codes):
        return (codes - bank.mean)[:, shapes].square().mean().sqrt()

    def away(**options):
        case, drawn = opened(anonymizer(of_stage_2(), harmonize_steps=0, refine_steps=1, **options), photograph), []
        for seed in range(100):
            case.request = replace(case.request, seed=seed)
            drawn.append(case.identity(1).local)
        return float(spread(torch.stack(drawn)) / spread(bank.bank))

    assert away() == pytest.approx(TRUNCATION, rel=0.1)
    assert away(truncation=0.35) == pytest.approx(0.35, rel=0.1)


def test_groups_of_a_principal_mapping_are_identity_groups():
    plain = of_stage_2(mapping_layers=0, principal=2)
    plain.mapping.fill([torch.randn(20, 28, 8) - 5, torch.randn(20, 28, 8) + 5])
    network = MappedGenerator(plain.eval().requires_grad_(False))
    assert network.kinds == ("group0", "group1")
    means = [network.identities(kind)[1] for kind in network.kinds]
    assert means[0].mean() < -4
    assert means[1].mean() > 4

    class Blind(Recogniser):
        def embed(self, pixels, landmarks):
            return np.zeros(3)

    kinds = Kinds(network, detector=Detector(face_points()), recogniser=Blind())
    codes = LatentCodes(means[1][None], network.usual_codes(1).attributes)
    _, by_skin = kinds.views(codes, [np.zeros(3)])
    assert by_skin["group1"] < by_skin["group0"]


def test_a_bundle_becomes_the_renderer(tmp_path, monkeypatch):
    bundle.save(tmp_path / "made", of_stage_2(), provenance={}, licence="none", card="#")
    for heavy in ("choose_parser", "quick_detectors", "DlibDetector"):
        monkeypatch.setattr(interface, heavy, lambda *_, **__: [])
    monkeypatch.setattr(interface, "choose_recognisers", lambda *_, **__: [Recogniser()])
    made = interface.embedded(tmp_path / "made", "cpu", Options(refine_steps=2))
    assert made.renderer.name == "generator"
    assert made.bundle.digest == bundle.read(tmp_path / "made")["digest"]
    with pytest.raises(VeraError, match="is for --renderer generator, not exemplars"):
        interface.embedded(tmp_path / "made", "cpu", Options(refine_steps=2), renderer="exemplars")
