"""The first call on a machine: Numba compiles the CPU kernels once, which is said and shown."""

from __future__ import annotations

import logging
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
    """Whether some kernel has never been compiled for this machine and Python."""
    for function in compiled_functions():
        folder = Path(function.stats.cache_path)
        if not any(folder.glob(f"*.{function.__qualname__}-*.nbi")):
            return True
    return False


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
