"""Build recognisers: the embedded ones, and further ones from names or paths."""

from __future__ import annotations

from collections.abc import Sequence

from vera.faces.calibration import DEFAULT_FAR
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.onnx_recogniser import OnnxRecogniser
from vera.faces.recognition import DlibRecogniser, Recogniser
from vera.faces.sface import SFaceRecogniser
from vera.types import VeraError

PACK = "insightface:"


def embedded_recognisers(far: float = DEFAULT_FAR) -> list[Recogniser]:
    """The two independent recognisers that need no download of their own, dlib's first.

    Args:
        far: false-accept rate of their thresholds.

    Raises:
        VeraError: when a part is not installed, or for a rate that was not calibrated.

    """
    return [DlibRecogniser(far=far), SFaceRecogniser(far=far)]


def choose_recognisers(further: Sequence[str], *, far: float = DEFAULT_FAR, device: str = "cpu") -> list[Recogniser]:
    """Build the embedded recognisers and further ones.

    Args:
        further: each is ``insightface:`` and the name or folder of a pack, or the path of an ONNX file in the manner of ArcFace.
        far: false-accept rate of the embedded recognisers' thresholds; the further ones have their own.
        device: device that a pack runs on.

    Raises:
        VeraError: nothing of that name, or what the recogniser itself raises.

    """
    found = embedded_recognisers(far)
    for what in further:
        if what.startswith(PACK):
            found.append(InsightFaceBackend(what.removeprefix(PACK), device=device).recogniser)
        elif what.endswith(".onnx"):
            found.append(OnnxRecogniser(what))
        else:
            raise VeraError(f"no recogniser '{what}': give an .onnx file, or {PACK}PACK for a pack of insightface")
    return found
