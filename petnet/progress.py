"""Progress of long work: a bar on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["track"]

Item = TypeVar("Item")
log = logging.getLogger(__name__)


def track(items: Iterable[Item], what: str, total: int, every_s: float = 10.0) -> Iterator[Item]:
    """Pass `items` through, showing how far the work is.

    On a terminal this is a bar; elsewhere a log line at most every `every_s` seconds and one at
    the end.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, description=what, total=total, console=Console(stderr=True))
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= every_s:
            log.info("%s: %d of %d (%.0f s)", what, done, total, now - start)
            last = now
