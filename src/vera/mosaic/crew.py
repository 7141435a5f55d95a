"""Deal jobs to worker processes; a job's result must not depend on the process."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import TypeVar

import cv2
import torch

from vera.types import VeraError

Job = TypeVar("Job")
Result = TypeVar("Result")
Start = Callable[[], Callable[[Job], Result]]
"""Called once in each process; what it returns does the jobs."""
Answer = tuple[Result | None, str | None]
"""A result, or why there is none."""


def deal(jobs: Sequence[Job], start: Start[Job, Result], *, workers: int) -> Iterator[Result]:
    """Do jobs, in this process or in several, and yield the results as they come.

    Args:
        jobs: jobs to do, dealt round-robin.
        start: function that prepares a process and returns the worker; can be pickled, as can jobs and results.
        workers: processes; with 1 everything happens in this one, in order.

    Raises:
        VeraError: a job raised one, or a process was killed.

    """
    if workers == 1:
        do = start()
        for job in jobs:
            yield do(job)
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of OpenCV's and torch's threads
    results: multiprocessing.Queue[Answer[Result]] = context.Queue()
    crew = [context.Process(target=_serve, args=(jobs[n::workers], start, results), daemon=True) for n in range(min(workers, len(jobs)))]
    try:
        for process in crew:
            process.start()
        for _ in jobs:
            result, failure = _next(results, crew)
            if failure is not None:
                raise VeraError(failure)
            yield result  # type: ignore[misc]
    finally:
        for process in crew:
            process.terminate()
        for process in crew:
            process.join()


def _serve(jobs: Sequence[Job], start: Start[Job, Result], results: multiprocessing.Queue[Answer[Result]]) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        do = start()
        for job in jobs:
            results.put((do(job), None))
    except VeraError as error:
        results.put((None, str(error)))


def _next(results: multiprocessing.Queue[Answer[Result]], crew: Sequence[BaseProcess]) -> Answer[Result]:
    while True:
        try:
            return results.get(timeout=1)
        except queue.Empty:
            dead = [process.exitcode for process in crew if process.exitcode]
            if dead and results.empty():
                raise VeraError(f"a process ended with {dead[0]}: its traceback is above; start again to go on from here") from None
