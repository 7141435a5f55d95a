"""Run an evaluation from a composed configuration (``conf/evaluate.yaml``): build the parts, join processes, show progress."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import typer
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from vera.anonymization.interface import embedded
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.cli.batch import progress_bar
from vera.data.people import Person, Selection
from vera.data.verification_pairs import read_pairs
from vera.distributed import parse_shard, rank
from vera.evaluation.api import evaluate
from vera.evaluation.baselines.ksame import TooFewFaces
from vera.evaluation.protocol.items import Method
from vera.evaluation.protocol.run import CalibrationPairs
from vera.evaluation.report.results import page
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import choose_parser
from vera.moved import modernise
from vera.types import Photograph, Semantic, VeraError

GALLERY = 100
"""DECISION: people whose faces k-Same chooses from, at most: each is read and searched for its face before the first item."""


class Gallery(Mapping[str, Photograph]):
    """The first photograph of each person, read when it is looked up."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = {person.id: person for person in people}

    def __getitem__(self, person: str) -> Photograph:
        return self.people[person].photographs[0].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)


def ours(
    *,
    bundle: str | None,
    renderer: str | None,
    leave_out_donors: bool,
    preserve: Sequence[str | Semantic],
    seed: int,
    device: str,
    **options: Any,
) -> VeraAnonymizer:
    """Build VerA's own anonymizer for an evaluation (``conf/anonymizer/vera.yaml``).

    Args:
        bundle: folder of a bundle; None for the default one.
        renderer: ``exemplars`` or ``generator``; None: what the bundle is for.
        leave_out_donors: no face is mixed from rows that its own owner went into, where the people are the bank's donors.
        preserve: classes that are kept, by name or as such.
        seed: seed of the identities; whole number from 0.
        device: device that the network runs on.
        options: further fields of :class:`vera.anonymization.request.Options`.

    """
    classes = tuple(known if isinstance(known, Semantic) else Semantic.named(known) for known in preserve)
    return embedded(bundle, device, Options(preserve=classes, seed=seed, **options), renderer=renderer, leave_out_person=leave_out_donors)


def run(config: DictConfig) -> int:
    """Evaluate; returns how many items failed by a fault of an anonymizer.

    Args:
        config: the composed ``evaluate`` configuration.

    Raises:
        VeraError: input that cannot be used.

    """
    if not OmegaConf.select(config, "anonymizer"):
        raise VeraError("no anonymizer: name some, as anonymizer=[vera,blur,none]")
    device, folder = join_processes(str(config.device)), str(config.run.folder)
    config.device, config.run.folder = device, shared(folder)
    modernise(config)
    everybody: list[Person] = instantiate(config.people, _convert_="all")
    if config.limit is not None and config.limit < 1:
        raise VeraError(f"limit={config.limit}: take at least one person, or limit=null for all")
    shard = parse_shard(config.shard)
    people = everybody.first(config.limit) if isinstance(everybody, Selection) else everybody[: config.limit]
    record: Any = OmegaConf.to_container(config, resolve=True)
    console = Console(stderr=True, quiet=rank() > 0)
    with progress_bar(console) if rank() == 0 else nullcontext() as progress:
        task = progress.add_task("building", total=None) if progress else None

        def tell(what: str, done: int, total: int) -> None:
            if progress is not None and task is not None:
                progress.update(task, description=what, completed=done, total=total)

        results = evaluate(
            people,
            methods(config, everybody),
            out=config.run.folder,
            judges=built(config, "judges"),
            measures=built(config, "metrics"),
            calibration=calibration_pairs(config.calibration) if config.calibration.pairs else None,
            repeated=config.diversity.people,
            group_by=config.group_by,
            attack=[str(name) for name in config.attack or ()] if not isinstance(config.attack, str) else config.attack,
            panels=config.panels,
            config=record,
            tell=tell,
            shard=shard,
        )
    if shard is not None:
        console.print(f"shard {config.shard} is done; when all are, run once more without shard= for the report", markup=False)
    elif rank() == 0:
        typer.echo(page(results, [result["anonymizer"] for result in results]))
        console.print(f"written to {config.run.folder}", markup=False, highlight=False, soft_wrap=True)
    return sum(result["people"]["failed"] for result in results)


def calibration_pairs(config: DictConfig) -> CalibrationPairs:
    """The pairs of a configuration's ``calibration``."""
    pairs, folder = read_pairs(config.pairs, config.root), config.folder
    return CalibrationPairs(pairs, Path(config.pairs).name, tuple(config.rates), Path(folder) if folder else None)


def built(config: DictConfig, group: str) -> list[Any]:
    """Instantiate the parts of a configuration group of which several may be chosen, or none.

    A metric's entry holds its settings and the ``measure`` that they are handed to; one without settings may be the measure itself.

    Args:
        config: composed configuration of the evaluation.
        group: name of the group, such as ``metrics``.

    """
    return [instantiate(node.get("measure", node), _convert_="all") for node in (OmegaConf.select(config, group) or {}).values()]


def methods(config: DictConfig, people: Sequence[Person]) -> list[Method]:
    """Instantiate the anonymization methods of a configuration.

    A ``detector``, ``parser``, ``gallery`` or ``preserve`` that is null is the run's own: one detector serves all baselines. Where an
    anonymizer has a ``seed`` and other seeds are asked for, it is built with each of them. k-Same is left out, and that is told, where
    there are too few faces for it.

    Args:
        config: the composed configuration of the evaluation.
        people: people of the evaluation; their faces form k-Same's gallery.

    """
    own = {
        "detector": DlibDetector(),
        "parser": choose_parser(None),
        "gallery": Gallery(people[:GALLERY]),
        "preserve": tuple(Semantic.named(name) for name in config.preserve),
    }
    found = []
    for name, node in config.anonymizer.items():
        given = {key: part for key, part in own.items() if key in node and node[key] is None}
        build = instantiate(node, _partial_=True, _convert_="all")
        seeds = range(1, config.diversity.seeds + 1) if "seed" in node and config.diversity.people else ()
        settings = {"node": OmegaConf.to_container(node, resolve=True), "preserve": list(config.preserve)}
        again = tuple(build(**given, seed=node.seed + number) for number in seeds)
        try:
            found.append(Method(str(name), build(**given), settings, again, seeded="seed" in node))
        except TooFewFaces as error:
            if rank() == 0:
                typer.echo(f"vera: '{name}' is left out: {error}", err=True)
    return found


def join_processes(device: str) -> str:
    """Join the processes that torchrun started, if it did, and give each its device.

    Raises:
        VeraError: cuda, where there is none.

    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise VeraError(f"device={device}: this machine has no CUDA device that torch can use; take device=cpu, or see `vera doctor`")
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return device
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device


def shared(folder: str) -> str:
    """The first process's folder: a name with the time in it differs between processes."""
    if not torch.distributed.is_initialized():
        return folder
    names = [folder]
    torch.distributed.broadcast_object_list(names)
    return names[0]
