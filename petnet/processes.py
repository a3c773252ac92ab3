"""Worker processes that end with the process that started them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

__all__ = ["fresh_pool"]


def fresh_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes: a fork would inherit the threads of what is loaded already.

    If the process that started them is killed alone (out of memory, a scheduler), they end as well.
    Left alone they would go on with what they have been given, beside a second run of the same
    command, and then wait for ever. An interrupt (Ctrl-C) ends them at once and without a word.
    """
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the main thread is at work, or waits for work that will never come
