"""The first call on a machine: Numba compiles the CPU kernels once, which is said and shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

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
    for family in track(FAMILIES, "compiling", len(FAMILIES)):
        compute_family(family)
