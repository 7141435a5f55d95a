from __future__ import annotations

import json
from pathlib import Path

import pytest

from vera.faces.calibration import DEFAULT_FAR, calibrated, calibrations
from vera.faces.recogniser_choice import embedded_recognisers
from vera.types import VeraError

RECOGNISERS = ("dlib-resnet-128", "sface-128")


def test_both_embedded_recognisers_have_thresholds_at_three_rates() -> None:
    assert tuple(calibrations()) == RECOGNISERS
    for record in calibrations().values():
        thresholds = [record["at"][rate]["threshold"] for rate in ("0.0001", "0.001", "0.01")]
        assert thresholds == sorted(thresholds)
        assert record["people"] >= 400
        for rate, point in record["at"].items():
            assert point["false_accept_rate"] <= float(rate)
            for value in ("threshold", "false_accept_rate"):
                low, high = point[f"{value}_interval"]
                assert low < point[value] < high


def test_the_stored_numbers_are_the_recorded_ones() -> None:
    lines = (Path(__file__).parents[3] / "experiments/recogniser_calibration/results.jsonl").read_text().splitlines()
    for name, record in calibrations().items():
        assert record == [row for row in map(json.loads, lines) if row["recogniser"] == name][-1]


def test_rates_and_recognisers_that_were_not_calibrated_are_refused() -> None:
    with pytest.raises(VeraError, match=r"rate of 0.002: choose from 0.01, 0.001, 0.0001"):
        calibrated("sface-128", 0.002)
    with pytest.raises(VeraError, match="'mine' was not calibrated: choose from dlib-resnet-128, sface-128"):
        calibrated("mine", DEFAULT_FAR)


def test_a_chosen_rate_reaches_both_recognisers() -> None:
    usual, strict = embedded_recognisers(), embedded_recognisers(far=0.0001)
    assert tuple(one.name for one in usual) == RECOGNISERS
    for recogniser, stricter in zip(usual, strict, strict=True):
        assert stricter.threshold < recogniser.threshold <= recogniser.refusal_threshold
        assert stricter.false_accept_rate == pytest.approx(0.0001, rel=0.05)
        assert "0.0001" in stricter.calibration
