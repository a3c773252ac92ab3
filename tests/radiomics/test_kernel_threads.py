"""Tasks in threads: order, errors, calls within calls, and processes forked after use."""

import multiprocessing
import os
import threading
import time

import pytest

from petnet.radiomics.kernels import threads
from petnet.radiomics.kernels.threads import run_all


@pytest.fixture(autouse=True, params=[1, 2, 5])
def on_cores(request, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: request.param)
    threads._helpers.cache_clear()
    yield request.param
    threads._helpers().shutdown()
    threads._helpers.cache_clear()


def sleepy(k):
    time.sleep(0.002 * (k % 3))
    return k * k


def test_results_are_in_the_order_of_tasks():
    assert run_all(sleepy, range(20)) == [k * k for k in range(20)]
    assert run_all(sleepy, iter([])) == []


def test_all_cores_work_at_once(on_cores):
    """Each task waits for the others: fewer threads would break the barrier."""
    barrier = threading.Barrier(on_cores)
    run_all(lambda _: barrier.wait(timeout=20), range(on_cores))


def test_tasks_may_run_tasks():
    """More of them wait than there are threads."""

    def nested(depth):
        return sum(run_all(nested, [depth - 1] * 3)) if depth else 1

    assert run_all(nested, [4] * 4) == [3**4] * 4


def test_the_first_error_is_raised_and_threads_stay_usable():
    def fails_from_three(k):
        time.sleep(0.01 if k == 3 else 0)
        if k >= 3:
            raise ValueError(f"task {k}")

    for _ in range(3):
        with pytest.raises(ValueError, match="task 3"):
            run_all(fails_from_three, range(12))
    assert run_all(sleepy, range(5)) == [0, 1, 4, 9, 16]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own(on_cores):
    assert run_all(sleepy, range(8)) == [k * k for k in range(8)]  # the parent's threads exist
    child = multiprocessing.get_context("fork").Process(
        target=test_all_cores_work_at_once, args=(on_cores,)
    )
    child.start()
    child.join(timeout=30)
    assert child.exitcode == 0
