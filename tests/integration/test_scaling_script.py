"""experiments/scaling: the model against what can be known without it, and its measurements at tiny size."""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest
from hydra.utils import instantiate

FOLDER = Path(__file__).parents[2] / "experiments" / "scaling"


@pytest.fixture
def script(monkeypatch):
    """A file of the experiment, with the files beside it."""

    def load(name):
        monkeypatch.syspath_prepend(str(FOLDER))
        for module in ("model", "steps", "loader", "drawing", "run"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        return importlib.import_module(name)

    yield load
    for module in ("model", "steps", "loader", "drawing", "run"):
        sys.modules.pop(module, None)


@pytest.fixture
def model(script):
    return script("model")


@pytest.fixture
def cluster(model):
    return model.Cluster(node=8, within=400.0, between=50.0, latency=0.0)


def test_one_gpu_communicates_nothing(model, cluster):
    assert model.all_reduce_seconds(1e9, 40, 1, cluster) == 0
    step = model.Step(images=8, seconds=2.0, volume=1e9, messages=40)
    assert model.images_per_second(step, 1, cluster, overlap=0.0) == 4


def test_a_ring_sends_twice_all_but_one_part(model, cluster):
    assert [model.all_reduce_seconds(400.0, 1, n, cluster) for n in (2, 4, 8)] == [2 * 1 / 2, 2 * 3 / 4, 2 * 7 / 8]
    assert model.all_reduce_seconds(400.0, 1, 16, cluster) == pytest.approx(2 * 15 / 16 * 400 / 50)  # the slowest link decides
    slow = model.Cluster(node=2, within=10.0, between=50.0, latency=0.0)
    assert model.all_reduce_seconds(10.0, 1, 4, slow) == pytest.approx(2 * 3 / 4)  # whichever it is


def test_hops_take_their_time_for_each_message(model):
    cluster = model.Cluster(node=8, within=1.0, between=1.0, latency=0.5)
    assert model.all_reduce_seconds(0.0, 3, 4, cluster) == 2 * 3 * 3 * 0.5


def test_what_is_hidden_costs_nothing(model, cluster):
    step = model.Step(images=10, seconds=4.0, volume=400.0, messages=1)  # 2 GPUs: 1 s of communication
    assert model.images_per_second(step, 2, cluster, overlap=0.0) == 20 / 5
    assert model.images_per_second(step, 2, cluster, overlap=0.125) == 20 / 4.5
    assert model.images_per_second(step, 2, cluster, overlap=0.25) == model.images_per_second(step, 2, cluster, overlap=1.0) == 20 / 4


def test_loading_and_cost(model):
    assert model.loaded_per_second(25.0, workers=4, gpus=8) == 800
    assert model.workers_needed(25.0, 100.0) == 4
    assert model.cost(images=3600 * 50, per_second=100.0, gpus=4, price=3.0) == 0.5 * 4 * 3


@pytest.fixture
def surroundings():
    """Lightning tells the processes that it would start what they are in the environment."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    ("stage", "overrides", "passes"),
    [("stage 1", ["stage.r1_every=2", "stage.path_every=2"], 3.0), ("parser", [], 1.0)],
)
def test_ddp_reduces_what_is_counted(script, surroundings, stage, overrides, passes):
    steps = script("steps")
    config = steps.composed([*steps.TINY[stage], *overrides, "batch_size=4"])
    counted = steps.counted(instantiate(config.stage.module, _convert_="all"))
    found = steps.measured(config, steps=2, device="cpu", precision="32-true")
    assert (found["volume"], found["messages"]) == (counted["volume"], counted["messages"])
    assert counted["passes"] == passes
    assert counted["volume"] == passes * counted["trained"]
    assert (counted["needed"] < counted["volume"]) == (stage == "stage 1")  # the side that does not move is reduced, too


def test_all_formats_hold_the_same_faces(script, tmp_path):
    pytest.importorskip("lmdb")
    loader = script("loader")
    loader.make(tmp_path, faces=16, size=32)
    formats = loader.formats(tmp_path, size=32)
    for dataset in formats.values():
        assert len(dataset) == 16
        assert (dataset[5]["labels"] == formats["folder of PNG"][5]["labels"]).all()
        assert (dataset[5]["image"].int() - formats["folder of PNG"][5]["image"].int()).abs().float().mean() < 4
    found = loader.measured(loader.streams(formats), rounds=1)
    assert set(found) == {*formats, "shards of JPEG, augmented"}
    assert found["folder of PNG"]["ratio"] == 1
    assert found["folder, cached"]["ratio"] > 1
    assert loader.bytes_a_face(tmp_path, 16)["png"] > 0


def test_the_expectation_stands_on_what_was_measured(script, tmp_path, monkeypatch):
    run = script("run")
    gradients = {"trained": 4e9, "passes": 2.0, "volume": 8e9, "messages": 0.0}
    rates = {"images_per_cpu_second": 25.0, "images_per_second": 20.0, "ratio": 1.0}
    asked = "--step-images-per-second 16 --step-images 16 --source here --price 3 --within 8 --between 4 1 --latency 0 --images 57600"
    monkeypatch.setattr(sys, "argv", ["run.py", "--folder", str(tmp_path), "expect", *asked.split()])
    with pytest.raises(SystemExit, match="no measurements"):
        run.main()
    lines = [{"measure": "gradients", "stage": run.STAGE, **gradients}, {"measure": "loader", "formats": {"shards": rates}}]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.main()
    line = json.loads((tmp_path / "results.jsonl").read_text().splitlines()[-1])
    assert line["inputs"]["source"] == "here"
    fast, slow = ({row["gpus"]: row for row in network["rows"]} for network in line["networks"])
    assert fast[1]["cost"] == [3.0, 3.0]  # an hour
    assert fast[2]["images_per_second"] == [2 * 16 / (1 + 1), 2 * 16 / (1 + 0.5)]  # 1 s of communication, half of it hidden
    assert slow[8] == fast[8]  # one machine
    assert slow[16]["images_per_second"][0] == pytest.approx(16 * 16 / (1 + 15))
    assert fast[4]["images_per_second_same_batch"][0] == pytest.approx(16 / (0.25 + 1.5))
    assert fast[8]["images_per_second_same_batch"] is None  # two faces a GPU
    assert line["loading"]["shards"]["workers_a_gpu"] == 16 / 25
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
