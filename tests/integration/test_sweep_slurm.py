"""The SLURM launcher: its batch script as text, and jobs on a fake cluster (sbatch, srun, scontrol and sacct on the PATH)."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import submitit
from hydra.core.utils import JobReturn, JobStatus

from vera.training.runs.folder import read_runs

TINY = [
    "experiment=smoke", "generator.size=16", "batch_size=8", "images=128", "data.dataset.count=64", "callbacks.snapshots.every=16",
    "~callbacks.sheet", "~callbacks.progress", "hydra.sweep.subdir=${hydra.job.num}",
]  # fmt: skip

# An array's tasks start at once, in the background; one that exits after `scontrol requeue` starts again.
SBATCH = """#!/bin/bash
cp "$1" "$FAKE/script.sh"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for task in $(seq 0 "${last:-0}"); do
    (
        export SLURM_JOB_ID=$((4200 + task)) SLURM_ARRAY_JOB_ID=42 SLURM_ARRAY_TASK_ID=$task SLURM_JOB_NAME=train SLURM_NODELIST=here
        export SLURM_NTASKS=1 SLURM_NTASKS_PER_NODE=1 SLURM_NNODES=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_CPUS_PER_TASK=1
        bash "$FAKE/script.sh"
        while rm "$FAKE/requeue.42_$task"; do bash "$FAKE/script.sh"; done
        touch "$FAKE/done.42_$task"
    ) > "$FAKE/task.$task.log" 2>&1 < /dev/null &
done
echo "Submitted batch job 42"
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
    if [[ $1 == --output || $1 == --error ]]; then shift; fi
    shift
done
exec "$@"
"""
SCONTROL = '#!/bin/bash\necho "$@" >> "$FAKE/scontrol.log"\ntouch "$FAKE/requeue.$2"\n'
SACCT = """#!/bin/bash
echo "JobID|State|NodeList"
for task in 0 1; do
    if [[ -e $FAKE/done.42_$task ]]; then echo "42_$task|COMPLETED|here"; else echo "42_$task|RUNNING|here"; fi
done
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    folder = tmp_path / "cluster"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "scontrol": SCONTROL, "sacct": SACCT}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_batch_script_of_two_nodes_of_eight_devices(cluster, monkeypatch, vera):
    (cluster / "sbatch").write_text('#!/bin/bash\ncp "$1" "$FAKE/script.sh"\necho "Submitted batch job 42"\n')
    finished = JobReturn(status=JobStatus.COMPLETED)
    monkeypatch.setattr(submitit.SlurmJob, "results", lambda job: [finished])
    before = signal.getsignal(signal.SIGTERM)
    where = ["trainer=slurm", "hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra/job_logging=none", "hydra/hydra_logging=none"]
    code, _, said = vera("train", "-m", "sweep=grid", "experiment=celebamask512", "data.root=/data", *where)
    signal.signal(signal.SIGTERM, before)
    assert code == 0, said
    script = (cluster / "script.sh").read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script, flags=re.MULTILINE))
    assert {
        "nodes": "2", "ntasks-per-node": "8", "gpus-per-node": "8", "cpus-per-task": "8", "partition": "gpu", "time": "1440",
        "signal": "USR2@300", "requeue": "", "array": "0-5%6", "open-mode": "append", "job-name": "train",
    }.items() <= asked.items()  # fmt: skip
    assert "multirun/grid/.submitit" in asked["output"]
    assert "error" not in asked
    commands = script[script.index("# setup") :].splitlines()
    assert commands[1] == "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"
    assert "export SUBMITIT_EXECUTOR=slurm" in commands
    (run,) = [line for line in commands if line.startswith("srun")]
    assert f"{sys.executable} -u -m submitit.core._submit" in run


@pytest.mark.slow
def test_a_pre_empted_job_saves_is_requeued_by_submitit_and_goes_on(cluster, tmp_path):
    sweep = tmp_path / "multirun" / "slurm"
    where = ["hydra/launcher=slurm", "hydra.launcher.gpus_per_node=null", "hydra.launcher.cpus_per_task=1"]
    command = [sys.executable, "-m", "vera.cli", "train", "-m", *TINY, "sweep=base", "sweep.name=slurm", "seed=0,1", *where]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None and not (sweep / "1" / "last.ckpt").is_file():
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    os.kill(int((sweep / "1" / ".lock").read_text().split()[1]), signal.SIGUSR2)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert (cluster / "scontrol.log").read_text() == "requeue 42_1\n"
    assert {run.state for run in read_runs(sweep)} == {"finished"}
    told = [json.loads((sweep / number / "environment.json").read_text()) for number in ("0", "1")]
    assert [[start["job"] for start in starts] for starts in told] == [["4200"], ["4201", "4201"]]
