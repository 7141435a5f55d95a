"""Choose the identity group (such as female or male) whose faces are nearest to a person's photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from vera.anonymization.portrait import on_mean_layout
from vera.faces.detection import Detector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import Recogniser
from vera.inversion.banked import BankedGenerator
from vera.types import LatentCodes, Semantic, VeraError, tensor_to_image

Vectors = npt.NDArray[np.float64]

PORTRAITS = 8
"""DECISION: faces of each kind that a recogniser is shown, once for each anonymizer: a mean needs no more, and they take seconds."""
SKIN_COUNTS = 0.5
"""DECISION: weight of the skin's codes beside a recogniser's view: in studio light both are right, in snapshots the recogniser more
often (``experiments/kinds``)."""


class Kinds:
    """Distance of a person to each identity group, by two views: the latent codes of the skin, and a recogniser's embedding.

    Recognisers are trained on photographs of all sorts: their view of a face holds in a light and a camera that the encoder never saw.

    Args:
        network: the generator whose bank holds the identity groups.
        detector: face detector, for portraits of the bank's identities.
        recogniser: face recogniser that embeds these portraits.

    """

    def __init__(self, network: BankedGenerator, *, detector: Detector, recogniser: Recogniser) -> None:
        self.network, self.detector, self.recogniser = network, detector, recogniser
        self._shown: dict[str, Vectors] | None = None

    def nearest(self, codes: LatentCodes, embeddings: Sequence[Vectors]) -> str | None:
        """The identity group nearest to a person (see :meth:`views`); None where the bank has only one."""
        if not self.network.kinds:
            return None
        by_face, by_skin = self.views(codes, embeddings)
        return min(self.network.kinds, key=lambda kind: by_face[kind] + SKIN_COUNTS * by_skin[kind])

    def views(self, codes: LatentCodes, embeddings: Sequence[Vectors]) -> tuple[dict[str, float], dict[str, float]]:
        """Distance of a person to each identity group, by a recogniser's embedding and by the skin's latent codes (:func:`apart`).

        Args:
            codes: latent codes of B photographs, all of one person.
            embeddings: the recogniser's embeddings of these faces, one for each photograph.

        Raises:
            VeraError: no face is found in a kind's identities, so that the recogniser knows nothing of it.

        """
        if self._shown is None:
            self._shown = {kind: self._embedded(kind) for kind in self.network.kinds}
        skin = list(LatentCodes.rows([Semantic.SKIN]))
        unit = self.network.bank[:, skin].std(dim=0) + 1e-6
        own = (codes.local.detach()[:, skin].mean(dim=0) / unit).flatten().double().cpu().numpy()
        usual = {kind: (self.network.identities(kind)[1][skin] / unit).flatten().double().cpu().numpy() for kind in self.network.kinds}
        return apart(np.mean(embeddings, axis=0), self._shown), apart(own, usual)

    @torch.no_grad()
    def _embedded(self, kind: str) -> Vectors:
        """Mean embedding of some identities on the mean layout, without proportions."""
        rows, _ = self.network.identities(kind)
        chosen = rows[torch.linspace(0, len(rows) - 1, min(PORTRAITS, len(rows))).round().long()]
        made = self.network.generator(on_mean_layout(self.network, chosen))
        found = []
        for image in made.image:
            portrait = photograph_from_pixels(tensor_to_image(image), kind)
            found += [self.recogniser.embed(portrait.pixels, face.landmarks) for face in self.detector.detect(portrait)[:1]]
        if not found:
            raise VeraError(f"no face is found in the bundle's identities of the kind '{kind}': say which kind is wanted (--kind)")
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)


def apart(own: Vectors, usual: dict[str, Vectors]) -> dict[str, float]:
    """Squared distances to the mean of each identity group, in units of the distances between the groups."""
    names = sorted(usual)
    between = [float(np.square(usual[a] - usual[b]).sum()) for n, a in enumerate(names) for b in names[:n]]
    unit = max(float(np.mean(between)), 1e-12) if between else 1.0
    return {kind: float(np.square(own - vector).sum()) / unit for kind, vector in usual.items()}
