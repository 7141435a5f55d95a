"""The Python interface: ``vera.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vera.data.manifest import read_manifest
from vera.data.people import Person, folder
from vera.evaluation import protocol_ranks as ranks
from vera.evaluation import report, report_figures
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.kernel import KernelDistance
from vera.evaluation.metrics.preservation import Preservation
from vera.evaluation.metrics.replacement import Replacement
from vera.evaluation.metrics.utility import LandmarkUtility
from vera.evaluation.protocol import Protocol, Tell
from vera.evaluation.protocol_items import ORIGINALS, Contestant, Sources, described
from vera.evaluation.protocol_judges import Calibration, CalibrationPairs, Judge, calibrate, dlib_judge, observer
from vera.evaluation.protocol_ledger import Files, Item, Ledger, plain
from vera.evaluation.protocol_measures import Attributes, Measure, OfCrops, Preserved, Replaced
from vera.evaluation.protocol_provenance import provenance
from vera.evaluation.protocol_results import Bench, Result, data_digest
from vera.evaluation.protocol_seen import Looker, Records, load_seen, read_written
from vera.evaluation.protocol_utility import Useful
from vera.faces.alignment import align
from vera.features.efficientnet import EfficientNetLite0
from vera.features.pooled import Lite0Features
from vera.types import Anonymizer, Pixels, tensor_to_image

CROP = 256
"""DECISION: side of the aligned faces that distances of sets of images compare."""
PANEL = 160
"""DECISION: side of a face in the panels, in pixels."""


def evaluate(
    people: str | Path | Sequence[Person],
    anonymizers: Mapping[str, Anonymizer] | Sequence[Contestant],
    *,
    out: str | Path,
    judges: Sequence[Judge] | None = None,
    measures: Sequence[Measure] | None = None,
    calibration: CalibrationPairs | None = None,
    repeated: int = 0,
    group_by: str | None = None,
    panels: int = 6,
    device: str = "cpu",
    batch_size: int = 16,
    config: Mapping[str, Any] | None = None,
    tell: Tell | None = None,
    shard: tuple[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Evaluate anonymizers on people's photographs; a run that was stopped goes on in the same folder.

    Everything is judged as it was written: PNG files, read again from disk. Under ``torch.distributed`` people are dealt to
    the processes, and the first one writes the report.

    Args:
        people: a ``pairs.csv``, a folder (:func:`vera.data.people.folder`), or people.
        anonymizers: by the names that the tables give them.
        out: the run's folder: images, ``results.jsonl``, ``table.md``, ``table.csv`` and figures.
        judges: detectors and recognisers; the embedded ones if None.
        measures: of the photographs, beside those of the judges; those that need no download if None.
        calibration: pairs of photographs on which the recognisers' thresholds are calibrated.
        repeated: for so many people the contestants' other seeds are run too.
        group_by: a label of the people by which figures are split.
        panels: photographs in the picture of faces; 0 for none.
        device: where the measures' networks run.
        batch_size: images they take at once.
        config: what the run was asked to do, for the record.
        tell: told of every item.
        shard: ``(number, count)``: only make this share of the items and report nothing; other processes, which need not know of this one,
            may make the other shares in the same folder at the same time. A run without it then finds all items done, and reports.

    Returns:
        One record for each anonymizer, as in ``results.jsonl``; in every process. Nothing for a shard.

    Raises:
        VeraError: input that cannot be used. Somebody whom an anonymizer refuses or fails on is counted in the results.

    """
    known = people if not isinstance(people, str | Path) else people_in(people)
    contestants = [Contestant(*pair) for pair in anonymizers.items()] if isinstance(anonymizers, Mapping) else list(anonymizers)
    chosen = list(judges) if judges is not None else [dlib_judge()]
    root = Path(out)
    figures = list(measures) if measures is not None else without_download(device, batch_size)
    session = provenance(config or {}, device=device)
    report.check_same_photographs(root, data_digest({person.id: Sources(person).digests for person in known}))
    protocol = Protocol(root, known, contestants, observer(chosen), repeated=repeated, session=session, shard=shard)
    with protocol.ledger:
        items = protocol.run(tell)
        if shard is not None:
            return []
        bench = Bench(
            known,
            items,
            protocol.files,
            judges=chosen,
            calibration=_calibration(calibration, chosen, protocol.looker, session),
            measures=figures,
            repeated=protocol.repeated,
            group_by=group_by,
        )
    sessions = {line["session"]: line for line in protocol.ledger.sessions()}
    measured_by = sessions[protocol.looker.session] | {"group_by": group_by}
    results = []
    for number, one in enumerate(contestants):
        if tell:
            tell(f"measuring {one.name}", number, len(contestants))
        result = bench.judge(one)
        made = [sessions[key] for key in result.record["sessions"]]
        origin = {"made_by": plain(described(one.anonymizer)), "data": bench.data(), "provenance": made, "measured_by": measured_by}
        results.append(replace(result, record=result.record | origin))
    if ranks.rank() == 0:
        _report(root, results, known[:panels], items, protocol.files)
    ranks.wait()
    return [result.record for result in results]


def _calibration(pairs: CalibrationPairs | None, judges: Sequence[Judge], looker: Looker, session: Mapping[str, Any]) -> Calibration:
    if pairs is None:
        return Calibration()
    if pairs.folder is None:
        return calibrate(pairs, judges, looker)
    with Ledger(pairs.folder, ranks.rank()) as ledger:
        return calibrate(pairs, judges, Looker(Files(pairs.folder), ledger, looker.observer, session))


def without_download(device: str, batch_size: int) -> list[Measure]:
    """Measures whose networks come with VerA."""
    features = Lite0Features(side=224)
    sets: list[FrechetDistance | KernelDistance] = [FrechetDistance(features), KernelDistance(features, subsets=50, subset_size=10)]
    of_crops = [OfCrops(metric, size=CROP, batch_size=batch_size, device=device) for metric in sets]
    kept = Preserved(Preservation(), device=device)
    learner = LandmarkUtility(EfficientNetLite0(stages=(3,)), side=128)
    useful = Useful(learner, size=CROP, batch_size=batch_size, device=device)
    return [kept, Replaced(Replacement()), Attributes(AttributePreservation()), useful, *of_crops]


def people_in(path: str | Path) -> list[Person]:
    """People of a ``pairs.csv``, with its further columns as groups, or of a folder.

    Raises:
        VeraError: see :func:`vera.data.manifest.read_manifest` and :func:`vera.data.people.folder`.

    """
    path = Path(path)
    return read_manifest(path, groups=True) if path.is_file() else folder(path)


def _report(root: Path, results: Sequence[Result], shown: Sequence[Person], items: Records, files: Files) -> None:
    report.write(root, results)
    names = [result.record["anonymizer"] for result in results]
    rows = [row for person in shown if (row := _faces(person, names, items, files)) is not None]
    if rows:
        report_figures.save(report_figures.panels(rows, [ORIGINALS, *names]), root / "panels.png")


def _faces(person: Person, names: Sequence[str], items: Records, files: Files) -> list[Pixels | None] | None:
    """The face of a person's first photograph, and what each anonymizer made of it; None if there is none."""
    item = Item(ORIGINALS, person.id)
    marks = load_seen(files.seen(item))[0].landmarks if items[item]["status"] == "written" else np.full((68, 2), np.nan)
    if not np.isfinite(marks).all():
        return None
    row: list[Pixels | None] = [tensor_to_image(align(Sources(person).photographs[0], marks, PANEL).image)]
    for name in names:
        record = items[Item(name, person.id)]
        if record["status"] != "written":
            row.append(None)
            continue
        written = read_written(files.image(Item(name, person.id), 1), record["images"][0]["image"])
        row.append(tensor_to_image(align(written, marks, PANEL).image))
    return row
