"""The `.cu` files on the CPU: built with the host shim, their kernels launched through ctypes."""

import ctypes
import hashlib
import os
import re
import subprocess
from pathlib import Path

import numpy as np
from cupy_standin import DeviceArray, trespassed

from petnet.radiomics.kernels import cuda

SHIM = Path(__file__).parent / "shim"
GXX_OPTIONS = [
    *("-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"),
    *("-fno-strict-aliasing", "-shared", "-fPIC", "-pthread"),
]
MOST_SHARED = 48 * 1024
KERNEL = re.compile(r"__global__ void (\w+)\(([^)]*)\)")
DYNAMIC_SHARED = re.compile(r"extern __shared__ ([\w ]+?) (\w+)\[\];")
SCALARS = {
    "int": (ctypes.c_int, {"int32"}),
    "unsigned int": (ctypes.c_uint, {"uint32", "int32"}),
    "long long": (ctypes.c_longlong, {"int64"}),
    "unsigned long long": (ctypes.c_ulonglong, {"int64", "uint64"}),
    "unsigned char": (ctypes.c_ubyte, {"uint8"}),
    "double": (ctypes.c_double, {"float64"}),
}


def kernels(code):
    """Return the parameters (C type, is a pointer) of each kernel of a source, by its name."""
    return {
        name: [_parameter(text) for text in signature.split(",")]
        for name, signature in KERNEL.findall(code)
    }


def _parameter(text):
    words = re.sub(r"\bconst\b|\b__restrict__\b", "", text).replace("*", " * ").split()
    type_ = " ".join(word for word in words[:-1] if word != "*")
    assert type_ in SCALARS, f"{text.strip()}: add {type_} to the types that the shim passes on"
    return type_, "*" in words


def wrapped(code):
    """Return a source with C functions around its kernels: void *arguments[], as the driver's."""
    shared = r"\1 *const \2 = reinterpret_cast<\1 *>(shim::dynamic_shared);"
    parts = ['#include "cuda_shim.hpp"', "#line 1", DYNAMIC_SHARED.sub(shared, code)]
    for name, parameters in kernels(code).items():
        passed = ", ".join(
            f"*({type_} {'*' * pointer}*)arguments[{k}]"
            for k, (type_, pointer) in enumerate(parameters)
        )
        parts.append(
            f'extern "C" int launch_{name}(const unsigned *sizes, void **arguments)\n'
            "{\n"
            "    return shim::launch({sizes[0], sizes[1], sizes[2]}, {sizes[3], 1, 1}, sizes[4],\n"
            f"                        [&] {{ {name}({passed}); }});\n"
            "}\n"
        )
    return "\n".join(parts)


class Shim:
    """Builds sources as they are asked for; what is built stays in `folder`."""

    def __init__(self, compiler, folder):
        self.compiler, self.folder = compiler, Path(folder)

    def library(self, code):
        text = wrapped(code)
        versions = text + (SHIM / "cuda_shim.hpp").read_text() + " ".join(GXX_OPTIONS)
        target = self.folder / f"{hashlib.sha256(versions.encode()).hexdigest()[:20]}.so"
        if not target.exists():
            source = target.with_suffix(f".{os.getpid()}.cpp")
            built = source.with_suffix(".so")
            source.write_text(text, "utf-8")
            command = [self.compiler, *GXX_OPTIONS, f"-I{SHIM}", str(source), "-o", str(built)]
            subprocess.run(command, check=True)
            source.unlink()
            built.replace(target)
        return ctypes.CDLL(str(target))


class ShimModule:
    """What `cupy.RawModule` is to cuda.py; refuses what the device would silently misread."""

    def __init__(self, shim, code, options):
        assert options == cuda.NVRTC_OPTIONS
        self.library, self.kernels = shim.library(code), kernels(code)

    def get_function(self, name):
        function, parameters = getattr(self.library, f"launch_{name}"), self.kernels[name]

        def launch(grid, block, arguments, shared_mem=0):
            assert shared_mem <= MOST_SHARED
            (threads,) = block
            grid = (*grid, 1, 1)[:3]
            assert all(blocks > 0 for blocks in grid), f"empty grid {grid}"
            assert max(grid[1:]) <= 65535, f"grid {grid} is too large along y or z"
            sizes = (ctypes.c_uint * 5)(*grid, threads, shared_mem)
            values = [as_c(a, *p) for a, p in zip(arguments, parameters, strict=True)]
            addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
            trespasses = function(sizes, addresses)
            assert not trespasses, f"{trespasses} blocks wrote beyond their shared memory"
            beyond = [k for k, argument in enumerate(arguments) if trespassed(argument)]
            assert not beyond, f"{name} wrote beyond its arguments {beyond}"

        return launch


def as_c(argument, type_, pointer):
    """Return an argument as CuPy would pass it, having checked that the kernel expects it so.

    Device arrays and NumPy scalars only: CuPy takes no host array, and passes a Python int as 64
    bits, whatever the kernel's parameter is.
    """
    scalar, dtypes = SCALARS[type_]
    kind = DeviceArray if pointer else np.generic
    assert isinstance(argument, kind), f"expected {kind}, but got {type(argument)}"
    assert argument.dtype.name in dtypes, f"expected {dtypes}, but got {argument.dtype}"
    if not pointer:
        return scalar(argument.item())
    assert argument.flags.c_contiguous, "expected a contiguous array, but got a strided one"
    return ctypes.c_void_p(argument.ctypes.data)
