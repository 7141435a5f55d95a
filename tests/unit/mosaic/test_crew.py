"""Dealing jobs to processes: every job once, and no failure unseen."""

import os
from functools import partial

import pytest

from vera.mosaic.crew import deal
from vera.types import VeraError


def test_in_this_process_jobs_are_done_in_order_and_when_they_are_asked_for():
    done = []
    results = deal([3, 1, 2], lambda: lambda job: done.append(job) or 10 * job, workers=1)
    assert not done
    assert next(results) == 30
    assert done == [3]
    assert list(results) == [10, 20]


def test_every_job_is_done_once():
    # abs, wrapped twice: what starts a process must be importable there
    results = deal([-1, -2, -3, -4], partial(partial, abs), workers=3)
    assert sorted(results) == [1, 2, 3, 4]


def test_a_process_that_dies_is_an_error():
    with pytest.raises(VeraError, match="a process ended with 3"):
        list(deal([3, 3], partial(partial, os._exit), workers=2))


def test_nothing_to_do():
    assert list(deal([], partial(partial, abs), workers=2)) == []
