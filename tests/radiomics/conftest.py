"""The CUDA kernels on the CPU: the host shim, and a stand-in for CuPy that launches through it."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from petnet.radiomics.kernels import cuda

SHIM = Path(__file__).parent / "shim"


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to build the host shim with")
    library = tmp_path_factory.mktemp("shim") / "glcm_shim.so"
    include = Path(cuda.__file__).parent
    options = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    subprocess.run(
        [compiler, *options, f"-I{include}", str(SHIM / "glcm_shim.cpp"), "-o", str(library)],
        check=True,
    )
    return ctypes.CDLL(str(library))


class ShimModule:
    """What `cupy.RawModule` is to cuda.py."""

    def __init__(self, library, code, options):
        assert code == cuda.source("glcm")
        assert options == cuda.NVRTC_OPTIONS
        self.library = library

    def get_function(self, name):
        function = getattr(self.library, f"launch_{name}")

        def launch(grid, block, arguments, shared_mem=0):
            assert shared_mem <= 48 * 1024
            converted = [
                ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else ctypes.c_int(a)
                for a in arguments
            ]
            sizes = [ctypes.c_uint(n) for n in (*grid, *block)]
            function(*sizes, *converted)

        return launch


@pytest.fixture
def shim_cupy(shim_library, monkeypatch):
    """`import cupy` gives NumPy and the shim; small blocks, since each thread is a real one."""
    cupy = ModuleType("cupy")
    cupy.zeros, cupy.asarray, cupy.ascontiguousarray = np.zeros, np.asarray, np.ascontiguousarray
    cupy.int64 = np.int64
    cupy.RawModule = lambda code, options: ShimModule(shim_library, code, options)
    cupy.cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(id=-1),
        runtime=SimpleNamespace(getDeviceCount=lambda: 1),
        nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cuda, "BLOCK_THREADS", 4)
    monkeypatch.setattr(cuda, "TILE_VOXELS", 600)
    cuda._kernel.cache_clear()
    yield cupy
    cuda._kernel.cache_clear()
