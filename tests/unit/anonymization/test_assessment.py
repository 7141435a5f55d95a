"""One rule says PASS, REVIEW or REFUSED, and the report and the page both take it."""

from pathlib import Path

import pytest

from vera.anonymization.assessment import NARROW, assess
from vera.cli.person_report import page
from vera.cli.plan import Entry, PlannedPerson
from vera.serve.outcome import outcome_of


def record_of(status="written", warnings=(), distances=((0.9, 0.8), (0.9, 0.7))):
    judge = {"name": "dlib", "threshold": 0.5, "refusal_threshold": 0.6, "between_outputs": []}
    judge["output_to_source"] = [list(row) for row in distances]
    return {
        "status": status,
        "reason": "no face found",
        "warnings": list(warnings),
        "verification": {"recognisers": [judge]},
        "files": [{"written": {}} for _ in distances],
    }


@pytest.mark.parametrize(
    ("record", "verdict", "says"),
    [
        (record_of(), "PASS", None),
        (record_of(warnings=["attempt 1 refused: a face is recognised"]), "PASS", None),
        (record_of(warnings=["the skin is darker than any row of the bank"]), "REVIEW", "the skin is darker"),
        (record_of(distances=[(0.9,), (0.6 * NARROW - 1e-4,)]), "REVIEW", "photograph 2: its distance to the person by dlib is 0.630"),
        (record_of(distances=[(0.9,), (0.6 * NARROW + 1e-4,)]), "PASS", None),
        (record_of(distances=[(0.9, None)]), "REVIEW", "by dlib is none"),
        (record_of(distances=[(), (0.9,)]), "PASS", None),  # a photograph without a face
        (record_of("refused", distances=[(0.9,), (0.1,)]), "REFUSED", None),
        (record_of("failed", warnings=["something"]), "REFUSED", None),
    ],
)
def test_report_and_page_say_the_same(record, verdict, says):
    assessed = assess(record)
    assert (assessed.verdict, outcome_of(record)["verdict"]) == (verdict, verdict)
    entries = tuple(Entry(Path(f"{number}.png"), f"{number}", "") for number, _ in enumerate(record["files"]))
    written = page(PlannedPerson("p", "p", entries), 1, record, [entry.name for entry in entries], b"")
    assert f'<span class="verdict {verdict}">' in written
    if says:
        assert says in written
        assert any(says in said for said in outcome_of(record)["warnings"])
