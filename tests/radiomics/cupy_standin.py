"""A stand-in for CuPy where there is no GPU: NumPy's functions on arrays marked as the device's.

Stricter than NumPy where CuPy is: its functions take no host arrays, and memory that was not set
holds rubbish. What `empty`, `full` and `zeros` allocate lies between guards, so that a kernel's
trespass is noticed. Operators are not watched: formulas choose their namespace by the array, and a
marked array is still NumPy's to them.
"""

import math
from functools import wraps
from types import ModuleType, SimpleNamespace

import numpy as np

GUARD_BYTES, RUBBISH = 4096, 0xA5


class DeviceArray(np.ndarray):
    """An array that lies on the device, as far as the tests are concerned."""

    def get(self):
        return np.asarray(self).view(np.ndarray)


class CompileException(Exception):
    """What NVRTC's refusal becomes; as in CuPy, no RuntimeError."""


class OutOfMemoryError(MemoryError):
    pass


class Pool:
    """What CuPy's memory pool is to cuda.py: it only counts, and says what it is told to."""

    def __init__(self):
        self.freed, self.free = 0, 0

    def free_bytes(self):
        return self.free

    def free_all_blocks(self):
        self.freed += 1


class Plans:
    """CuPy's cache of plans for transforms, which hold memory of the pool."""

    def __init__(self):
        self.cleared, self.held = 0, 0

    def get_curr_memsize(self):
        return self.held

    def clear(self):
        self.cleared += 1


def marked(result):
    """Mark what a function returned."""
    if hasattr(result, "_fields"):
        return type(result)(*map(marked, result))
    if isinstance(result, tuple | list):
        return type(result)(map(marked, result))
    if isinstance(result, DeviceArray) or not isinstance(result, np.ndarray):
        return result
    return result.view(DeviceArray)


def refuse_host_arrays(arguments):
    for argument in arguments:
        if isinstance(argument, tuple | list):
            refuse_host_arrays(argument)
        elif isinstance(argument, np.ndarray) and not isinstance(argument, DeviceArray):
            raise TypeError(f"Unsupported type {type(argument)}: a host array on the device")


def on_device(function):
    """Return a function of NumPy as CuPy has it."""

    @wraps(function)
    def call(*arguments, **options):
        refuse_host_arrays([*arguments, *options.values()])
        return marked(function(*arguments, **options))

    return call


def uploading(function):
    """Return one of the few functions that take host arrays too."""
    return lambda array, *arguments, **options: marked(function(array, *arguments, **options))


def guarded(shape, dtype, value):
    shape = (shape,) if np.isscalar(shape) else tuple(shape)
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(GUARD_BYTES + size + GUARD_BYTES, np.uint8)
    memory[:GUARD_BYTES] = memory[-GUARD_BYTES:] = RUBBISH
    inner = memory[GUARD_BYTES : GUARD_BYTES + size]
    array = inner.view(dtype).reshape(shape).view(DeviceArray)
    array.memory = memory
    if value is None:
        inner[:] = RUBBISH
    else:
        array[...] = value
    return array


def empty(shape, dtype=np.float64):
    return guarded(shape, dtype, None)


def full(shape, value, dtype=None):
    return guarded(shape, np.asarray(value).dtype if dtype is None else dtype, value)


def zeros(shape, dtype=np.float64):
    return guarded(shape, dtype, 0)


def trespassed(array):
    """Whether something wrote beyond the memory that was allocated for an array."""
    memory = getattr(array, "memory", None)
    if memory is None:
        return False
    return bool((memory[:GUARD_BYTES] != RUBBISH).any() or (memory[-GUARD_BYTES:] != RUBBISH).any())


def bincount(array, weights=None, minlength=0):
    """CuPy looks for the greatest value first, which an empty array has not."""
    np.max(array)
    return np.bincount(array, weights, minlength)


def standin(raw_module):
    """Return a module for `sys.modules["cupy"]`; `raw_module(code, options)` compiles."""
    cupy = ModuleType("cupy")
    cupy.ndarray, cupy.RawModule = DeviceArray, raw_module
    for name in ("asarray", "array", "ascontiguousarray"):
        setattr(cupy, name, uploading(getattr(np, name)))
    for function in (empty, full, zeros, bincount):
        setattr(cupy, function.__name__, on_device(function))
    cupy.empty_like = lambda array, dtype=None: empty(array.shape, dtype or array.dtype)
    cupy.asnumpy = lambda array: np.asarray(array).view(np.ndarray)
    cupy.cuda = SimpleNamespace(
        Device=lambda: SimpleNamespace(id=-1),
        runtime=SimpleNamespace(getDeviceCount=lambda: 1, memGetInfo=lambda: (8 << 30, 16 << 30)),
        compiler=SimpleNamespace(CompileException=CompileException),
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    )
    pool, plans = Pool(), Plans()
    cupy.get_default_memory_pool = lambda: pool
    cupy.fft = SimpleNamespace(
        config=SimpleNamespace(get_plan_cache=lambda: plans), rfft=on_device(np.fft.rfft)
    )

    def fall_back(name):
        found = getattr(np, name)
        return on_device(found) if callable(found) and not isinstance(found, type) else found

    cupy.__getattr__ = fall_back
    return cupy
