"""The trained parser as a parser, its choice by name, and its ONNX file."""

import json

import numpy as np
import pytest
import torch

from vera import bundle
from vera.faces import parser_choice
from vera.faces.bundle_parser import BundleParser
from vera.faces.onnx_parser import OnnxParser
from vera.faces.parser_choice import choose_parser
from vera.faces.parsing import LandmarkParser
from vera.faces.segmenter import Segmenter
from vera.faces.segmenter_onnx import write_onnx
from vera.types import NUM_CLASSES, AlignedFace, Semantic, VeraError

SIDE = 32


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    torch.manual_seed(0)
    network = Segmenter(size=SIDE, context=8, depth=1, channels=[8, 8, 8], pretrained=False)
    path = tmp_path_factory.mktemp("parsers") / "parser"
    bundle.save(path, network, provenance={}, licence="CC0", card="#")
    return path


def face(side, seed=0):
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return AlignedFace(image, np.eye(2, 3), np.zeros((68, 2)))


def test_probabilities_at_the_faces_size(packed):
    parser = BundleParser(packed)
    assert parser.name == f"bundle-{bundle.read(packed)['digest'][:12]}"
    for side in (SIDE, 20, 75):
        probabilities = parser.parse(face(side))
        assert probabilities.shape == (NUM_CLASSES, side, side)
        assert probabilities.dtype == torch.float32
        assert probabilities.min() >= 0
        assert torch.allclose(probabilities.sum(dim=0), torch.ones(side, side), atol=1e-5)


def test_at_its_own_size_a_face_is_what_the_network_says(packed):
    aligned = face(SIDE)
    said = bundle.load(packed)(aligned.image[None]).softmax(dim=1)[0]
    assert torch.allclose(BundleParser(packed).parse(aligned), said, atol=1e-5)
    assert torch.equal(BundleParser(packed).parse(aligned), BundleParser(packed).parse(aligned))


def test_a_flat_face_is_parsed_alike_at_any_size(packed):
    """The face is brought to the network's side: a picture that loses nothing by it gives the same segmentation."""
    small = AlignedFace(torch.full((3, SIDE, SIDE), 0.3), np.eye(2, 3), np.zeros((68, 2)))
    large = AlignedFace(torch.full((3, 2 * SIDE, 2 * SIDE), 0.3), np.eye(2, 3), np.zeros((68, 2)))
    parser = BundleParser(packed)
    reduced = torch.nn.functional.avg_pool2d(parser.parse(large)[None], 2)[0]
    assert torch.allclose(parser.parse(small), reduced, atol=0.05)
    other = BundleParser(packed, side=2 * SIDE).parse(large)
    assert other.shape == (NUM_CLASSES, 2 * SIDE, 2 * SIDE)


def test_other_bundles_and_sides_are_refused(packed, tmp_path):
    with pytest.raises(VeraError, match="multiple of 16"):
        BundleParser(packed, side=40)
    with pytest.raises(VeraError, match="no bundle at"):
        BundleParser(tmp_path)
    with pytest.raises(VeraError, match="not of a parser"):
        BundleParser(bundle.default_bundle())


def test_a_parser_is_chosen_by_name_or_path(packed, monkeypatch):
    assert isinstance(choose_parser("landmarks"), LandmarkParser)
    assert isinstance(choose_parser(packed), BundleParser)
    assert isinstance(choose_parser(str(packed)), BundleParser)
    monkeypatch.setattr(parser_choice, "shipped_parser", lambda: packed)
    assert choose_parser("shipped").name == BundleParser(packed).name
    monkeypatch.setattr(parser_choice, "DEFAULT", "shipped")
    assert isinstance(choose_parser(None), BundleParser)
    with pytest.raises(VeraError, match=r"no parser 'nothing'.*landmarks"):
        choose_parser("nothing")
    with pytest.raises(VeraError, match="no face parser at"):
        choose_parser("absent.onnx")


def test_onnx_gives_the_bundles_probabilities(packed, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    file = tmp_path / "new" / "parser.onnx"
    write_onnx(packed, file)
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, SIDE, SIDE]
    aligned = face(SIDE)
    (given,) = session.run(["probabilities"], {"image": aligned.image[None].numpy()})
    assert np.abs(given[0] - BundleParser(packed).parse(aligned).numpy()).max() < 1e-4
    stated = session.get_modelmeta().custom_metadata_map
    assert json.loads(stated["classes"]) == [kind.name.lower() for kind in Semantic]
    assert stated["digest"] == bundle.read(packed)["digest"]
    with pytest.raises(VeraError, match="exists"):
        write_onnx(packed, file)
    with pytest.raises(VeraError, match="must give logits"):  # 13 classes are not the 19 that other parsers give
        OnnxParser(file).parse(aligned)
