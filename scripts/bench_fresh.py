"""What a fresh process costs: compilation, the first call after it, and memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench_cases import Case
from peer_runs import start

__all__ = ["compilation", "peak_memory"]


def compilation(case: Case, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds of a process's first extraction, imports included.

    "first" has an empty cache of compiled code, "second" finds what the first one left.
    """
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("first", "second"):
            began = time.perf_counter()
            with start("petnet", NUMBA_CACHE_DIR=cache, PETNET_BENCH_DEVICE="cpu") as runner:
                runner.ask(**case.request())
                runner.ask(do="run", cases=[case.name], settings=settings)
                found[name] = time.perf_counter() - began
                warm = runner.ask(do="run", cases=[case.name], settings=settings)
        found["of which warm"] = float(warm["seconds"])
    return found


def peak_memory(case: Case, settings: Mapping[str, Any], device: str) -> dict[str, float]:
    """Return seconds and the peak of resident memory, in GiB, of one call on a label map.

    Image and map are read by the same process and count.
    """
    with start("petnet", PETNET_BENCH_DEVICE=device) as runner:
        runner.ask(**case.request())
        read = _peak_gib(runner.pid)
        answer = runner.ask(do="run", cases=[case.name], settings=settings)
        return {
            "voxels": case.voxels,
            "seconds": float(answer["seconds"]),
            "peak_gib": _peak_gib(runner.pid),
            "after_reading_gib": read,
        }


def _peak_gib(pid: int) -> float:
    """Return the high-water mark of a process's resident memory (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise RuntimeError(f"/proc/{pid}/status has no VmHWM")
