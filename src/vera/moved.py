"""Aliases of moved modules, classes and settings, so that run files and configurations of earlier versions keep working."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

TARGET = "_target_"
MOVED = {
    "vera.evaluation.interface.people_in": "vera.evaluation.api.people_in",
    "vera.evaluation.metrics.kernel.KernelDistance": "vera.evaluation.metrics.discrepancy.KernelDistance",
    "vera.evaluation.metrics.lpips_distance.LpipsDistance": "vera.evaluation.metrics.preservation.LpipsDistance",
    "vera.evaluation.metrics.replacement.Replacement": "vera.evaluation.metrics.preservation.Replacement",
    "vera.evaluation.protocol_judges.dlib_judge": "vera.evaluation.judges.dlib_judge",
    "vera.evaluation.protocol_judges.insightface_judge": "vera.evaluation.judges.insightface_judge",
    "vera.evaluation.protocol_judges.sface_judge": "vera.evaluation.judges.sface_judge",
    "vera.evaluation.protocol_measures.Attributes": "vera.evaluation.measures.photographs.AttributesKept",
    "vera.evaluation.protocol_measures.OfCrops": "vera.evaluation.measures.photographs.OfCrops",
    "vera.evaluation.protocol_measures.Preserved": "vera.evaluation.measures.photographs.Preserved",
    "vera.evaluation.protocol_measures.Replaced": "vera.evaluation.measures.photographs.Replaced",
    "vera.evaluation.protocol_utility.Useful": "vera.evaluation.measures.photographs.Useful",
    "vera.faces.disturbance.Disturbance": "vera.data.corruption.corrupt.Corruption",
    "vera.faces.disturbed_pose.Pose": "vera.data.corruption.pose.Pose",
    "vera.generator.objective.Weights": "vera.generator.objective.GeneratorWeights",
    "vera.inversion.objective.Weights": "vera.inversion.objective.InversionWeights",
    "vera.training.adversaries.Adversaries": "vera.training.objectives.gan.Adversaries",
    "vera.training.contrastive.ContrastiveAdversaries": "vera.training.objectives.contrastive.ContrastiveAdversaries",
    "vera.training.curve.FrechetCurve": "vera.training.callbacks.curve.FrechetCurve",
    "vera.training.inversion.Inversion": "vera.training.objectives.inversion.Inversion",
    "vera.training.progress.ImagesBar": "vera.training.callbacks.progress.ImagesBar",
    "vera.training.reconstruction.Reconstruction": "vera.training.objectives.autoencoder.Reconstruction",
    "vera.training.reconstruction.Weights": "vera.training.objectives.autoencoder.AdversarialWeights",
    "vera.training.sheets.Reconstructions": "vera.training.callbacks.sheets.Reconstructions",
    "vera.training.sheets.Samples": "vera.training.callbacks.sheets.Samples",
    "vera.training.snapshots.Snapshots": "vera.training.callbacks.snapshots.Snapshots",
    "vera.training.stage_module.StageModule": "vera.training.module.StageModule",
    "vera.training.start.adversary": "vera.training.build.networks.adversary",
    "vera.training.start.autoencoder": "vera.training.build.networks.autoencoder",
    "vera.training.start.discriminator": "vera.training.build.networks.discriminator",
    "vera.training.start.generator": "vera.training.build.networks.generator",
    "vera.training.start.inversion": "vera.training.build.networks.inversion",
    "vera.training.start_contrastive.contrast": "vera.training.build.contrastive.contrast",
    "vera.training.start_contrastive.generator": "vera.training.build.contrastive.generator",
    "vera.training.study.Study": "vera.training.runs.sweep.Study",
    "vera.training.sweep.Sweep": "vera.training.runs.sweep.Sweep",
    "vera.training.throughput.Throughput": "vera.training.callbacks.progress.Throughput",
}
"""Paths that earlier versions wrote or that a configuration of theirs may name, and what they are now."""
ARGUMENTS = {
    "vera.training.module.StageModule": {"game": "objective"},
    "vera.training.objectives.parsing.Parsing": {"disturbance": "corruption"},
}
"""Arguments that had another name in earlier versions, by the class of today that takes them."""
STORED = "game."
"""Prefix of an objective's tensors in a checkpoint, its name in the first versions: all versions read each other's checkpoints."""


def current(target: Any) -> Any:
    """The path of today for a path of any version; what is no text stays as it is."""
    return MOVED.get(target, target) if isinstance(target, str) else target


def modernise(config: Any) -> None:
    """Bring old paths, names of arguments and places of settings up to date, in place.

    Args:
        config: a composed configuration, or the plain dictionaries and lists of one.

    """
    if isinstance(config, dict | DictConfig):
        if isinstance(target := config.get(TARGET), str):
            config[TARGET] = current(target)
            _rename(config, ARGUMENTS.get(config[TARGET], {}))
        _lift(config)
        parts = [key for key in config if not _is_elsewhere(config, key)]
    elif isinstance(config, list | ListConfig):
        parts = [number for number in range(len(config)) if not _is_elsewhere(config, number)]
    else:
        return
    for part in parts:
        modernise(config[part])


def _rename(config: Any, names: dict[str, str]) -> None:
    """Give entries of a mapping their names of today, where the old name stands alone."""
    for old, new in names.items():
        if old in config and new not in config:
            with open_dict(config) if OmegaConf.is_config(config) else nullcontext():
                config[new] = config.pop(old)


def _lift(config: Any) -> None:
    """Move an attribute's encoder from ``encoder`` of its entry, where earlier versions had it, to the entry itself."""
    if {"code", "weight", "encoder"} <= set(config) and isinstance(config["encoder"], dict | DictConfig):
        with open_dict(config) if OmegaConf.is_config(config) else nullcontext():
            encoder = config.pop("encoder")
            plain: Any = OmegaConf.to_container(encoder, resolve=False) if OmegaConf.is_config(encoder) else encoder
            for key, value in plain.items():
                config[key] = value


def _is_elsewhere(config: Any, key: Any) -> bool:
    """Whether a value stands elsewhere, or nowhere yet."""
    return OmegaConf.is_config(config) and (OmegaConf.is_interpolation(config, key) or OmegaConf.is_missing(config, key))
