"""Threads over functions that release the GIL.

Numba's own parallel loops compile several times longer, and their OpenMP runtime kills a process
that forks after using it, as data loaders do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["cores", "run_all"]

T = TypeVar("T")


def cores() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(function: Callable[[Any], T], tasks: Iterable[Any]) -> list[T]:
    """Return function(task) of every task, in order; one task, or one core, starts no thread."""
    listed = list(tasks)
    threads = min(len(listed), cores())
    if threads < 2:
        return [function(task) for task in listed]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, listed))
