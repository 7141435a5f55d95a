"""Which recognisers: the one place where a user's choice becomes some."""

from __future__ import annotations

from vera.faces.calibration import DEFAULT_FAR
from vera.faces.recognition import DlibRecogniser, Recogniser
from vera.faces.sface import SFaceRecogniser


def embedded_recognisers(far: float = DEFAULT_FAR) -> list[Recogniser]:
    """The two independent recognisers that need no download of their own, dlib's first.

    Args:
        far: false-accept rate of their thresholds.

    Raises:
        VeraError: when a part is not installed, or for a rate that was not calibrated.

    """
    return [DlibRecogniser(far=far), SFaceRecogniser(far=far)]
