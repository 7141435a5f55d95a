"""The workers of an archive as actors of Ray Data, on this machine or on a cluster (extra ``ray``)."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vera.cli.rendering import PersonOutcome, PersonTask, PersonWorker
from vera.types import VeraError

TRIES = 2
"""A task whose actor dies, or that fails, has one more."""


class Actor:
    """A :class:`vera.cli.rendering.PersonWorker` as Ray Data calls it: batches of one task, by column.

    Args:
        start: function that loads the worker.
        folder: current folder of the driver, to which relative paths belong; the same on all machines.

    """

    def __init__(self, start: Callable[[], PersonWorker], folder: str) -> None:
        os.chdir(folder)
        self._do = start()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the tasks of a batch; one that fails is tried once more."""
        outcomes = []
        for task in batch["task"]:
            outcome = self._do(task)
            outcomes.append(self._do(task) if outcome.failed else outcome)
        return {"number": batch["number"], "outcome": outcomes}


class RayEngine(contextlib.AbstractContextManager["RayEngine"]):
    """Does tasks by Ray Data, in their order, by a pool of actors; every ``map`` starts its own.

    Ray's streaming executor holds back what the driver has not taken yet. Where an actor dies, its task is given to another, once.

    Args:
        start: function that loads a worker; can be pickled, as can tasks and outcomes.
        workers: largest number of actors.
        threads: processor cores that Ray reserves for each.
        gpus: GPUs that Ray reserves for each; may be a fraction.
        address: address of a running cluster, such as ``auto``; None starts Ray on this machine.
        lost: the outcome of a task whose actors died, from the task and the reason.

    Raises:
        VeraError: Ray is not installed; on entering: it can't start, or no cluster answers.

    """

    def __init__(
        self,
        start: Callable[[], PersonWorker],
        *,
        workers: int,
        threads: int,
        gpus: float = 0,
        address: str | None = None,
        lost: Callable[[PersonTask, str], PersonOutcome],
    ) -> None:
        if find_spec("ray") is None:
            raise VeraError("--engine ray: Ray is not installed: run `pip install 'vera-anonymization[ray]'`, or use --workers alone")
        self._start, self._lost, self._address = start, lost, address
        self._workers, self._threads, self._gpus = workers, threads, gpus

    def __enter__(self) -> RayEngine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        import ray

        known: dict[str, Any] = {"include_dashboard": False, "num_cpus": self._workers * self._threads + 1} if self._address is None else {}
        try:
            ray.init(address=self._address or "local", log_to_driver=False, logging_level=logging.ERROR, **known)
        except Exception as error:  # Ray raises plain ones, too
            if self._address is None:
                raise VeraError(f"Ray can't start on this machine ({type(error).__name__}): use --workers without --engine ray") from error
            raise VeraError(f"--address {self._address}: no Ray cluster answers there: start one with `ray start --head`") from error
        return self

    def __exit__(self, *what: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave Ray; its actors end."""
        import ray

        ray.shutdown()

    def map(self, tasks: Iterable[PersonTask]) -> Iterator[PersonOutcome]:
        """Do tasks, and yield the outcomes in the tasks' order.

        Raises:
            VeraError: the actors can't load, or Ray stopped.

        """
        import ray.data

        listed = list(tasks)
        if not listed:
            return
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context.max_errored_blocks = -1  # a task whose actors died is told as such below
        rows = [{"number": number, "task": task} for number, task in enumerate(listed)]
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            Actor,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=(self._start, str(Path.cwd())),
            compute=ray.data.ActorPoolStrategy(
                min_size=self._workers if self._address is None else 1,
                max_size=self._workers,
                max_tasks_in_flight_per_actor=1,  # so that an actor's death is counted against one task only
            ),
            num_cpus=self._threads,
            num_gpus=self._gpus,
            max_restarts=-1,
            max_task_retries=TRIES - 1,
        )
        given = 0
        try:
            for row in done.iter_rows():
                for number in range(given, row["number"]):
                    yield self._lost(listed[number], "its Ray actor died, twice: if memory ran out, use fewer with --workers")
                yield row["outcome"]
                given = row["number"] + 1
        except Exception as error:  # of Ray, of Ray Data, or of an actor that can't load
            raise VeraError(
                f"Ray stopped ({type(error).__name__}): see `vera doctor` on its machines; the same call goes on from here"
            ) from error
        for number in range(given, len(listed)):
            yield self._lost(listed[number], "its Ray actor died, twice: if memory ran out, use fewer with --workers")
