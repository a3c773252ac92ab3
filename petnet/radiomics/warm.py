"""The first call on a machine: Numba compiles the CPU kernels once, which is said and shown."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np

from petnet.progress import track

__all__ = ["compile_kernels", "compiled_functions", "is_cold"]

log = logging.getLogger(__name__)
PACKAGE = "petnet.radiomics.kernels"


def compiled_functions() -> Iterator[Any]:
    """Yield every Numba function of the kernels."""
    from numba.core.dispatcher import Dispatcher

    package = import_module(PACKAGE)
    for module in iter_modules(package.__path__, f"{PACKAGE}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.__module__ == module.name:
                yield value


def is_cold() -> bool:
    """Whether some kernel was never compiled for this machine and Python, or not since it changed.

    Numba names the index of what it keeps module.function-line.python.nbi.
    """
    compiled: dict[Path, dict[str, float]] = {}
    for function in compiled_functions():
        folder = Path(function.stats.cache_path)
        if folder not in compiled:
            compiled[folder] = _compiled_in(folder)
        name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        source = Path(function.py_func.__code__.co_filename).stat().st_mtime
        if compiled[folder].get(name, -math.inf) < source:
            return True
    return False


def _compiled_in(folder: Path) -> dict[str, float]:
    """Return when each function of a folder was compiled last."""
    newest: dict[str, float] = {}
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    for index in folder.glob(f"*.{python}*.nbi"):
        name = index.name.rpartition("-")[0]
        newest[name] = max(newest.get(name, -math.inf), index.stat().st_mtime)
    return newest


@cache
def compile_kernels() -> None:
    """Compile what has never been compiled, with a message and a bar; once per process."""
    if not is_cold():
        return
    from petnet.radiomics.catalogue import FAMILIES
    from petnet.radiomics.selftest import compute_family

    log.info("compiling the kernels for this machine; this is done once")
    steps = [partial(compute_family, family) for family in FAMILIES] + [_compute_large]
    for step in track(steps, "compiling", len(steps)):
        step()


def _compute_large() -> None:
    """Take the ways of large regions, and of a fixed number of bins."""
    from petnet.radiomics.extractor import FeatureSet, compute
    from petnet.volume import Volume

    values = np.arange(40.0**3).reshape(40, 40, 40)
    image = Volume(values, np.eye(4), "SUVbw", "PT")
    mask = Volume(np.ones(values.shape, dtype=bool), np.eye(4), "label", "MASK")
    feature_set = FeatureSet(
        "large", "PT", ("stat", "ih", "morph"), discretisation="fixed_bin_number", bins=8
    )
    compute([image], [mask], [feature_set], "cpu")
