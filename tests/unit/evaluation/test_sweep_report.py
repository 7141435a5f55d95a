"""The table of a sweep's runs: what differs, what was measured, what did not finish, and the spread over seeds."""

import csv
import json

import pytest

from vera.training.runs.folder import INTERRUPTED, read_runs
from vera.training.runs.table import compare
from vera.types import VeraError


def write(sweep, overrides, *, state="finished", failure=None, **measures):
    folder = sweep / ",".join(sorted(overrides))
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {override}\n" for override in overrides))
    if state:
        record = {"state": state, "images": 32, "measures": {name.replace("_", "/"): value for name, value in measures.items()}}
        (folder / "run.json").write_text(json.dumps(record))
    if failure:
        (folder / "failure.txt").write_text(f"{failure}\n")


@pytest.fixture
def sweep(tmp_path):
    sweep = tmp_path / "grid"
    for lr, seed, loss in (("0.01", 0, 4.0), ("0.01", 1, 6.0), ("0.1", 0, 1.0)):
        write(sweep, ["experiment=smoke", f"optim.lr={lr}", f"seed={seed}"], loss_total=loss, lr=0.0, speed_images=9.0)
    write(sweep, ["experiment=smoke", "optim.lr=0.1", "seed=1"], state="unfinished", failure="Trace\nValueError: no", loss_total=99.0)
    write(sweep, ["experiment=smoke", "optim.lr=0.002", "seed=0"], state="unfinished", failure=INTERRUPTED)
    write(sweep, ["experiment=smoke", "optim.lr=0.002", "seed=1"], state=None)
    return sweep


def rows(page):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def test_one_line_a_run_with_what_differs_and_what_it_measured_last(sweep):
    page = compare([sweep], None)
    assert rows(page)[:8] == [
        ["optim.lr", "seed", "state", "images", "loss/total"],
        ["---"] * 5,
        ["0.002", "0", "unfinished", "32", ""],
        ["0.002", "1", "unfinished", "0", ""],
        ["0.01", "0", "finished", "32", "4"],
        ["0.01", "1", "finished", "32", "6"],
        ["0.1", "0", "finished", "32", "1"],
        ["0.1", "1", "failed", "32", "99"],
    ]
    assert "3 finished, 2 unfinished, 1 failed" in page
    assert "- grid/experiment=smoke,optim.lr=0.1,seed=1: ValueError: no" in page


def test_mean_and_deviation_are_of_the_finished_runs(sweep):
    assert rows(compare([sweep], None))[8:] == [
        ["optim.lr", "seeds", "loss/total"],
        ["---"] * 3,
        ["0.002", "0 of 2", ""],
        ["0.01", "2 of 2", "5 ± 1.4"],  # sqrt(2)
        ["0.1", "1 of 2", "1"],
    ]


def test_files_have_every_measure(sweep, tmp_path):
    page = compare([sweep], tmp_path / "out")
    assert (tmp_path / "out" / "table.md").read_text() == page
    with (tmp_path / "out" / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["speed/images"] for line in lines] == ["", "", "9.0", "9.0", "9.0", ""]
    assert lines[2]["folder"] == "grid/experiment=smoke,optim.lr=0.01,seed=0"
    record = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [line["loss/total"] for line in record["runs"]] == [None, None, 4.0, 6.0, 1.0, 99.0]
    assert record["over_seeds"][1] == pytest.approx(
        {"optim.lr": "0.01", "seeds": 2, "of": 2, "loss/total": 5.0, "loss/total: deviation": 2**0.5, "lr": 0.0, "lr: deviation": 0.0}
        | {"speed/images": 9.0, "speed/images: deviation": 0.0}
    )
    with (tmp_path / "out" / "seeds.csv").open() as file:
        assert [line["loss/total"] for line in csv.DictReader(file)] == ["", "5.0", "1.0"]


def test_columns_can_be_chosen(sweep):
    assert rows(compare([sweep], None, measures=["speed/images"]))[0] == ["optim.lr", "seed", "state", "images", "speed/images"]
    with pytest.raises(VeraError, match="no run logged distance: choose from loss/total, lr, speed/images"):
        compare([sweep], None, measures=["distance"])


def test_runs_whose_overrides_are_the_same_have_their_folders(tmp_path):
    write(tmp_path / "a", ["seed=0"], loss_total=1.0)
    write(tmp_path / "b", ["seed=0"], loss_total=2.0)
    assert [row[0] for row in rows(compare([tmp_path / "a", tmp_path / "b"], None))] == ["folder", "---", "a/seed=0", "b/seed=0"]


def test_an_axis_that_a_run_leaves_out_is_empty(tmp_path):
    write(tmp_path / "a", ["+new=1", "seed=0"], loss_total=1.0)
    write(tmp_path / "a", ["seed=0"], loss_total=2.0)
    assert [row[0] for row in rows(compare([tmp_path / "a"], None))] == ["new", "---", "1", ""]


def test_a_folder_without_runs_is_bad_input(tmp_path):
    with pytest.raises(VeraError, match="holds no runs"):
        read_runs(tmp_path)


def test_the_command_line_takes_sweeps_or_evaluations(vera, sweep, tmp_path):
    code, out, _ = vera("report", sweep, "--measure", "loss/total", "--out", tmp_path / "out")
    assert code == 0
    assert rows(out)[0][-1] == "loss/total"
    assert (tmp_path / "out" / "table.csv").is_file()
    (tmp_path / "evaluation").mkdir()
    assert vera("report", sweep, tmp_path / "evaluation")[0] == 2
    code, _, said = vera("report", tmp_path / "evaluation", "--measure", "x")
    assert code == 2
    assert "sweep's table" in said


def test_a_multirun_of_evaluations_is_the_comparison_of_those_that_finished(vera, tmp_path, monkeypatch):
    for name in ("preserve=[mouth]", "preserve=[nose]", "preserve=[hat]"):
        write(tmp_path / "regions", [name], state=None)
        if "hat" not in name:
            (tmp_path / "regions" / name / "results.jsonl").write_text("")
    merged = []
    monkeypatch.setattr("vera.evaluation.report.results.merge", lambda runs, folder, form: merged.extend(runs) or ("the page", []))
    code, page, said = vera("report", tmp_path / "regions")
    assert (code, page) == (0, "the page\n")
    assert [run.name for run in merged] == ["preserve=[mouth]", "preserve=[nose]"]
    assert "preserve=[hat] has not finished, and is left out" in said
