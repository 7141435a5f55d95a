"""Export an autoencoder (of the default recipe or of stage 3) with a bank of identities mixed from its data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from vera import bundle
from vera.anonymization.identity import BLENDED
from vera.data.folder import FolderDataset
from vera.data.sample import FaceDataset, decode_images, decode_labels
from vera.features.perceptual import PerceptualDistance
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.axes import learn_axes
from vera.inversion.bank import PEOPLE, mix
from vera.inversion.mapped import TRUNCATION
from vera.inversion.objective import InversionObjective
from vera.inversion.refinement import FROM_MEAN, REFINEMENT
from vera.mosaic.records import META, labels
from vera.training.export.apart import Apart
from vera.training.runs.stored import build
from vera.types import VeraError
from vera.untrusted import field, shown

SOURCE, CONFIG = "the checkpoint", "the run's config.yaml"
GRADIENTS = 1.2
"""DECISION: for the axes; so many for each number of a code. A minute on one core for the default bundle."""


@dataclass(frozen=True)
class BankSettings:
    """Settings of the bank of identities in the bundle.

    Attributes:
        identities: number of identities.
        seed: seed of the mixtures.
        pattern: glob of the names of the faces that they are mixed from (a folder of images); None for all of them.
        alike: field of the data's ``meta.jsonl``, such as ``sex``: only faces of equal value are mixed, and each value becomes an
            identity group. None mixes all.
        truncation: truncation of identities that are drawn from a mapping; None for :data:`vera.inversion.mapped.TRUNCATION`.
        axes: axes to refine along, learnt for identities that are drawn from a mapping, or not; mixed ones always have them.
        apart: least distance of identities that are drawn from a mapping to the training faces; None: they are not compared.

    """

    identities: int
    seed: int
    pattern: str | None
    alike: str | None = None
    truncation: float | None = None
    axes: bool = False
    apart: Apart | None = None


def export_autoencoder(
    config: Any, state: Mapping[str, Any], out: Path, *, bank: BankSettings, provenance: Mapping[str, Any], **stated: Any
) -> bundle.BundleInfo:
    """Write the averaged autoencoder: its identities are mixed from faces, or drawn from the mapping that its encoder was trained for.

    Args:
        config: configuration of the run, as stored in its folder.
        state: ``vera`` of its checkpoint.
        out: the bundle to make.
        bank: the identities to mix.
        provenance: origin of the weights beside the stage, the faces and the bank.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    Raises:
        VeraError: there are too few faces for the bank, or they have no names to choose by; an option of the other kind of bank.

    """
    network: Any = bundle.rebuild(field(state["networks"], "autoencoder", dict, what=SOURCE), state["ema"], source=SOURCE)
    network.eval().requires_grad_(False)
    described = _draw(network, bank, config) if network.mapped else _mix(network, bank, config)
    return bundle.save(out, network, provenance={**provenance, "stage": _stage(state, network), **described}, **stated)


def _draw(network: Autoencoder, bank: BankSettings, config: Any) -> dict[str, Any]:
    """Draw the bank from the mapping, keep what is far from the run's faces, and learn axes, as asked; returns their provenance."""
    if bank.pattern is not None or bank.alike is not None:
        raise VeraError("--pattern and --alike choose faces to mix, and this run's identities are drawn from its generator: leave them out")
    truncation = TRUNCATION if bank.truncation is None else bank.truncation
    network.draw_bank(count=bank.identities, truncation=truncation, seed=bank.seed)
    drawn: dict[str, Any] = {"identities": bank.identities, "drawn_from": "mapping", "truncation": truncation, "seed": bank.seed}
    if bank.apart is not None:
        dataset = _faces(config)
        _require_faces(dataset)
        kept, found = bank.apart.choose(network, dataset)
        if len(kept) < BLENDED:
            raise VeraError(
                f"{len(kept)} of {bank.identities} identities are far enough from every training face ({found['identities_too_near']} are "
                f"nearer, {found['identities_without_a_face']} show no face), and a new face mixes {BLENDED}: lower --min-distance, or "
                "draw more --identities"
            )
        network.keep_identities(kept)
        drawn |= {"identities": len(kept), "apart": found}
    if not bank.axes:
        return {"bank": drawn}
    objective = InversionObjective(weights=FROM_MEAN, perceptual=PerceptualDistance(), centre=network.usual_codes(1))
    return {"bank": drawn, "axes": _take_axes(network, objective, seed=bank.seed)}


def _mix(network: Autoencoder, bank: BankSettings, config: Any) -> dict[str, Any]:
    """Mix the bank from the run's faces, and learn axes; returns their provenance."""
    for option, given in (("--truncation", bank.truncation), ("--min-distance", bank.apart), ("--axes", bank.axes or None)):
        if given is not None:
            raise VeraError(f"{option} is for identities drawn from a mapping, and this run's are mixed from its faces: leave it out")
    if bank.pattern is not None:
        if OmegaConf.select(config, "datamodule.dataset.pattern") is None:
            raise VeraError("--pattern: this run's faces have no names to choose by; leave it out")
        OmegaConf.update(config, "datamodule.dataset.pattern", bank.pattern)
    dataset = _faces(config)
    if len(dataset) < PEOPLE:
        raise VeraError(f"the bank mixes {PEOPLE} faces at a time, there are {len(dataset)}: widen --pattern")
    _require_faces(dataset)
    members = _kinds(dataset, bank.alike)
    counts = {kind: bank.identities // len(members) for kind in members}
    codes = torch.cat(list(_encode(network, dataset)))
    source = torch.Generator().manual_seed(bank.seed)
    rows = [mix(codes[own], count=counts[kind], people=PEOPLE, spread=1.0, generator=source) for kind, own in members.items()]
    network.fill_bank(torch.cat(rows), codes.mean(dim=0), kinds=counts if bank.alike is not None else None)
    objective = InversionObjective(weights=REFINEMENT, perceptual=PerceptualDistance())
    return {
        "faces": len(dataset),
        "axes": _take_axes(network, objective, seed=bank.seed),
        "bank": {"identities": sum(counts.values()), "people_in_each": PEOPLE, "seed": bank.seed, "alike": bank.alike},
    }


def _take_axes(network: Autoencoder, objective: InversionObjective, *, seed: int) -> dict[str, Any]:
    """Learn the axes that refinement moves along; returns their provenance."""
    gradients = math.ceil(GRADIENTS * network.generator.latent)
    network.take_axes(learn_axes(network, objective, count=gradients, seed=seed))
    return {"gradients": gradients, "seed": seed}


def _stage(state: Mapping[str, Any], network: Autoencoder) -> str:
    if state["stage"] == "inversion":
        return f"inversion, {network.passes} passes, generator frozen"
    return "autoencoder" + (", adversarial" if "discriminator" in state["networks"] else "")


def _faces(config: Any) -> FaceDataset:
    """The run's data set."""
    return build(config, "datamodule.dataset", FaceDataset, packages=("data",), what=CONFIG)  # type: ignore[type-abstract]


def _require_faces(dataset: FaceDataset) -> None:
    """Raise a VeraError where the first face cannot be had: a data set may take what it cannot use, and find out when it is asked."""
    try:
        decode_images(dataset[0]["image"][None])
    except VeraError:
        raise
    except Exception as error:
        raise VeraError(f"{CONFIG}: the data set that it describes has no usable faces ({shown(error)})") from error


def _kinds(dataset: FaceDataset, field: str | None) -> dict[str, list[int]]:
    """Indices of the faces of each identity group, in the order of the groups' names."""
    if field is None:
        return {"": list(range(len(dataset)))}
    if not isinstance(dataset, FolderDataset):
        raise VeraError("--alike: this run's faces have no names to look up; leave it out")
    known = labels(dataset.root, field)
    found: dict[str, list[int]] = {}
    for number, (file, _) in enumerate(dataset.pairs):
        if file.stem not in known:
            raise VeraError(f"--alike {field}: '{META}' in '{dataset.root}' does not say it of '{file.stem}': leave it out")
        found.setdefault(known[file.stem], []).append(number)
    for kind, own in found.items():
        if len(own) < PEOPLE:
            raise VeraError(f"--alike {field}: a mixture takes {PEOPLE} faces, {len(own)} are '{kind}': widen --pattern, or leave it out")
    return dict(sorted(found.items()))


def _encode(network: Autoencoder, dataset: FaceDataset, batch: int = 8) -> Iterator[Tensor]:
    for start in range(0, len(dataset), batch):
        samples = [dataset[n] for n in range(start, min(start + batch, len(dataset)))]
        images = decode_images(torch.stack([s["image"] for s in samples]))
        labels = decode_labels(torch.stack([s["labels"] for s in samples]))
        yield network.encode(images, labels).local
