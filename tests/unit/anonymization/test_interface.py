"""The Python interface's own arguments; the bank and the face parts are not loaded for them."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from vera.anonymization import interface
from vera.anonymization.interface import anonymize
from vera.anonymization.pipeline import WithIdentity
from vera.anonymization.request import unnamed
from vera.exemplars.bank import ExemplarBank
from vera.types import Anonymized, Semantic, VeraError


@pytest.fixture
def calls(monkeypatch):
    """What the anonymizer would be asked; the heavy parts are left out."""
    seen = []

    class Asked:
        def __init__(self, renderer, *, options, **_):
            assert renderer.name == "exemplars"
            self.options = options

        def __call__(self, photographs, **arguments):
            seen.append({"photographs": photographs, "options": self.options, **arguments})
            blank = [Anonymized(p.name, p.pixels, p.pixels[:, :, 0] > 0, p.pixels[:, :, 0] < 0) for p in photographs]
            return WithIdentity(arguments["person"], blank, {"made": "here"}, None)

    monkeypatch.setattr(interface, "load", lambda *_, **__: ExemplarBank.__new__(ExemplarBank))
    for heavy in ("DlibDetector", "choose_parser", "choose_recognisers", "quick_detectors"):
        monkeypatch.setattr(interface, heavy, lambda *_, **__: None)
    monkeypatch.setattr(interface, "VeraAnonymizer", Asked)
    return seen


def test_a_seed_may_be_any_whole_number_and_nothing_else(photograph, calls):
    for seed in (7, np.int64(7), np.uint8(7)):
        anonymize(photograph, identity=seed, bundle="x")
        assert calls[-1]["options"].seed == 7
        assert type(calls[-1]["options"].seed) is int
    anonymize(photograph, bundle="x")
    assert calls[-1]["options"].seed is None
    for wrong in (7.0, True, np.bool_(True), [7]):
        with pytest.raises(VeraError, match="give a seed"):
            anonymize(photograph, identity=wrong, bundle="x")


def test_an_unnamed_person_is_derived_from_the_photographs(photograph, calls):
    other = 255 - photograph.pixels
    for sources in (photograph, other, [photograph, other], [other, photograph]):
        anonymize(sources, identity=7, bundle="x")
    first, second, both, turned = (call["person"] for call in calls)
    assert len({first, second, both}) == 3
    assert both == turned
    assert first == unnamed([photograph.digest])
    assert first == "unnamed-" + hashlib.sha256(photograph.digest.encode()).hexdigest()[:16]
    anonymize(photograph, person="named", bundle="x")
    assert calls[-1]["person"] == "named"


def test_one_result_for_each_photograph(photograph, calls):
    results = anonymize([photograph, photograph], person="p", bundle="x")
    assert [result.image is photograph.pixels for result in results] == [True, True]
    assert [result.audit for result in results] == [{"made": "here"}] * 2
    assert results[0].preserved.shape == results[0].replaced.shape == photograph.size


def test_one_mask_and_one_class_need_no_list(photograph, calls):
    mask = np.zeros(photograph.size, dtype=bool)
    mask[5:9, 5:9] = True
    anonymize(photograph, masks=mask, preserve="mouth", bundle="x")
    assert calls[-1]["masks"] == [mask]
    assert calls[-1]["options"].preserve == (Semantic.MOUTH,)
    with pytest.raises(VeraError, match=r"m\.png"):
        anonymize(photograph, masks="m.png", bundle="x")


def test_wrong_arguments_are_bad_input(photograph, calls):
    with pytest.raises(VeraError, match="1 photographs and 2 masks"):
        anonymize(photograph, masks=[None, None], bundle="x")
    with pytest.raises(VeraError, match="unknown option 'hairs': choose from attempts, face, given, hair"):
        anonymize(photograph, hairs=True, bundle="x")
    with pytest.raises(VeraError, match="identity="):
        anonymize(photograph, seed=3, bundle="x")


def test_a_bundle_of_the_other_renderer_is_bad_input(photograph, calls):
    with pytest.raises(VeraError, match="is for --renderer exemplars, not generator"):
        anonymize(photograph, renderer="generator", bundle="x")
    with pytest.raises(VeraError, match="unknown renderer 'other': choose from exemplars, generator"):
        anonymize(photograph, renderer="other")


@pytest.mark.parametrize(
    "arguments",
    [
        {"preserve": None},
        {"preserve": 4},
        {"preserve": ["mouth", 4]},
        {"masks": 4},
        {"masks": [[True]]},
        {"photographs": None},
        {"photographs": [b"a.jpg"]},
    ],
)
def test_arguments_of_another_type_are_bad_input(photograph, calls, arguments):
    with pytest.raises(VeraError, match=f"^{next(iter(arguments))}=.* cannot be used: give "):
        anonymize(**{"photographs": photograph, "bundle": "x"} | arguments)


def test_a_bundle_of_another_kind_is_bad_input(photograph, calls, monkeypatch):
    monkeypatch.setattr(interface, "load", lambda *_, **__: SimpleNamespace())
    with pytest.raises(VeraError, match="bundle 'x' holds a SimpleNamespace: `vera anonymize` takes exemplars, an autoencoder or"):
        anonymize(photograph, bundle="x")
