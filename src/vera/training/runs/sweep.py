"""Hydra callbacks of a multirun: its end as a whole (``conf/train.yaml``), and an Optuna study that goes on (``conf/sweep/optuna.yaml``).

Optuna's sweeper always begins ``n_trials`` new trials, and a trial that was interrupted stays "running" in the database for ever.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from vera.training.runs.folder import FAILURE, read_failure


class Sweep(Callback):
    """Before the first run, and after the last."""

    def on_multirun_start(self, config: DictConfig, **keywords: Any) -> None:
        """Between runs SIGTERM is as Ctrl-C; within one it is the run's, which saves before it stops."""
        if threading.current_thread() is threading.main_thread():  # elsewhere Python gives no signals
            signal.signal(signal.SIGTERM, signal.default_int_handler)

    def on_multirun_end(self, config: DictConfig, **keywords: Any) -> None:
        """Name the runs that failed, and leave with 1 if there are any.

        Raises:
            SystemExit: there are.

        """
        failed = sorted(Path(config.hydra.sweep.dir).rglob(FAILURE))
        for path in failed:
            sys.stderr.write(f"vera: {path.parent}: {(read_failure(path.parent).splitlines() or [''])[-1]}\n")
        if failed:
            count = "1 run" if len(failed) == 1 else f"{len(failed)} runs"
            sys.stderr.write(f"vera: {count} of the sweep did not finish ({FAILURE} says why); the same command starts what is missing\n")
            sys.exit(1)


log = logging.getLogger(__name__)
STUDY_LOCK = ".study.lock"


class Study(Callback):
    """Before the sweeper starts: interrupted trials are put first, and only what is missing to ``n_trials`` is asked for."""

    def on_multirun_start(self, config: DictConfig, **keywords: Any) -> None:
        """Look into the database, and tell the sweeper how many trials are left.

        Raises:
            SystemExit: there is nothing to search for (Hydra lets no other error of a callback stop the sweep).

        """
        if config.objective is None:
            sys.stderr.write("vera: a search needs an objective: name a logged measure, as objective=loss/perceptual\n")
            sys.exit(2)
        import optuna
        from optuna.trial import TrialState

        folder, sweeper = Path(config.hydra.sweep.dir), config.hydra.sweeper
        folder.mkdir(parents=True, exist_ok=True)
        alone, self.descriptor = _join(folder)
        directions = [sweeper.direction] if isinstance(sweeper.direction, str) else list(sweeper.direction)
        study = optuna.create_study(storage=sweeper.storage, study_name=sweeper.study_name, directions=directions, load_if_exists=True)
        with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):  # Optuna 3 kept it
            for trial in study.get_trials(states=(TrialState.RUNNING,)) if alone else ():
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
        taken = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.RUNNING)))
        log.info("%d of %d trials are done, or others work on them", taken, sweeper.n_trials)
        with read_write(config), open_dict(config):
            sweeper.n_trials = max(0, sweeper.n_trials - taken)

    def on_multirun_end(self, config: DictConfig, **keywords: Any) -> None:
        """Leave those who work on the study."""
        os.close(self.descriptor)


def _join(folder: Path) -> tuple[bool, int]:
    """Join the processes that work on the study: whether this one is the only one, and the lock's file, which closes when it ends.

    What the database calls "running" was interrupted only where nobody is there to run it.
    """
    descriptor = os.open(folder / STUDY_LOCK, os.O_RDWR | os.O_CREAT)  # a number: a launcher takes the callback to other processes
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return alone, descriptor
