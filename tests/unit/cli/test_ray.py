"""Ray on this machine does what the pool of processes does."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.cli.folders import audit_of
from tests.unit.cli.painters import Inline, Painter, people, ray_engine, run
from tests.unit.cli.test_archive import ROOT, complete, images, is_alive, untimed

from vera.types import Refused

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = pytest.mark.slow  # Ray alone takes half a minute to start


@pytest.fixture
def ray(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "src:.")  # the actors import this folder's fakes
    return ray_engine


def test_local_ray_gives_the_same_bytes_and_goes_on(tmp_path, ray):
    manifest = people(tmp_path / "in", 6)
    with pytest.raises(Refused, match=r"2 of 6 people were not written \(person 1, person 4\)"):
        run(manifest, tmp_path / "out", ray(refuse=("person 1",), die=("person 4",)))
    assert [record["status"] for record in audit_of(tmp_path / "out")["people"]] == [
        "written",
        "refused",
        "written",
        "written",
        "failed",
        "written",
    ]
    run(manifest, tmp_path / "out", ray())
    complete(tmp_path / "out", 6)
    run(manifest, tmp_path / "inline", Inline(Painter()))
    assert images(tmp_path / "out") == images(tmp_path / "inline")
    assert untimed(audit_of(tmp_path / "out")) == untimed(audit_of(tmp_path / "inline"))


def below(process):
    """All processes that a process has started, with their command lines."""
    found = {}
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found |= {int(child): Path(f"/proc/{child}/cmdline").read_text()} | below(int(child))
    return found


TARGETS = {"worker": "ray::", "head": "gcs_server", "driver": ""}
"""What the command line of the killed process holds."""


class TestKilledAtRandomMoments:
    """A driver with two actors on this machine; Ray's head is the process of its global control service."""

    COUNT, TURNS = 40, 10

    def kill_one(self, driver, target):
        processes = below(driver.pid)
        wanted = [number for number, line in processes.items() if TARGETS[target] in line] if TARGETS[target] else [driver.pid]
        assert wanted, f"no process of the {target} among {sorted(processes.values())}"
        os.kill(wanted[0], signal.SIGKILL)
        return processes

    def test_every_person_is_complete_once(self, tmp_path):
        manifest, out, rng = people(tmp_path / "in", self.COUNT), tmp_path / "out", random.Random(0)
        command = [sys.executable, "-m", "tests.unit.cli.painters", str(manifest), str(out), "ray"]
        # Where the head is gone, the driver's own node waits a minute for it by default.
        environment = os.environ | {"PYTHONPATH": "src:.", "RAY_gcs_rpc_server_reconnect_timeout_s": "2"}
        for turn in range(self.TURNS):
            driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)
            more = len(list(out.glob("*/*.png"))) + rng.randint(1, 8)
            while len(list(out.glob("*/*.png"))) < more and driver.poll() is None:
                time.sleep(0.01)
            assert driver.poll() is None, driver.stderr.read()
            target = ("head", "driver", "worker")[turn % 3]
            processes = self.kill_one(driver, target)
            if target == "worker":  # the call goes on: it is killed, too, some people later
                while len(list(out.glob("*/*.png"))) < more + 8 and driver.poll() is None:
                    time.sleep(0.01)
                driver.kill()
            driver.communicate()
            assert driver.returncode != 0
            deadline = time.monotonic() + 120
            while any(map(is_alive, processes)) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not any(map(is_alive, processes)), "a process outlives its driver"
        driver = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment, check=False)
        assert driver.returncode == 0, driver.stderr
        complete(out, self.COUNT)
