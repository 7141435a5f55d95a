import copy
import csv
import io
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from vera.evaluation.metrics.verification import roc
from vera.evaluation.protocol.results import AnonymizerResult, kind, rounded
from vera.evaluation.report import results as report
from vera.evaluation.report.publish import publish
from vera.evaluation.report.results import web_page
from vera.evaluation.report.table import cell, comma_separated, figures, markdown, notes
from vera.types import VeraError


def share(count, of):
    return {"share": count / of if of else None, "count": count, "of": of, "low": 0.1, "high": 0.5}


def record(name="blur", *, count=3, threshold=0.6, digest="d1", commit="c1", changed=False, measured="c1"):
    """A line of results.jsonl."""
    recognition = {
        "nearest": {"rank_1": share(count, 10), "recognised": {"own": share(count, 10)}, "median_distance": 0.7, "groups": {}},
        "others": {"rank_1": share(0, 0)},
        "pairs": {side: {"auc": 0.9, "eer": 0.125} for side in ("anonymized", "originals")},
        "thresholds": {"own": threshold},
        "calibration": {
            "threshold": threshold,
            "said": {"false_accept_rate": 0.0055, "calibration": "so it says"},
            "pairs": None,
            "measured": None,
        },
    }
    return {
        "anonymizer": name,
        "people": {"all": 5, "written": 4, "refused": 1, "unusable": 0, "failed": 0},
        "photographs": 8,
        "why": {"too alike": 1},
        "seconds_a_photograph": {"median": 0.25, "all": 2.0},
        "measures": {
            "recognition/dlib": recognition,
            "frechet_lite0": {"value": 12.5, "better": "less"},
            "kid": {"value": None, "why": "too few images"},
        },
        "data": {"people": 5, "photographs": 5, "unusable": 0, "left_out": {}, "digest": digest},
        "provenance": [{"vera": "0.1.0", "git": {"commit": commit, "changed": changed}}],
        "measured_by": {"vera": "0.1.0", "git": {"commit": measured, "changed": changed}},
    }


def curves(seed=0):
    rng = np.random.default_rng(seed)
    sides = ("source", "anonymized_same", "anonymized_different", "originals_same", "originals_different")
    return {"dlib": {side: np.sort(rng.uniform(0, 1, 20)) for side in sides}}


def run(folder, *records):
    report.write(folder, [AnonymizerResult(one, curves(n)) for n, one in enumerate(records)])
    return folder


def test_the_table_has_a_line_a_figure_and_a_column_an_anonymizer():
    lines = markdown([record(), record("vera", count=0)], ["blur", "vera"]).splitlines()
    assert lines[0] == "|  | originals | blur | vera |"
    assert "| refused by its own verification |  | 1 | 1 |" in lines
    assert "| recognised, dlib at its own threshold ↓ |  | 30.0% [10%, 50%] | 0.0% [10%, 50%] |" in lines
    assert "| pairs of outputs, dlib: equal error rate ↓ | 0.125 | 0.125 | 0.125 |" in lines
    assert "| frechet lite0 ↓ |  | 12.5 | 12.5 |" in lines
    assert "| seconds a photograph (median) ↓ |  | 0.25 | 0.25 |" in lines
    assert not [line for line in lines if "another photograph" in line or "KID" in line]  # nobody has a figure there


def test_an_anonymizer_without_a_figure_has_an_empty_cell():
    other = record("vera")
    del other["measures"]["frechet_lite0"]
    assert "| frechet lite0 ↓ |  | 12.5 |  |" in markdown([record(), other], ["blur", "vera"])
    assert cell(None) == ""


def test_the_comma_separated_table_holds_plain_numbers():
    originals, row = csv.DictReader(io.StringIO(comma_separated([record()], ["blur"])))
    assert (originals["anonymizer"], originals["pairs of outputs, dlib: AUC"]) == ("originals", "0.9")
    assert row["anonymizer"] == "blur"
    assert float(row["recognised, dlib at its own threshold"]) == 0.3
    assert float(row["recognised, dlib at its own threshold: high"]) == 0.5
    assert {one.title.rstrip(" ↑↓") for one in figures([record()])} <= set(row)


def test_two_recognisers_have_a_column_each_for_everything():
    one = record()
    one["measures"]["recognition/other"] = copy.deepcopy(one["measures"]["recognition/dlib"])
    for number, name in enumerate(("dlib", "other"), 4):
        one["measures"][f"recognition/{name}"]["nearest"]["people_in_gallery"] = number
    _, row = csv.DictReader(io.StringIO(comma_separated([one], ["blur"])))
    assert [row[f"people in the gallery of these ranks, {name}"] for name in ("dlib", "other")] == ["4", "5"]


def test_notes_say_what_is_missing_and_why():
    text = notes([record()], ["blur"])
    assert "- blur: 1 of: too alike." in text
    assert "- kid: too few images (blur)." in text
    assert "own threshold 0.6; its false-accept rate by its own word: 0.0055 (so it says)" in text
    assert "not calibrated in this run" in text
    assert "Read with care" not in text


def test_notes_say_who_was_left_out_and_that_photographs_of_one_person_are_not_independent():
    one = record()
    one["data"] |= {"photographs": 10, "left_out": {"no photograph in one of the roles": 3}}
    text = notes([one], ["blur"])
    assert "3 more people were left out of every count: no photograph in one of the roles" in text
    assert "the intervals are too narrow" in text.split("Read with care")[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"digest": "d2"}, "different photographs"),
        ({"threshold": 0.5}, "thresholds of dlib differ"),
        ({"commit": "c2"}, "2 states of the code"),
        ({"measured": "c2"}, "made and measured by 2 states of the code"),
        ({"changed": True}, "changes that are in no commit"),
    ],
)
def test_notes_warn_of_columns_that_are_no_comparison(change, says):
    assert says in notes([record(), record("vera", **change)], ["blur", "vera"])


def test_runs_that_were_measured_differently_are_named():
    other = copy.deepcopy(record("vera"))
    del other["measures"]["frechet_lite0"]
    assert "measured differently" in notes([record(), other], ["blur", "vera"])


def test_a_calibration_is_stated_with_its_pairs_and_intervals():
    one = record()
    rates = {"false_accept_rate": share(3, 300), "true_accept_rate": share(290, 300)}
    shown = {"threshold": 0.55, "threshold_low": 0.5, "threshold_high": 0.58, **rates}
    one["measures"]["recognition/dlib"]["calibration"] |= {
        "pairs": "pairs.txt",
        "measured": {
            "pairs_same": 300,
            "pairs_different": 300,
            "pairs_without_face": 2,
            "own": rates,
            "at": {"0.01": shown, "0.001": {"threshold": None}},
        },
    }
    text = notes([one], ["blur"])
    assert "calibrated on pairs.txt: 300 pairs of one person, 300 of two (2 more were left out" in text
    assert "false-accept rate 0.01: threshold 0.55 [0.5, 0.58], at which 290 of 300 pairs of one person pass" in text
    assert "measured false-accept rate of its own threshold: 0.01 [0.1, 0.5]" in text
    assert "false-accept rate 0.001: too few pairs" in text


def test_the_table_shows_intervals_attacks_the_search_and_the_machine():
    one = record()
    pairs = one["measures"]["recognition/dlib"]["pairs"]
    tar = {"0.01": {"value": 0.75, "low": 0.6, "high": 0.9}, "0.001": None}
    pairs["anonymized"]["over_people"] = {"eer": {"value": 0.125, "low": 0.05, "high": 0.25}, "auc": None, "tar": tar}
    attack = {"rank_1": share(2, 10), "rank_1_by_chance": 0.1, "bits": {"value": 1.5, "low": 1.25, "high": 1.75}, "bits_by_chance": 1.14}
    one["measures"]["attack/parrot/dlib"] = attack | {"wins": True, "lists": {"10": {"rank_1": 0.3, "rank": 4.0}, "100": None}}
    one["measures"]["attributes"] = {"expression": {"mouth_opening": {"mean_difference": 0.01}}, "absent": ["gaze", "age"]}
    one["measures"]["frechet_lite0"] |= {"images": 160, "dimensions": 320}
    one["recognisers_of_the_search"] = ["dlib"]
    one["provenance"][0] |= {"machine": {"device": "cpu", "processor": "x86_64"}, "threads": 2}
    lines = markdown([one], ["blur"]).splitlines()
    for line in (
        "| pairs of outputs, dlib: equal error rate ↓ | 0.125 | 0.125 [0.05, 0.25] |",
        "| pairs of outputs, dlib: TAR at FAR 0.01 ↑ |  | 0.75 [0.6, 0.9] |",
        "| dlib took part in the search |  | yes |",
        "| attack parrot, dlib: rank 1 ↓ |  | 20.0% [10%, 50%] |",
        "| attack parrot, dlib: bits of rank ↓ |  | 1.5 [1.25, 1.75] |",
        "| attack parrot, dlib: rank 1 of 10 ↓ |  | 0.3 |",
        "| attack parrot, dlib: better than chance |  | yes |",
        "| mouth opening change, eye distances ↓ |  | 0.01 |",
        "| made on |  | cpu, x86_64, 2 threads |",
    ):
        assert line in lines, line
    text = notes([one], ["blur"])
    assert "attributes: no gaze, no network for it was given (blur)" in text
    assert "frechet lite0 rests on 160 images in 320 dimensions" in text
    one["measures"]["frechet_lite0"]["images"] = 321
    assert "rests on" not in notes([one], ["blur"])
    one["recognisers_of_the_search"] = []
    assert "| dlib took part in the search |  | no (unseen) |" in markdown([one], ["blur"])


def test_the_table_in_latex_and_html(tmp_path):
    folder = run(tmp_path / "one", record("k_same"))
    page, files = report.merge([folder], tmp_path / "all", form="latex")
    assert (tmp_path / "all" / "table.tex") in files
    assert page.splitlines()[0] == r"\begin{tabular}{lrr}"
    assert r"recognised, dlib at its own threshold $\downarrow$ &  & 30.0\% [10\%, 50\%] \\" in page
    assert r" & originals & k\_same \\" in page
    page, files = report.merge([folder], tmp_path / "all", form="html")
    assert (tmp_path / "all" / "table.html").read_text() == page
    assert "<th>k_same</th>" in page
    assert "<li>k_same: 1 of: too alike.</li>" in page
    assert "<script>" not in web_page([["", "<script>"]], "- <script>")


def test_a_run_is_written_and_merged(tmp_path):
    first, second = run(tmp_path / "one", record(), record("vera", count=0)), run(tmp_path / "two", record("vera", count=1))
    assert [json.loads(line)["anonymizer"] for line in (first / "results.jsonl").read_text().splitlines()] == ["blur", "vera"]
    for name in ("table.md", "table.csv", "distances-dlib.png", "roc-dlib.png", "distances.npz"):
        assert (first / name).stat().st_size > 0
    page, files = report.merge([first, second], tmp_path / "all")
    assert page.splitlines()[0] == "|  | originals | blur | vera (one) | vera (two) |"
    assert "| recognised, dlib at its own threshold ↓ |  | 30.0% [10%, 50%] | 0.0% [10%, 50%] | 10.0% [10%, 50%] |" in page
    assert {file.name for file in files} == {"table.md", "table.csv", "distances-dlib.png", "roc-dlib.png"}


def test_a_report_does_not_overwrite_a_runs_own(tmp_path):
    first, second = run(tmp_path / "one", record()), run(tmp_path / "two", record("vera"))
    before = (first / "table.md").read_text()
    with pytest.raises(VeraError, match="choose another folder with --out"):
        report.merge([first, second], first)
    assert (first / "table.md").read_text() == before
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "records-0.jsonl").touch()
    with pytest.raises(VeraError, match="choose another folder with --out"):
        report.merge([first, second], tmp_path / "begun")
    for _ in range(2):  # its own report may be made again
        report.merge([first, second], tmp_path / "all")


def test_what_cannot_be_merged(tmp_path):
    with pytest.raises(VeraError, match="no run given"):
        report.merge([], tmp_path)
    with pytest.raises(VeraError, match=r"holds no results\.jsonl"):
        report.merge([tmp_path], tmp_path / "all")
    first, second = run(tmp_path / "a" / "x", record()), run(tmp_path / "b" / "x", record())
    with pytest.raises(VeraError, match="rename a folder"):
        report.merge([first, second], tmp_path / "all")
    (first / "results.jsonl").write_text("{")
    with pytest.raises(VeraError, match="is damaged"):
        report.merge([first], tmp_path / "all")


def test_what_is_published_says_nothing_about_this_machines_folders(tmp_path):
    one = record()
    for session in (one["provenance"][0], one["measured_by"]):
        config = {"people": {"root": "/home/x"}, "seed": 3, "anonymizer": {"vera": {"bundle": "/home/x/bundle"}}}
        session |= {"config": config, "command": ["/home/x/vera"], "session": "s", "at": 1.0}
    one["why"] = {"ZeroDivisionError: /home/x/patient_12.jpg": 1}  # as an earlier version wrote it
    out = run(tmp_path / "run", one)
    kept = tmp_path / "kept"
    published = publish(out, kept, data="made up", figures={"distances-dlib.png": "distances.png"})
    assert sorted(file.name for file in kept.iterdir()) == ["distances.png", "results.jsonl", "results.md"]
    assert [json.loads(line) for line in (kept / "results.jsonl").read_text().splitlines()] == published
    assert published[0]["provenance"][0]["config"] == {"seed": 3, "anonymizer": {"vera": {"bundle": "(a path)"}}}
    assert published[0]["data"]["name"] == "made up"
    for name in ("results.jsonl", "results.md"):
        assert "/home" not in (kept / name).read_text()
        assert "patient" not in (kept / name).read_text()
    (out / "panels.png").touch()
    with pytest.raises(VeraError, match="shows photographs of people"):
        publish(out, kept, data="made up", figures={"panels.png": "panels.png"})
    with pytest.raises(VeraError, match=r"no figure roc\.png"):
        publish(out, kept, data="made up", figures={"roc.png": "roc.png"})


def test_group_bars_are_drawn_where_there_are_groups(tmp_path):
    one = record()
    groups = {name: {"recognised": {"own": found}} for name, found in (("f", share(1, 2)), ("m", share(0, 0)))}
    one["measures"]["recognition/dlib"]["nearest"]["groups"] = groups
    run(tmp_path, one)
    assert (tmp_path / "groups-dlib.png").is_file()


def test_roc_is_scikit_learns():
    rng = np.random.default_rng(0)
    same, different = rng.normal(0.4, 0.1, 40), rng.normal(0.6, 0.1, 60)
    same[:5] = different[:5]  # equal distances on both sides
    false, true = roc(np.sort(same), np.sort(different))
    answers, scores = np.r_[np.ones(40), np.zeros(60)], -np.r_[same, different]
    expected = roc_curve(answers, scores, drop_intermediate=False)
    np.testing.assert_allclose((false, true), expected[:2])
    assert np.trapezoid(true, false) == pytest.approx(roc_auc_score(answers, scores))
    assert len(roc(np.empty(0), different)[0]) == 0


@pytest.mark.parametrize(
    ("status", "reason", "left"),
    [
        ("refused", "'p 7' is refused; last reason: photograph '7_a' is still recognised (0.55 < 0.6)", "photograph is still recognised"),
        ("refused", "'p 8' is refused; last reason: photograph '8_a' is still recognised (0.41 < 0.6)", "photograph is still recognised"),
        ("refused", "'p' is refused; last reason: Smith_a: dlib-128 still recognises them (0.5)", "dlib-128 still recognises them"),
        ("unusable", "the photograph can't be used, it doesn't show a face", "the photograph can't be used, it doesn't show a face"),
        ("unusable", "photograph 'O'Brien' can't be read", "photograph can't be read"),
        ("unusable", "no face in /home/x/o'brien/p_1.jpg, 3 are needed", "no face in, are needed"),
        ("failed", "ZeroDivisionError: /home/x/patient_12.jpg", "ZeroDivisionError"),
    ],
)
def test_reasons_are_counted_without_names_paths_and_numbers(status, reason, left):
    assert kind({"status": status, "reason": reason}) == left


def test_a_reason_that_begins_with_the_photographs_name_is_whole_without_it():
    record = {"status": "refused", "reason": "002_neutral: dlib-resnet-128 still recognises the person (0.43)"}
    assert kind(record, ["002_neutral"]) == "dlib-resnet-128 still recognises the person"


def test_results_are_rounded():
    assert rounded({"a": [1 / 3, 1, None, "x", True]}) == {"a": [0.333333, 1, None, "x", True]}
