"""The environment that commands run in: OpenMP's waiting, and the number of threads under a quota."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from vera.cli import app, threads
from vera.cli.threads import quota, share_machine, work_alone


def written(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


SECOND = {"proc/self/cgroup": "0::/a/b\n"}
FIRST = {"proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n2:memory:/docker/x\n"}
GROUPS = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (SECOND, None),
        (SECOND | {f"{GROUPS}/a/b/cpu.max": "max 100000\n"}, None),
        (SECOND | {f"{GROUPS}/a/b/cpu.max": "150000 100000\n"}, 1.5),
        (SECOND | {f"{GROUPS}/a/b/cpu.max": "400000 100000\n", f"{GROUPS}/a/cpu.max": "200000 100000\n"}, 2.0),
        (SECOND | {f"{GROUPS}/cpu.max": "50000 100000\n"}, 0.5),
        (FIRST | {f"{GROUPS}/cpu/cpu.cfs_quota_us": "-1\n", f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n"}, None),
        (FIRST | {f"{GROUPS}/cpu/cpu.cfs_quota_us": "300000\n", f"{GROUPS}/cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        (FIRST | {f"{GROUPS}/cpu/docker/x/cpu.cfs_quota_us": "10000\n", f"{GROUPS}/cpu/docker/x/cpu.cfs_period_us": "100000\n"}, 0.1),
    ],
)
def test_quota_of_control_groups(tmp_path, files, expected):
    assert quota(written(tmp_path, files)) == expected


def test_waiting_threads_sleep_unless_the_user_chose(tmp_path):
    for given in ({}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "5"}, {"KMP_BLOCKTIME": "200"}):
        environment = dict(given)
        share_machine(environment, root=tmp_path)
        assert environment == (given or {"OMP_WAIT_POLICY": "PASSIVE"})


def test_a_quota_limits_the_threads_unless_the_user_chose(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 8)
    root = written(tmp_path, SECOND | {f"{GROUPS}/cpu.max": "150000 100000\n"})
    environment = {"OPENCV_FOR_THREADS_NUM": "3"}
    share_machine(environment, root=root)
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "2", "OPENCV_FOR_THREADS_NUM": "3"}
    elsewhere = {}
    share_machine(elsewhere, root=root, count=False)
    assert elsewhere == {"OMP_WAIT_POLICY": "PASSIVE"}
    monkeypatch.setattr(threads, "processors", lambda: 2)
    share_machine(enough := {}, root=root)
    assert enough == {"OMP_WAIT_POLICY": "PASSIVE"}


def test_work_that_more_threads_do_not_shorten_takes_one_unless_the_user_chose():
    environment = {"OMP_NUM_THREADS": "3"}
    work_alone(environment)
    assert environment == {"OMP_NUM_THREADS": "3", "OPENCV_FOR_THREADS_NUM": "1"}


@pytest.mark.parametrize(("renderer", "chosen"), [("exemplars", "1"), ("generator", None)])
def test_exemplars_take_one_thread(renderer, chosen, tmp_path, monkeypatch):
    """Stopped before any network is loaded."""
    portrait = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(portrait)
    for name in threads.COUNTS:  # restored afterwards, whatever the command sets
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    found = []
    monkeypatch.setattr("vera.cli.assembly.assemble", lambda *_, **__: found.append(os.environ.get("OMP_NUM_THREADS")))
    monkeypatch.setattr("vera.cli.batch.run", lambda *_, **__: None)
    call = [str(portrait), "--renderer", renderer, "--preserve", "mouth", "--out", str(tmp_path / "out")]
    app.load("anonymize")(call, standalone_mode=False)
    assert found == [chosen]


def test_commands_set_it_before_torch_is_imported():
    code = (
        "import os, sys; from vera.cli import app; "
        "app.load = lambda name: lambda rest, prog_name: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules); "
        "app.run(['anonymize'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in threads.WAITING}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "PASSIVE False\n"
