"""The CUDA kernels on the CPU, and each device that counts."""

import shutil
import sys

import pytest
from cuda_shim import Shim, ShimModule
from cupy_standin import standin

from petnet.radiomics.kernels import cuda


@pytest.fixture(scope="session")
def shim(tmp_path_factory, request):
    """Build the sources once per text: pytest's cache keeps them for the next run."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to build the host shim with")
    cache = getattr(request.config, "cache", None)  # pytest -p no:cacheprovider has none
    return Shim(compiler, cache.mkdir("cuda_shim") if cache else tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim_cupy(shim, monkeypatch):
    """`import cupy` gives NumPy and the shim; small blocks, since each thread is a real one."""
    cupy = standin(lambda code, options: ShimModule(shim, code, options))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cuda, "BLOCK_THREADS", 4)
    monkeypatch.setattr(cuda, "TILE_VOXELS", 600)
    forget()
    yield cupy
    forget()


def forget():
    """Drop what cuda.py keeps for the life of a process."""
    cuda._kernel.cache_clear()
    cuda.unusable_reason.cache_clear()


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """Each device; a real one."""
    reason = cuda.unusable_reason() if request.param == "cuda" else None
    if reason:
        pytest.skip(reason)
    return request.param
