"""The CUDA kernels on the CPU: the host shim, and a stand-in for CuPy that launches through it."""

import ctypes
import re
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


C_TYPES = {"int": "int32", "long long": "int64", "unsigned long long": "int64"}


def parameters(code, name):
    """Return (is a pointer, NumPy dtype) of each parameter of a kernel, from its source."""
    (signature,) = re.findall(rf"__global__ void {name}\(([^)]*)\)", code)
    made = []
    for parameter in signature.split(","):
        words = parameter.replace("const", "").replace("__restrict__", "").replace("*", " * ")
        *type_, _ = words.split()
        pointer = "*" in type_
        made.append((pointer, np.dtype(C_TYPES[" ".join(w for w in type_ if w != "*")])))
    return made


def as_c(argument, pointer, dtype):
    """Return an argument as CuPy would pass it, having checked that the kernel expects it so.

    NumPy scalars only: CuPy passes a Python int as 64 bits, whatever the kernel's parameter is.
    """
    kind = np.ndarray if pointer else np.generic
    assert isinstance(argument, kind), f"expected {kind}, but got {type(argument)}"
    assert argument.dtype == dtype, f"expected {dtype}, but got {argument.dtype}"
    if not pointer:
        return ctypes.c_int(argument)
    assert argument.flags.c_contiguous
    return ctypes.c_void_p(argument.ctypes.data)


class ShimModule:
    """What `cupy.RawModule` is to cuda.py."""

    def __init__(self, library, code, options):
        assert code == cuda.source("glcm")
        assert options == cuda.NVRTC_OPTIONS
        self.library, self.code = library, code

    def get_function(self, name):
        function = getattr(self.library, f"launch_{name}")
        expected = parameters(self.code, name)

        def launch(grid, block, arguments, shared_mem=0):
            assert shared_mem <= 48 * 1024
            converted = [
                as_c(argument, *parameter)
                for argument, parameter in zip(arguments, expected, strict=True)
            ]
            sizes = [ctypes.c_uint(n) for n in (*grid, *block, shared_mem)]
            trespasses = function(*sizes, *converted)
            assert not trespasses, f"{trespasses} blocks wrote beyond their shared memory"

        return launch


class CompileException(Exception):
    """What NVRTC's refusal becomes; as in CuPy, no RuntimeError."""


class OutOfMemoryError(MemoryError):
    pass


class ShimPool:
    """What CuPy's memory pool is to cuda.py: it only counts."""

    def __init__(self):
        self.freed = 0

    def free_bytes(self):
        return 0

    def free_all_blocks(self):
        self.freed += 1


@pytest.fixture
def shim_cupy(shim_library, monkeypatch):
    """`import cupy` gives NumPy and the shim; small blocks, since each thread is a real one."""
    cupy = ModuleType("cupy")
    cupy.zeros, cupy.asarray, cupy.ascontiguousarray = np.zeros, np.asarray, np.ascontiguousarray
    cupy.int64 = np.int64
    cupy.RawModule = lambda code, options: ShimModule(shim_library, code, options)
    cupy.cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(id=-1),
        runtime=SimpleNamespace(getDeviceCount=lambda: 1, memGetInfo=lambda: (8 << 30, 16 << 30)),
        compiler=SimpleNamespace(CompileException=CompileException),
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    )
    pool = ShimPool()
    cupy.get_default_memory_pool = lambda: pool
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
