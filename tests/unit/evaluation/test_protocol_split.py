"""Evaluations that are stopped, dealt out to processes or in shards; and what they write down."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.unit.evaluation import protocol_parts
from tests.unit.evaluation.protocol_parts import PEOPLE, Same, Shift, figures, lines, people, ranked, run

from vera.distributed import parse_shard
from vera.evaluation.protocol.items import Ledger, Method
from vera.evaluation.report import results as report
from vera.types import VeraError


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """They take longer than all the rest."""
    monkeypatch.setattr(report, "draw", lambda *arguments: [])


def test_a_killed_run_goes_on_and_gives_the_same_table(tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    process = subprocess.Popen([sys.executable, protocol_parts.__file__, "killed", tmp_path])
    deadline = time.monotonic() + 900
    while not log.with_suffix(".blocked").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert log.read_text().split() == ["p/0", "p/1", "p/2"]
    with (out / "records-0.jsonl").open("a") as file:  # what a kill in the middle of a line leaves
        file.write('{"kind": "item", "contestant": "sa')
    finished = [line for line in lines_before(out) if line["kind"] == "item"]

    resumed = run(tmp_path / "in", out, {"same": Same(log), "shift": Shift()})
    assert log.read_text().split() == ["p/0", "p/1", "p/2", "p/2", "p/3", "p/4"]  # only what was in the middle is made again
    assert lines(out)[: len(finished) + 1][1:] == finished
    items = [(line["contestant"], line["person"]) for line in lines(out) if line["kind"] == "item"]
    assert len(items) == len(set(items)) == 3 * PEOPLE

    whole = run(tmp_path / "in", tmp_path / "whole", {"same": Same(), "shift": Shift()})
    assert [figures(record) for record in resumed] == [figures(record) for record in whole]
    tables = [(folder / "table.md").read_text().splitlines() for folder in (out, tmp_path / "whole")]
    first, second = ([row for row in table if "seconds" not in row] for table in tables)
    assert first == second


def lines_before(out):
    """The whole lines of a file whose last one is torn."""
    return [json.loads(line) for line in (out / "records-0.jsonl").read_text().splitlines()[:-1]]


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.append("item", {"contestant": "a", "person": "b", "figure": 1})
        with pytest.raises(VeraError, match="another run writes to"):
            Ledger(tmp_path)
        Ledger(tmp_path, rank=1)  # the same run's other process
    assert Ledger(tmp_path).start == 2


def test_the_later_start_counts_whatever_the_clock_says(tmp_path, monkeypatch):
    now = iter([500.0, 100.0])
    monkeypatch.setattr("vera.evaluation.protocol.items.time.time", lambda: next(now))
    for rank, figure in ((1, "old"), (0, "new")):
        with Ledger(tmp_path, rank) as ledger:
            ledger.append("item", {"contestant": "a", "person": "b", "figure": figure})
    (item,) = ledger.items().values()
    assert item["figure"] == "new"


def test_a_damaged_line_is_named(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append("item", {"contestant": "a", "person": "b", "at": 0, "figure": float("nan")})
    assert next(iter(ledger.items().values()))["figure"] is None
    with ledger.path.open("a") as file:
        file.write("not JSON\n")
    with pytest.raises(VeraError, match=r"records-0\.jsonl, line 2 is damaged"):
        ledger.items()


@pytest.mark.parametrize("count", [3, 11], ids=["few people", "enough for the table of groups"])
def test_two_processes_give_what_one_gives(tmp_path, count):
    people(tmp_path / "in", count)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # one that nobody has
    settings = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "PEOPLE": str(count)}
    command = [sys.executable, protocol_parts.__file__, "ranks", str(tmp_path)]
    started = [subprocess.Popen(command, env=settings | {"RANK": str(rank)}) for rank in range(2)]
    assert [process.wait(timeout=900) for process in started] == [0, 0]
    alone = run(tmp_path, tmp_path / "alone", ranked(), people(tmp_path / "in", count))
    together = [json.loads(line) for line in (tmp_path / "together" / "results.jsonl").read_text().splitlines()]
    assert [figures(record) for record in together] == [figures(record) for record in alone]
    assert {path.name for path in (tmp_path / "together").glob("records-*")} == {"records-0.jsonl", "records-1.jsonl"}
    before, after = ([np.load(tmp_path / name / "distances.npz")] for name in ("alone", "together"))
    assert all(np.array_equal(before[0][key], after[0][key]) for key in before[0].files)
    assert (tmp_path / "together" / "fairness.md").is_file() == (count == 11)
    if count == 11:
        assert (tmp_path / "together" / "fairness.md").read_text() == (tmp_path / "alone" / "fairness.md").read_text()


def test_shards_make_all_items_and_a_last_run_reports(tmp_path):
    known, out, log = people(tmp_path / "in"), tmp_path / "out", tmp_path / "log"
    for shard in ((1, 2), (0, 2)):
        given = {"same": Method("same", Same(log), again=(Same(log),))}
        assert run(tmp_path, out, list(given.values()), known, shard=shard, repeated=3) == []
        assert not (out / "results.jsonl").exists()
    assert sorted(log.read_text().split()) == sorted(["p/0", "p/1", "p/2"] * 2 + ["p/3", "p/4"])
    together = run(tmp_path, out, [Method("same", Same(log), again=(Same(log),))], known, repeated=3)
    assert len(log.read_text().split()) == 8  # nothing was made again
    alone = run(tmp_path, tmp_path / "alone", [Method("same", Same(), again=(Same(),))], known, repeated=3)
    assert [figures(record) for record in together] == [figures(record) for record in alone]


@pytest.mark.parametrize("text", ["2/2", "1", "-1/2", "a/b", "1/0"])
def test_a_shard_that_is_none(text):
    with pytest.raises(VeraError, match="0/2"):
        parse_shard(text)


def test_shards_are_parsed():
    assert (parse_shard(None), parse_shard("1/3")) == (None, (1, 3))
