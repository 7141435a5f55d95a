from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vera.faces import recogniser_choice
from vera.faces.onnx_recogniser import OnnxRecogniser
from vera.faces.recogniser_choice import choose_recognisers
from vera.types import VeraError

CORNERS = np.random.default_rng(0).uniform(100, 200, (68, 2))


def pooled(path: Path, side: int) -> Path:
    """A network that averages a grid of the image: ``3 * (112 / side) ** 2`` numbers."""
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 112, 112])
    answer = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 3 * (112 // side) ** 2])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[side, side], strides=[side, side]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    graph = helper.make_graph(nodes, "pooled", [given], [answer])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_an_onnx_file_is_a_recogniser(tmp_path: Path) -> None:
    recogniser = OnnxRecogniser(pooled(tmp_path / "mine.onnx", 16))
    assert recogniser.name.startswith("mine-")
    pixels = np.random.default_rng(1).integers(0, 255, (300, 320, 3), dtype=np.uint8)
    embedding = recogniser.embed(pixels, CORNERS)
    assert embedding.shape == (147,)
    assert np.linalg.norm(embedding) == pytest.approx(1)
    assert recogniser.distance(embedding, embedding) == pytest.approx(0)
    with pytest.raises(VeraError, match="outside"):
        recogniser.embed(pixels, CORNERS + 1000)


def test_what_is_no_recogniser_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.onnx").write_bytes(b"no network")
    for path, words in ((tmp_path / "gone.onnx", "is missing"), (tmp_path / "torn.onnx", "no recogniser that can be run")):
        with pytest.raises(VeraError, match=words):
            OnnxRecogniser(path)
    with pytest.raises(VeraError, match="3 numbers"):
        OnnxRecogniser(pooled(tmp_path / "small.onnx", 112))


def test_further_recognisers_come_after_the_embedded_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser_choice, "embedded_recognisers", lambda far: [f"dlib {far}", f"sface {far}"])
    monkeypatch.setattr(recogniser_choice, "InsightFaceBackend", lambda pack, device: SimpleNamespace(recogniser=f"{pack} on {device}"))
    chosen = choose_recognisers([str(pooled(tmp_path / "mine.onnx", 16)), "insightface:buffalo_l"], far=0.01, device="cuda")
    assert chosen[:2] == ["dlib 0.01", "sface 0.01"]
    assert isinstance(chosen[2], OnnxRecogniser)
    assert chosen[3] == "buffalo_l on cuda"
    with pytest.raises(VeraError, match=r"no recogniser 'sface': give an .onnx file, or insightface:PACK"):
        choose_recognisers(["sface"])
