"""Choose the identity group (such as female or male) whose faces are nearest to a person's photographs.

A recogniser's view of the groups is a function of the bundle. ``vera export`` stores it in the bundle's folder (:func:`store_groups`), so
that the groups' faces need not be drawn and embedded at each start.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from vera.anonymization.portrait import on_mean_layout
from vera.bundle import BundleInfo, load
from vera.faces.detection import Detector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import DlibRecogniser, Recogniser
from vera.files import write_once
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.banked import BankedGenerator
from vera.types import LatentCodes, Semantic, VeraError, tensor_to_image
from vera.untrusted import field, read_json

Vectors = npt.NDArray[np.float64]

PORTRAITS = 8
"""DECISION: faces of each kind that a recogniser is shown, once for each anonymizer: a mean needs no more, and they take seconds."""
SKIN_COUNTS = 0.5
"""DECISION: weight of the skin's codes beside a recogniser's view: in studio light both are right, in snapshots the recogniser more
often (``experiments/kinds``)."""
GROUPS = "groups.json"
"""File in a bundle's folder: a recogniser's embeddings of its identity groups."""


class Kinds:
    """Distance of a person to each identity group, by two views: the latent codes of the skin, and a recogniser's embedding.

    Recognisers are trained on photographs of all sorts: their view of a face holds in a light and a camera that the encoder never saw.

    Args:
        network: the generator whose bank holds the identity groups.
        detector: face detector, for portraits of the bank's identities.
        recogniser: face recogniser that embeds these portraits, where the bundle does not hold what it would see.

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
            VeraError: no face is found in a kind's identities, so that the recogniser knows nothing of it; or what the bundle holds
                is damaged.

        """
        if self._shown is None:
            self._shown = self._stored(len(embeddings[0])) or self.embedded()
        skin = list(LatentCodes.rows([Semantic.SKIN]))
        unit = self.network.bank[:, skin].std(dim=0) + 1e-6
        own = (codes.local.detach()[:, skin].mean(dim=0) / unit).flatten().double().cpu().numpy()
        usual = {kind: (self.network.identities(kind)[1][skin] / unit).flatten().double().cpu().numpy() for kind in self.network.kinds}
        return apart(np.mean(embeddings, axis=0), self._shown), apart(own, usual)

    def embedded(self) -> dict[str, Vectors]:
        """Mean embedding of some identities of each group, by name.

        Raises:
            VeraError: no face is found in the identities of a group.

        """
        return {kind: self._embedded(kind) for kind in self.network.kinds}

    def _stored(self, length: int) -> dict[str, Vectors] | None:
        """The bundle's embeddings of this length; None where it has none, or another recogniser's: then the faces are drawn.

        Raises:
            VeraError: they are damaged, or another bundle's.

        """
        info: BundleInfo | None = getattr(self.network, "info", None)
        if info is None or not os.path.isfile(info.path / GROUPS):
            return None
        what, mend = f"bundle '{info.path}': {GROUPS}", "remove this file (it only saves time), or fetch the bundle again"
        stored = read_json(info.path / GROUPS, what=what)
        if field(stored, "digest", str, what=what) != _digest(stored) or field(stored, "bundle", str, what=what) != info.digest:
            raise VeraError(f"{what} is altered, or belongs to another bundle: {mend}")
        if {key: stored.get(key) for key in ("bundle", "recogniser", "weights", "portraits")} != _stated(info, self.recogniser):
            return None
        found = field(stored, "embeddings", dict, what=what)
        try:
            vectors = {kind: np.asarray(found[kind], dtype=np.float64).reshape(length) for kind in self.network.kinds}
        except (KeyError, TypeError, ValueError) as error:
            raise VeraError(f"{what} does not hold {length} numbers for each identity group: {mend}") from error
        return vectors

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


def store_groups(path: Path, *, detector: Detector, recogniser: DlibRecogniser) -> Path:
    """Write what a recogniser sees in a bundle's identity groups into the bundle's folder; its digest stays as it is.

    Args:
        path: folder of an autoencoder's bundle.
        detector: face detector, for portraits of the bank's identities.
        recogniser: the one that anonymization asks first.

    Returns:
        The file.

    Raises:
        VeraError: the bundle has no groups, or there is such a file, it cannot be written, or no face is found in a group.

    """
    network = load(path, kind=Autoencoder)
    info = cast(BundleInfo, network.info)
    if not network.kinds:
        raise VeraError(f"all identities of the bundle '{path}' are of one kind: there is nothing to tell apart")
    vectors = Kinds(network, detector=detector, recogniser=recogniser).embedded()
    record = _stated(info, recogniser) | {"embeddings": {kind: vector.tolist() for kind, vector in vectors.items()}}
    try:
        return write_once(path / GROUPS, (json.dumps(record | {"digest": _digest(record)}, indent=2, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise VeraError(f"cannot write '{path / GROUPS}': {error.strerror}") from error


def _stated(info: BundleInfo, recogniser: Recogniser) -> dict[str, Any]:
    """Bundle, recogniser and weights that embeddings are of, and from how many faces: compared before they are used."""
    weights = getattr(recogniser, "digest", None)  # other recognisers do not say it: the faces are drawn for them
    return {"bundle": info.digest, "recogniser": recogniser.name, "weights": weights, "portraits": PORTRAITS}


def _digest(record: Mapping[str, Any]) -> str:
    described = {key: value for key, value in record.items() if key != "digest"}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
