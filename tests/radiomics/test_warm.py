"""Compiling the kernels once: what is compiled, and that a user is told."""

import subprocess
import sys

import pytest

from petnet.radiomics import warm

COMPILE = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
from petnet.radiomics import warm
print("cold" if warm.is_cold() else "warm")
warm.compile_kernels()
missing = [f.__name__ for f in warm.compiled_functions() if not f.signatures]
print("cold" if warm.is_cold() else "warm", missing)
"""


def test_every_numba_function_is_kept_on_disk():
    """A function without a cache would be compiled anew by every process."""
    functions = list(warm.compiled_functions())
    assert len(functions) > 10
    for function in functions:
        assert function.stats.cache_path, function.__name__


def test_a_kernel_that_changed_is_cold_again(monkeypatch):
    """What an older version left behind is compiled anew, which takes as long as the first time."""
    warm.compile_kernels.cache_clear()
    warm.compile_kernels()
    assert not warm.is_cold()
    found = warm._compiled_in

    def older(folder):
        return {
            name: 0.0 if name == "cpu_zones.count_zones" else t for name, t in found(folder).items()
        }

    monkeypatch.setattr(warm, "_compiled_in", older)
    assert warm.is_cold()


@pytest.mark.full
def test_a_new_machine_is_told_and_then_never_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", COMPILE]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert first.startswith("cold")
    assert "compiling the kernels for this machine; this is done once" in first
    assert first.splitlines()[-1] == "warm []"
    second = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert second.startswith("warm")
    assert "compiling" not in second
