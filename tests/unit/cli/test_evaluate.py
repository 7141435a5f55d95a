import json

import numpy as np
import pytest
import skimage.data

from vera.faces.photograph import write_png


@pytest.fixture
def people(tmp_path):
    """One real portrait, small; and somebody whose picture shows nobody."""
    folder = tmp_path / "people"
    folder.mkdir()
    write_png(folder / "collins.png", np.ascontiguousarray(skimage.data.astronaut()[:260, 90:350]))
    write_png(folder / "nobody.png", np.full((90, 90, 3), 200, np.uint8))
    return folder


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """An anonymizer with a fault, behind the protocol."""
    (tmp_path / "faulty_part.py").write_text(
        "class Broken:\n    def __call__(self, photographs, *, person):\n        raise ZeroDivisionError('a fault')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "+anonymizer.broken._target_=faulty_part.Broken"


def records(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_evaluate_and_report(vera, people, tmp_path):
    out = tmp_path / "run"
    where = ["people=folder", f"people.root={people}", f"run.folder={out}"]
    command = ["evaluate", *where, "anonymizer=[mask,none]", "metrics=[preservation]"]
    code, stdout, stderr = vera(*command)
    assert code == 0, stderr
    assert "|  | originals | mask | none |" in stdout
    mask, none = records(out)
    assert mask["people"] == {"all": 2, "written": 1, "refused": 1, "unusable": 0, "failed": 0}
    assert none["people"]["written"] == 2
    faces = [record["measures"]["detection/dlib-hog-68"]["anonymized"] for record in (mask, none)]
    assert [(one["count"], one["of"]) for one in faces] == [(0, 1), (1, 2)]
    nearest = none["measures"]["recognition/dlib-resnet-128"]["nearest"]
    assert (nearest["rank_1"]["share"], nearest["median_distance"]) == (1, 0)
    assert none["provenance"][0]["config"]["run"]["folder"] == str(out)

    before = (out / "records-0.jsonl").read_text().splitlines()
    assert vera(*command)[0] == 0
    after = (out / "records-0.jsonl").read_text().splitlines()
    assert after[: len(before)] == before
    assert [json.loads(line)["kind"] for line in after[len(before) :]] == ["session"]

    code, stdout, _ = vera("report", out, "--out", tmp_path / "all")
    assert code == 0
    assert "|  | originals | mask | none |" in stdout
    assert (tmp_path / "all" / "table.csv").is_file()

    code, stdout, _ = vera("report", out, "--latex")
    assert code == 0
    assert r"\begin{tabular}{lrrr}" in stdout
    code, _, stderr = vera("report", out, "--latex", "--html")
    assert code == 2
    assert "give one of the two" in stderr


def test_a_fault_of_an_anonymizer_is_counted_and_leaves_1(vera, people, broken, tmp_path):
    out = tmp_path / "run"
    code, _, stderr = vera(
        "evaluate", "people=folder", f"people.root={people}", "anonymizer=[]", broken, "metrics=[]", "limit=1", f"run.folder={out}"
    )
    assert code == 1
    assert "1 items failed by a fault of an anonymizer" in stderr
    assert "Traceback" not in stderr
    assert "broken: 1 of: ZeroDivisionError." in (out / "table.md").read_text()
    assert records_of_items(out)[-1]["reason"] == "ZeroDivisionError: a fault"


def records_of_items(out):
    return [json.loads(line) for line in (out / "records-0.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["people=folder", "people.root=/nowhere"], "no folder '/nowhere'"),
        (["people.path=/nowhere/pairs.csv"], "no folder '/nowhere/pairs.csv'"),
        (["people=folder", "people.root={people}", "anonymizer=[none]", "preserve=[teeth]"], "unknown semantic class 'teeth'"),
        (["people=folder", "people.root={people}", "anonymizer=[ksame]"], "k-Same needs 10 faces"),
        (["people=folder", "people.root={people}", "limit=-1"], "limit=-1: take at least one person"),
        (["people=folder", "people.root={people}", "limit=0"], "limit=0: take at least one person"),
    ],
)
def test_bad_input_leaves_2_with_one_line(vera, people, tmp_path, overrides, says):
    code, _, stderr = vera("evaluate", *[override.format(people=people) for override in overrides], f"run.folder={tmp_path / 'run'}")
    assert code == 2
    assert says in stderr
    assert "Traceback" not in stderr


def test_help_lists_the_groups(vera):
    code, stdout, _ = vera("evaluate", "--help")
    assert code == 0
    for group in ("anonymizer  blur*, generator, ksame*", "judges      dlib*, insightface", "people      by_role, celeba_hq", "limit=null"):
        assert group in stdout


def test_a_report_of_nothing_is_bad_input(vera, tmp_path):
    code, _, stderr = vera("report", tmp_path)
    assert code == 2
    assert "holds no results.jsonl" in stderr
