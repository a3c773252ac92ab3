"""Whether CUDA can be used, and how much of its memory: on the stand-in for CuPy."""

import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pandas as pd
import pytest
from count_oracles import random_regions
from test_dispatch import level_regions
from test_extractor import SET, lesion

from petnet.errors import InputError
from petnet.radiomics import autocorrelation
from petnet.radiomics.catalogue import FAMILIES
from petnet.radiomics.extractor import extract_batch
from petnet.radiomics.kernels import cuda, dispatch
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.radiomics.texture import Aggregation

AGGREGATIONS = get_args(Aggregation)


def refuse(error):
    def fail(*_, **__):
        raise error

    return fail


def no_header(cupy):
    compiler = cupy.cuda.compiler.CompileException
    cupy.RawModule = refuse(compiler("\ncuda_fp16.h: cannot open source file\n1 error"))


def no_folder(cupy):
    cupy.RawModule = refuse(PermissionError(13, "Permission denied", "/nowhere/.cupy"))


def no_memory(cupy):
    cupy.zeros = refuse(cupy.cuda.memory.OutOfMemoryError("Out of memory allocating 512 bytes"))


def no_driver(cupy):
    cupy.cuda.runtime.getDeviceCount = refuse(RuntimeError("cudaErrorInsufficientDriver"))


def no_device(cupy):
    cupy.cuda.runtime.getDeviceCount = lambda: 0


def no_transforms(cupy):
    cupy.fft.rfft = refuse(ImportError("libcufft.so.12: cannot open shared object file"))


def no_product(cupy):
    cupy.ones = lambda shape: cupy.zeros(shape)


def no_sense(cupy):
    cupy.RawModule = lambda code, options: type(
        "Silent", (), {"get_function": lambda *_: lambda *a, **k: None}
    )()


BROKEN = {
    no_header: r"cannot compile .*cuda_fp16\.h: cannot open source file; the extra must fit",
    no_folder: r"cannot keep .*Permission denied.*let CUPY_CACHE_DIR name a folder",
    no_memory: r"the device is full: Out of memory allocating 512 bytes; end what else runs",
    no_driver: r"does not answer: cudaErrorInsufficientDriver",
    no_device: r"no CUDA device is visible",
    no_transforms: r"does not answer: libcufft\.so\.12",
    no_product: r"transform of 2, 2 begins with 0",
    no_sense: r"the device counts 0 neighbours where there are 2",
}


@pytest.mark.parametrize(
    ("damage", "message"), BROKEN.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_what_cannot_count_is_not_usable(shim_cupy, caplog, damage, message):
    damage(shim_cupy)
    with pytest.raises(InputError, match=rf"device=cuda asks.*{message}.*or choose device=cpu"):
        resolve_device("cuda")
    with caplog.at_level("INFO"):
        assert resolve_device("auto") == "cpu"
    assert cuda.unusable_reason() in caplog.text


def test_what_counts_is_usable_and_is_tried_once(shim_cupy):
    made = []
    whole = shim_cupy.zeros
    shim_cupy.zeros = lambda *a, **k: made.append(a) or whole(*a, **k)
    assert resolve_device("cuda") == "cuda"
    once = len(made)
    assert once > 0
    assert resolve_device("cuda") == resolve_device("auto") == "cuda"
    assert len(made) == once


def test_without_cupy_there_is_a_reason():
    code = (
        "import sys; sys.modules['cupy'] = None;"
        "from petnet.radiomics.kernels.cuda import unusable_reason; print(unusable_reason())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("CuPy cannot be imported")


@pytest.mark.parametrize(
    ("free", "expected"), [(80 << 30, 512 << 20), (1 << 30, 128 << 20), (0, 0)]
)
def test_chunks_follow_the_free_memory(shim_cupy, monkeypatch, free, expected):
    shim_cupy.cuda.runtime.memGetInfo = lambda: (free, 80 << 30)
    assert cuda.chunk_bytes() == expected
    shim_cupy.get_default_memory_pool().free_bytes = lambda: 8 << 20
    assert cuda.chunk_bytes() == min(512 << 20, expected + (1 << 20))
    regions = level_regions(random_regions(5, seed=1))
    batches = dispatch.texture_batches(regions, ["glcm"], ["3D_mrg"], "cuda")
    assert sum(len(batch.index) for batch in batches) == 5


def test_most_memory_is_given_back_after_a_batch_and_all_after_a_failure(shim_cupy):
    image, mask = lesion(1)
    pool, plans = shim_cupy.get_default_memory_pool(), shim_cupy.fft.config.get_plan_cache()
    theirs = replace(SET, naming="pyradiomics", aggregations=("3D_avg",))
    pool.free = 16 << 30 >> 5  # a 32nd of the device's memory
    extract_batch([image], [mask], SET, "cuda")
    assert (pool.freed, plans.cleared) == (0, 0)
    plans.held = 1
    extract_batch([image], [mask], SET, "cuda")
    assert (pool.freed, plans.cleared) == (1, 1)
    pool.free, plans.held = 1, 0
    shim_cupy.zeros = refuse(shim_cupy.cuda.memory.OutOfMemoryError("Out of memory"))
    with pytest.raises(InputError, match=r"free memory: expected .*, but got Out of memory"):
        extract_batch([image], [mask], SET, "cuda")
    assert pool.freed == 2
    extract_batch([image], [mask], SET, "cpu")
    assert pool.freed == 2
    with pytest.raises(InputError, match=r"free memory: expected .*, but got Out of memory"):
        extract_batch([image], [mask], theirs, "cuda")
    assert pool.freed > 2


@pytest.mark.parametrize("paired", [8192, 30])
def test_every_family_that_can_uses_the_device(shim_cupy, monkeypatch, paired):
    """Sets that share their regions share the sums; numbers are those of the CPU to rounding."""
    monkeypatch.setattr(autocorrelation, "PAIRED_ON_CUDA", paired)
    launched, launch = [], cuda.launch
    noted = lambda family, name, *a, **k: launched.append(name) or launch(family, name, *a, **k)  # noqa: E731
    monkeypatch.setattr(cuda, "launch", noted)
    every = replace(SET, families=FAMILIES, aggregations=AGGREGATIONS)
    sets = [replace(every, name="plain", autocorrelation=False), every]
    images, masks = zip(*[lesion(k, s) for k, s in enumerate([(6, 5, 4), (1, 1, 1)])], strict=True)
    on_cuda = extract_batch(images, masks, sets, "cuda")
    assert launched.count("mesh_patterns") == launched.count("coordinate_moments") == 1
    assert launched.count("pair_sums") == (1 if paired > 120 else 0)
    on_cpu = extract_batch(images, masks, sets, "cpu")
    pd.testing.assert_frame_equal(on_cuda, on_cpu, rtol=1e-9, atol=1e-12)
    assert on_cpu["pt__original_morph_morans_i_index"].notna().tolist() == [True, False]


@pytest.mark.gpu
def test_the_device_keeps_little_memory_after_a_batch():
    if reason := cuda.unusable_reason():
        pytest.skip(reason)
    import cupy

    images, masks = zip(*[lesion(seed) for seed in range(20)], strict=True)
    extract_batch(images, masks, SET, "cuda")
    _, total = cupy.cuda.runtime.memGetInfo()
    assert cupy.get_default_memory_pool().total_bytes() <= total * cuda.KEPT_SHARE
    assert 0 < cuda.chunk_bytes() <= 512 << 20
