"""The Python interface: ``vera.evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vera import distributed as ranks
from vera.data.manifest import read_manifest
from vera.data.people import Person, folder
from vera.evaluation.judges import Judge, dlib_judge, observer
from vera.evaluation.measures.attackers import attacks
from vera.evaluation.measures.base import Measure
from vera.evaluation.measures.photographs import without_download
from vera.evaluation.protocol.items import Method, Sources, described
from vera.evaluation.protocol.results import AnonymizerResult, Scorer, data_digest, with_skin_tone
from vera.evaluation.protocol.run import CalibrationPairs, Protocol, calibrate
from vera.evaluation.report import results as report
from vera.evaluation.report.groups import Judged, write_fairness
from vera.faces.parser_choice import choose_parser
from vera.files import plain
from vera.provenance import provenance
from vera.types import Anonymizer, Progress

PANEL = 160
"""DECISION: side of a face in the panels, in pixels."""


def evaluate(
    people: str | Path | Sequence[Person],
    anonymizers: Mapping[str, Anonymizer] | Sequence[Method],
    *,
    out: str | Path,
    judges: Sequence[Judge] | None = None,
    measures: Sequence[Measure] | None = None,
    calibration: CalibrationPairs | None = None,
    repeated: int = 0,
    group_by: str | None = None,
    attack: Sequence[str] | str = (),
    panels: int = 6,
    device: str = "cpu",
    batch_size: int = 16,
    config: Mapping[str, Any] | None = None,
    tell: Progress | None = None,
    shard: tuple[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Evaluate anonymizers on people's photographs; a run that was stopped goes on in the same folder.

    Everything is judged as it was written: PNG files, read again from disk. Under ``torch.distributed`` people are dealt to
    the processes, and the first one writes the report.

    Args:
        people: a ``pairs.csv``, a folder (:func:`vera.data.people.folder`), or people.
        anonymizers: anonymizers to compare, by the names that the tables give them.
        out: the run's folder: images, ``results.jsonl``, ``table.md``, ``table.csv`` and figures; ``fairness.md`` and ``fairness.csv``
            where two groups of people are large enough.
        judges: detectors and recognisers; the embedded ones if None.
        measures: measures of the photographs, beside those of the judges; None for those that need no download.
        calibration: pairs of photographs on which the recognisers' thresholds are calibrated.
        repeated: number of people for whom the methods' other seeds are run as well; 0 for none.
        group_by: a label of the people by which figures are split; ``skin_tone`` is measured
            (:func:`vera.evaluation.metrics.appearance.skin_tone`).
        attack: names of attackers (:data:`vera.evaluation.measures.attackers.ATTACKS`), ``region`` or ``all``.
        panels: photographs in the picture of faces; 0 for none.
        device: device that the measures' networks run on.
        batch_size: images they take at once.
        config: configuration of the run, for the record.
        tell: a function that is told of every item; None for no reports.
        shard: ``(number, count)``: only make this share of the items and report nothing; other processes, which need not know of this one,
            may make the other shares in the same folder at the same time. A run without it then finds all items done, and reports.

    Returns:
        One record for each anonymizer, as in ``results.jsonl``; in every process. Nothing for a shard.

    Raises:
        VeraError: input that cannot be used. Somebody whom an anonymizer refuses or fails on is counted in the results.

    Examples:
        >>> import tempfile
        >>> import vera
        >>> from pathlib import Path
        >>> from skimage import data
        >>> from vera.evaluation.baselines.controls import Untouched
        >>> from vera.faces.photograph import write_png
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "people").mkdir()
        >>> write_png(folder / "people" / "eileen.png", data.astronaut())
        >>> (result,) = vera.evaluate(folder / "people", {"none": Untouched()}, out=folder / "run", measures=[])
        >>> result["people"]["written"], result["measures"]["detection/dlib-hog-68"]["anonymized"]["share"]
        (1, 1.0)

    """
    known = people if not isinstance(people, str | Path) else people_in(people)
    methods = [Method(*pair) for pair in anonymizers.items()] if isinstance(anonymizers, Mapping) else list(anonymizers)
    chosen = list(judges) if judges is not None else [dlib_judge()]
    root = Path(out)
    measured = list(measures) if measures is not None else without_download(device, batch_size)
    measured += attacks(attack, chosen, lambda: choose_parser(None, device=device))
    session = provenance(config or {}, device=device)
    report.check_same_photographs(root, data_digest({person.id: Sources(person).digests for person in known}))
    protocol = Protocol(root, known, methods, observer(chosen), repeated=repeated, session=session, shard=shard)
    with protocol.ledger:
        items = protocol.run(tell)
        if shard is not None:
            return []
        known = with_skin_tone(known, items, protocol.files)
        scorer = Scorer(
            known,
            items,
            protocol.files,
            judges=chosen,
            calibration=calibrate(calibration, chosen, protocol.cache, session),
            measures=measured,
            repeated=protocol.repeated,
            group_by=group_by,
        )
    sessions = {line["session"]: line for line in protocol.ledger.sessions()}
    measured_by = sessions[protocol.cache.session] | {"group_by": group_by}
    results = []
    for number, one in enumerate(methods):
        if tell:
            tell(f"measuring {one.name}", number, len(methods))
        result = scorer.judge(one)
        made = [sessions[key] for key in result.record["sessions"]]
        searched = [recogniser.name for recogniser in getattr(one.anonymizer, "recognisers", ())]
        origin: dict[str, Any] = {"recognisers_of_the_search": searched, "made_by": plain(described(one.anonymizer))}
        origin |= {"data": scorer.data(), "provenance": made, "measured_by": measured_by}
        results.append(replace(result, record=result.record | origin))
    if ranks.rank() == 0:
        _report(root, results, known[:panels], scorer)
        judged = [Judged(judge.detector.name, judge.recogniser.name, judge.measure) for judge in chosen]
        write_fairness(root, known, [one.name for one in methods], judged)
    ranks.wait()
    return [result.record for result in results]


def people_in(path: str | Path) -> list[Person]:
    """People of a ``pairs.csv``, with its further columns as groups, or of a folder.

    Raises:
        VeraError: see :func:`vera.data.manifest.read_manifest` and :func:`vera.data.people.folder`.

    """
    path = Path(path)
    return read_manifest(path, groups=True) if path.is_file() else folder(path)


def _report(root: Path, results: Sequence[AnonymizerResult], shown: Sequence[Person], scorer: Scorer) -> None:
    names = [result.record["anonymizer"] for result in results]
    rows = [row for person in shown if (row := scorer.faces(person, names, PANEL)) is not None]
    report.write(root, results, rows)
