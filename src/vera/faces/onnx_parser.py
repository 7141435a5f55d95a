"""Parse faces with an ONNX network such as BiSeNet, with the 19 labels of CelebAMask-HQ."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vera.faces.labels import ORDERS, numbered
from vera.types import NUM_CLASSES, AlignedFace, VeraError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of RGB in [0, 1]."""
DEFAULT_INPUT = 512
"""Side for models whose file leaves it open."""


class OnnxParser:
    """Runs a 19-class face parser; the first output must be logits ``(1, 19, h, w)`` for an RGB image ``(1, 3, H, W)``.

    Args:
        path: path of the ONNX file.
        order: order of its labels, a key of :data:`vera.faces.labels.ORDERS`.
        device: ``cpu`` or ``cuda``; the latter needs onnxruntime-gpu.

    Raises:
        VeraError: for a missing or unfit file, an unknown order, or a GPU that onnxruntime cannot use.

    """

    def __init__(self, path: Path | str, *, order: str = "face-parsing", device: str = "cpu") -> None:
        path = Path(path)
        if order not in ORDERS:
            raise VeraError(f"unknown label order '{order}' for a face parser: choose from {', '.join(ORDERS)}")
        if not path.is_file():
            raise VeraError(
                f"no face parser at '{path}': export a BiSeNet trained on CelebAMask-HQ to ONNX (for example from "
                "github.com/zllrunning/face-parsing.PyTorch) and give its path"
            )
        self.name = f"onnx-{path.stem}"
        self._classes = torch.tensor([int(known) for known in numbered(order)])
        self._session = _session(path, device)
        entrance = self._session.get_inputs()[0]
        shape = list(entrance.shape)
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise VeraError(f"the face parser '{path}' takes {shape}: it must take an RGB image (1, 3, H, W)")
        self._input: str = entrance.name
        self._size = tuple(n if isinstance(n, int) and n > 0 else DEFAULT_INPUT for n in shape[2:])

    def parse(self, face: AlignedFace) -> Tensor:
        """Class probabilities ``(13, S, S)``; see :meth:`vera.faces.parsing.Parser.parse`.

        Raises:
            VeraError: when the model does not give 19 classes.

        """
        image = interpolate(((face.image.detach().float().cpu() + 1) / 2)[None], self._size, mode="bilinear", antialias=True)
        normalised = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
        logits = torch.from_numpy(self._session.run(None, {self._input: normalised.numpy()})[0]).float()
        if logits.ndim != 4 or logits.shape[1] != len(self._classes):
            raise VeraError(f"the face parser {self.name} gives {tuple(logits.shape)}: it must give logits (1, 19, h, w)")
        fine = logits.softmax(dim=1)
        coarse = torch.zeros(1, NUM_CLASSES, *fine.shape[2:]).index_add_(1, self._classes, fine)
        resized = interpolate(coarse, (face.size, face.size), mode="bilinear", antialias=True)[0].clamp(min=0)
        return resized / resized.sum(dim=0, keepdim=True)


def _session(path: Path, device: str) -> Any:
    """An onnxruntime session on exactly this device."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise VeraError(f"onnxruntime cannot be imported ({error}): run `pip install onnxruntime`") from error
    wanted = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(device)
    if wanted is None:
        raise VeraError(f"unknown device '{device}' for a face parser: choose cpu or cuda")
    try:
        session = runtime.InferenceSession(str(path), providers=[wanted])
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise VeraError(f"'{path}' cannot be loaded as an ONNX model ({error}): export it again") from error
    if wanted not in session.get_providers():
        raise VeraError(f"onnxruntime could not start {wanted}: install onnxruntime-gpu (make install-gpu), or take device cpu")
    return session
