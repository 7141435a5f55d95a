"""The trained parser for other programs: an ONNX file with a stated contract.

Input ``image``: ``(1, 3, S, S)`` float32, an RGB face in the FFHQ alignment, in [-1, 1]; S is the size that the network was trained at.
Output ``probabilities``: ``(1, 13, S, S)`` float32 in [0, 1], sum 1 over the classes of :class:`vera.types.Semantic`, in their order.
The file's metadata says both, and names the bundle's digest and licence.
"""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vera import bundle
from vera.faces.segmenter import Segmenter
from vera.files import part_of, write_once
from vera.types import Semantic, VeraError

OPSET = 17


class _Probabilities(nn.Module):
    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        probabilities: Tensor = self.network(image).softmax(dim=1)
        return probabilities


def write_onnx(parser: Path | str, out: Path) -> None:
    """Write a parser's bundle as an ONNX file; see the module's docstring for what goes in and out.

    Args:
        parser: folder of the parser's bundle.
        out: the file to make.

    Raises:
        VeraError: the bundle cannot be read or holds another network, the file exists or cannot be written, or the package onnx is missing.

    """
    if out.exists():
        raise VeraError(f"'{out}' exists: choose another file or remove it")
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise VeraError(f"the package onnx cannot be imported ({error}): run `pip install onnx`") from error
    record, network = bundle.read(parser), bundle.load(parser)
    if not isinstance(network, Segmenter):
        raise VeraError(f"'{parser}' is a bundle of {type(network).__name__}, not of a parser")
    image = torch.zeros(1, 3, network.size, network.size)
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["probabilities"], "opset_version": OPSET}
    part = part_of(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing: shapes are constants here, and are meant to be
            torch.onnx.export(_Probabilities(network).eval(), (image,), str(part), dynamo=False, **names)
        model = onnx.load(str(part))
    except OSError as error:
        raise VeraError(f"cannot write '{out}': {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    stated = {
        "input": f"image: (1, 3, {network.size}, {network.size}) float32, RGB face in the FFHQ alignment, in [-1, 1]",
        "output": "probabilities of the classes, sum 1",
        "classes": json.dumps([kind.name.lower() for kind in Semantic]),
        "digest": record["digest"],
        "licence": record["licence"],
    }
    onnx.helper.set_model_props(model, stated)
    try:
        write_once(out, model.SerializeToString())
    except OSError as error:
        raise VeraError(f"cannot write '{out}': {error.strerror}") from error
