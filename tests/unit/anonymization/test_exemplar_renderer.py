"""The default renderer with a tiny bank of drawn faces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.reference import drawn_bank
from tests.reference.drawn_portraits import DrawnRecogniser

from vera import bundle
from vera.anonymization.exemplar_identity import load_identity
from vera.anonymization.exemplar_renderer import UNLIKE, ExemplarRenderer
from vera.anonymization.exemplar_search import CANDIDATES
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.anonymization.verification import Verifier
from vera.faces.alignment import resample
from vera.faces.photograph import photograph_from_pixels
from vera.types import Semantic, VeraError

from .conftest import Detector

SIZE = 160


class Trusting(DrawnRecogniser):
    """Knows the bank's heads, and finds everybody different."""

    threshold = refusal_threshold = 1e-9


class Labels:
    """Knows the labels of the one drawn face."""

    name = "drawn"

    def __init__(self, labels):
        self.labels = labels

    def parse(self, face):
        planes = np.stack([resample((self.labels == c).astype(np.float32), face.to_photograph, face.size) for c in range(len(Semantic))])
        return torch.from_numpy(planes / planes.sum(0).clip(1e-6))


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exemplars")
    bank = drawn_bank.drawn_bank(folder / "drawn")
    bundle.save(folder / "bundle", bank, provenance={}, licence="CC0-1.0", card="A drawn bank.", dtype=torch.float32)
    return ExemplarRenderer(bundle.load(folder / "bundle"))


@pytest.fixture(scope="module")
def drawn():
    image, labels, marks = drawn_bank.drawn_face(60, size=SIZE)
    grain = np.random.default_rng(0).normal(0, 12, image.shape)  # a drawing is flat, a photograph is not
    return (image + grain).clip(0, 255).astype(np.uint8), labels, marks


def anonymizer(renderer, drawn, *, labels=None, marks=None, **options):
    points = (drawn[2] if marks is None else marks) * SIZE - 0.5
    return VeraAnonymizer(
        renderer,
        detector=Detector(points),
        parser=Labels(drawn[1] if labels is None else labels),
        recognisers=[Trusting()],
        options=Options(**{"seed": 5, **options}),
    )


def photograph_of(drawn):
    return photograph_from_pixels(drawn[0], "drawn")


def test_what_is_preserved_stays_and_nothing_else_changes(renderer, drawn):
    source = photograph_of(drawn)
    result = anonymizer(renderer, drawn, preserve=(Semantic.MOUTH,))([source], person="p")
    (one,) = result.photographs
    mouth = drawn[1] == Semantic.MOUTH
    assert (one.preserved & mouth).sum() > 0.9 * mouth.sum()
    changed = (one.image != source.pixels).any(axis=2)
    assert not changed[one.preserved].any()
    assert not changed[~(one.replaced | one.hair_edge)].any()
    assert changed[one.replaced].mean() > 0.9
    assert not (one.preserved & one.replaced).any()
    assert not (one.hair_edge & (one.preserved | one.replaced)).any()
    assert result.audit["photographs"][0]["kept_classes"] == ["mouth"]


def test_no_structure_of_the_replaced_face_passes_over(renderer, drawn):
    source = photograph_of(drawn)
    first = anonymizer(renderer, drawn)([source], person="p")
    corner, side = (drawn[2][[2, 31]].mean(axis=0)[::-1] * SIZE).astype(int) - 8, 16
    cheek = np.s_[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    assert first.photographs[0].replaced[cheek].all()
    pattern = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((2, 2)))[..., None] * 2.0 - 1  # as fine as a scar or a mole
    marked = source.pixels.astype(np.float64)
    marked[cheek] = (marked[cheek] + 60 * pattern).clip(0, 255)
    written = marked[cheek] - source.pixels[cheek]
    other = photograph_from_pixels(marked.astype(np.uint8), "drawn")
    later = anonymizer(renderer, drawn)([other], person="p", identity=first.identity)
    change = later.photographs[0].image[cheek].astype(np.float64) - first.photographs[0].image[cheek]
    centred = written - written.mean()
    assert abs((change * centred).sum() / (centred**2).sum()) < 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_person_another_face(renderer, drawn):
    source = photograph_of(drawn)
    first, again = (anonymizer(renderer, drawn)([source], person="p").photographs[0].image for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (anonymizer(renderer, drawn)([source], person="q").photographs[0].image != first).any()


def test_a_saved_identity_gives_the_same_face_at_a_later_visit(renderer, drawn, tmp_path):
    source = photograph_of(drawn)
    first = anonymizer(renderer, drawn)([source], person="p")
    first.identity.save(tmp_path / "identity")
    later = anonymizer(renderer, drawn, seed=9)([source], person="p", identity=load_identity(tmp_path / "identity"))
    np.testing.assert_array_equal(later.photographs[0].image, first.photographs[0].image)
    assert later.identity.exemplar.rows.tolist() == first.identity.exemplar.rows.tolist()


def test_hair_is_refused_before_anything_is_read(renderer, drawn):
    with pytest.raises(VeraError, match=r"--hair: .*--renderer generator"):
        anonymizer(renderer, drawn, hair=True)


def test_an_unknown_kind_is_refused(renderer, drawn):
    with pytest.raises(VeraError, match="this bundle knows female, male"):
        anonymizer(renderer, drawn, kind="other")


def test_spectacles_are_refused(renderer, drawn):
    labels = drawn[1].copy()
    y, x = (drawn[2][36:48].mean(axis=0)[::-1] * SIZE).astype(int)
    labels[y - 10 : y + 10, x - 36 : x + 36] = Semantic.GLASSES
    with pytest.raises(VeraError, match=r"spectacles.*--renderer generator"):
        anonymizer(renderer, drawn, labels=labels)([photograph_of(drawn)], person="p")


def test_a_turned_head_is_refused(renderer, drawn):
    marks, depth = drawn[2].copy(), np.zeros(68)
    depth[27:36], depth[:17], depth[48:68] = 0.12, -0.22 * np.abs(np.linspace(-1, 1, 17)), 0.07
    marks[:, 0] = 0.5 + (marks[:, 0] - 0.5) * np.cos(0.7) + depth * np.sin(0.7)
    with pytest.raises(VeraError, match=r"turned by about \d+ degrees, at most 25"):
        anonymizer(renderer, drawn, marks=marks)([photograph_of(drawn)], person="p")


def test_almost_nothing_to_replace_is_refused(renderer, drawn):
    mask = np.isin(drawn[1], (Semantic.SKIN, Semantic.NOSE, Semantic.EYES, Semantic.BROWS))
    mask[: int(0.36 * SIZE)] = False
    with pytest.raises(VeraError, match="preserve"):
        anonymizer(renderer, drawn)([photograph_of(drawn)], person="p", masks=[np.ones_like(mask)])


def test_another_seed_gives_another_face(renderer, drawn):
    source = photograph_of(drawn)
    first, other = (anonymizer(renderer, drawn, seed=seed)([source], person="p") for seed in (5, 6))
    assert (first.photographs[0].image != other.photographs[0].image).any()
    one, two = first.identity.exemplar, other.identity.exemplar
    assert not np.array_equal(one.weights, two.weights)


def test_a_seed_of_a_group_knows_the_faces_of_those_before_it(renderer, drawn):
    source = photograph_of(drawn)
    first, second = (anonymizer(renderer, drawn, seed=seed)([source], person="p").audit["candidates"] for seed in (4, 5))
    assert second == 2 * first


def test_a_seed_is_not_refused_for_the_face_of_the_seed_before_it(renderer, drawn, monkeypatch):
    """The face may resemble it after some attempts, and the search begins anew."""
    source, refusing, reasons = photograph_of(drawn), anonymizer(renderer, drawn, seed=5), iter([("no",)] * UNLIKE + [()])
    judge = Verifier.judge
    monkeypatch.setattr(Verifier, "judge", lambda self, *seen: replace(judge(self, *seen), reasons=next(reasons)))
    audit = refusing([source], person="p").audit
    assert (audit["attempt"], audit["candidates"]) == (UNLIKE + 1, 3 * CANDIDATES)


def test_an_identity_from_another_bank_is_refused(renderer, drawn):
    source = photograph_of(drawn)
    identity = anonymizer(renderer, drawn)([source], person="p").identity
    foreign = type(identity)(identity.exemplar, "f" * 64, identity.seed, identity.number)
    with pytest.raises(VeraError, match="bundle"):
        anonymizer(renderer, drawn)([source], person="p", identity=foreign)
