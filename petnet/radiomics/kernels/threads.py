"""Threads over functions that release the GIL.

Numba's own parallel loops compile several times longer, and their OpenMP runtime kills a process
that forks after using it, as data loaders do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

__all__ = ["cores", "run_all"]

T = TypeVar("T")


def cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _helpers() -> ThreadPoolExecutor:
    """Return threads that help whoever calls; kept, since starting them takes far longer."""
    return ThreadPoolExecutor(max(cores() - 1, 1), thread_name_prefix="petnet-kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # threads do not survive a fork


def run_all(function: Callable[[Any], T], tasks: Iterable[Any]) -> list[T]:
    """Return function(task) of every task, in order; one task, or one core, needs no other thread.

    The caller takes tasks as its helpers do and waits for none that has not begun, so that tasks
    may call this in their turn. Of several errors that of the first task is raised.
    """
    listed = list(tasks)
    threads = min(len(listed), cores())
    if threads < 2:
        return [function(task) for task in listed]
    found: dict[int, T] = {}
    failed: dict[int, Exception] = {}
    todo = iter(range(len(listed)))

    def work() -> None:
        for k in todo:
            try:
                found[k] = function(listed[k])
            except Exception as error:  # raised below, in the thread of the caller
                failed[k] = error
            if failed:
                break

    helpers = [_helpers().submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    if failed:
        raise failed[min(failed)]
    return [found[k] for k in range(len(listed))]
