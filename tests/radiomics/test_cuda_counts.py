"""Texture counts of the CUDA kernels: `.cu` = brute force = Numba, count for count.

On the host shim wherever there is a g++, and on a real device where there is one.
"""

import re
import shutil
import subprocess
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from count_oracles import (
    FAMILIES,
    WAYS,
    assert_same_counts,
    brute_force,
    random_regions,
    region_of,
)
from cuda_shim import kernels
from scipy.ndimage import uniform_filter

from petnet.errors import InputError
from petnet.radiomics.kernels import cpu, cuda
from petnet.radiomics.kernels.counts import Packed, Request, pack

SOURCES = sorted(Path(cuda.__file__).parent.glob("*.cu"))
TILE_VOXELS = cuda.TILE_VOXELS  # of the device; the shim's are smaller
WITHOUT_ZONES = FAMILIES - {"glszm", "gldzm"}
#: The kernels of cuda_texture.py by their sources.
KERNELS = {
    "histogram": "histogram_counts",
    "glcm": "glcm_counts",
    "glrlm": "glrlm_counts",
    "neighbours": "neighbour_counts",
}


def batches(regions, families, size=40):
    """Yield (regions, packed, request): regions of about as many levels, the ways in turn."""
    order = sorted(regions, key=lambda region: region.n_levels)
    ways = cycle(WAYS)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        levels, inside = [r.levels for r in chosen], [r.inside for r in chosen]
        request = Request(families, *next(ways), chosen[-1].n_levels, alpha=start // size % 3)
        yield chosen, pack(levels, inside), request


def assert_batch_equals_brute_force(chosen, packed, request):
    counts = cuda.texture_counts(packed, request)
    for r, region in enumerate(chosen):
        expected = brute_force(region.levels, region.inside, request)
        assert_same_counts(region_of(counts, packed, request, r), expected)


def assert_all_equal(regions, families=WITHOUT_ZONES):
    for batch in batches(regions, families):
        assert_batch_equals_brute_force(*batch)


def test_brute_force_1000_volumes(shim_cupy):
    assert_all_equal(random_regions(1000, seed=2))


@pytest.mark.parametrize("shared_bytes", [0, 300])
def test_brute_force_with_little_shared_memory(shim_cupy, monkeypatch, shared_bytes):
    """With 300 bytes few levels are counted in shared memory, and of runs the shortest."""
    monkeypatch.setattr(cuda, "SHARED_BYTES", shared_bytes)
    assert_all_equal(random_regions(100, seed=3))


@pytest.mark.parametrize(("threads", "tile"), [(1, 7), (3, 50), (32, 4096)])
def test_brute_force_other_blocks_and_tiles(shim_cupy, monkeypatch, threads, tile):
    monkeypatch.setattr(cuda, "BLOCK_THREADS", threads)
    monkeypatch.setattr(cuda, "TILE_VOXELS", tile)
    chosen = [region for region in random_regions(40, seed=4) if region.n_levels <= 16]
    assert len(chosen) > 10
    for way in WAYS:
        request = Request(WITHOUT_ZONES, *way, n_levels=16, alpha=1)
        packed = pack([r.levels for r in chosen], [r.inside for r in chosen])
        assert_batch_equals_brute_force(chosen, packed, request)


def test_brute_force_all_families(shim_cupy):
    assert_all_equal(random_regions(100, seed=5), FAMILIES)


def test_numba_one_region_of_many_tiles(shim_cupy):
    """A ball of smooth levels, of which re-segmentation has taken some."""
    grid = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"))
    inside = ((grid - 19.5) ** 2).sum(axis=0) < 20**2
    noise = np.random.default_rng(9).normal(size=inside.shape)
    levels = np.clip(np.rint(32 + 60 * uniform_filter(noise, 3)), 1, 64).astype(int)
    packed = pack([np.where(inside & (levels < 50), levels, 0)] * 2, [inside] * 2)
    for way in WAYS:
        request = Request(FAMILIES, *way, n_levels=64, alpha=1)
        found = cuda.texture_counts(packed, request)
        assert_same_counts(found, cpu.texture_counts(packed, request))


@pytest.mark.full
def test_brute_force_10000_volumes(shim_cupy):
    assert_all_equal(random_regions(10_000, seed=6), FAMILIES)


@pytest.mark.gpu
@pytest.mark.parametrize("tile", [600, TILE_VOXELS])
def test_brute_force_1000_volumes_on_the_device(monkeypatch, tile):
    if reason := cuda.unusable_reason():
        pytest.skip(reason)
    monkeypatch.setattr(cuda, "TILE_VOXELS", tile)
    assert_all_equal(random_regions(1000, seed=2), FAMILIES)


@pytest.mark.gpu
def test_brute_force_without_shared_memory_on_the_device(monkeypatch):
    if reason := cuda.unusable_reason():
        pytest.skip(reason)
    monkeypatch.setattr(cuda, "SHARED_BYTES", 0)
    assert_all_equal(random_regions(100, seed=3), FAMILIES)


def test_analytic_flat_box_of_many_tiles(shim_cupy):
    """A box of one level, of a height that is no power of two: all counts have closed forms."""
    nx, ny, nz = 20, 30, 50
    packed = pack([np.full((nx, ny, nz), 3)])
    request = Request(WITHOUT_ZONES, planes=True, volume=True, by_slice=True, n_levels=4)
    counts = cuda.texture_counts(packed, request)
    assert counts.histogram[0].tolist() == [0, 0, nx * ny * nz, 0]
    assert counts.plane_histogram[:, 2].tolist() == [nx * ny] * nz
    pairs = 2 * np.array([nx * ny, (nx - 1) * (ny - 1), (nx - 1) * ny, (nx - 1) * (ny - 1)])
    pairs[0] = 2 * nx * (ny - 1)
    assert (counts.glcm_planes[:, :, 2, 2] == pairs).all()
    assert counts.glcm_planes.sum() == pairs.sum() * nz
    assert counts.glcm_through[0, 0, 2, 2] == 2 * nx * ny * (nz - 1)
    assert counts.glrlm_planes[:, 0, 2, ny - 1].tolist() == [nx] * nz
    assert counts.glrlm_through[0, 0, 2, nz - 1] == nx * ny
    inner = (nx - 2) * (ny - 2) * (nz - 2)
    assert counts.ngtdm_volume[0, 2, 26].tolist() == [inner, 0]
    assert counts.ngldm_volume[0, 2, [7, 26]].tolist() == [8, inner]


def test_largest_sums_fit(shim_cupy, monkeypatch):
    """The most levels that are counted in shared memory, one tile of full size in 32 bits."""
    monkeypatch.setattr(cuda, "TILE_VOXELS", TILE_VOXELS)
    levels = np.full((16, 16, 16), 151, dtype=np.int32)
    levels[::2, ::2, ::2] = 1
    request = Request(frozenset({"ngtdm"}), False, True, False, n_levels=151)
    counts = cuda.texture_counts(pack([levels]), request)
    assert_same_counts(counts, brute_force(levels, levels > 0, request))
    assert 3 * 151 * 27 * 4 <= cuda.SHARED_BYTES < 3 * 152 * 27 * 4
    assert TILE_VOXELS * 26 * 151 < 2**32


def test_nothing_asked_nothing_counted(shim_cupy):
    packed = pack([np.ones((2, 2, 2), int)])
    counts = cuda.texture_counts(packed, Request(WITHOUT_ZONES, False, False, False, 1))
    assert counts.histogram.tolist() == [[8]]
    assert counts.glcm_planes is None
    counts = cuda.texture_counts(packed, Request(frozenset({"glcm"}), True, True, False, 1))
    assert counts.glcm_planes is not None
    assert counts.glrlm_planes is None
    assert counts.ngldm_volume is None


def test_no_regions_no_rows(shim_cupy):
    request = Request(WITHOUT_ZONES, planes=True, volume=True, by_slice=True, n_levels=5)
    counts = cuda.texture_counts(pack([]), request)
    assert counts.histogram.shape == (0, 5)
    assert counts.glcm_planes.shape == (0, 4, 5, 5)


def test_regions_on_the_device_are_taken(shim_cupy):
    region = random_regions(2, seed=7)[1]
    host = pack([region.levels], [region.inside])
    arrays = (host.levels, host.inside, host.offsets, host.shapes)
    request = Request(WITHOUT_ZONES, planes=True, volume=True, by_slice=True, n_levels=256)
    assert_same_counts(
        cuda.texture_counts(Packed(*map(cuda.to_device, arrays)), request),
        brute_force(region.levels, region.inside, request),
    )


def test_regions_too_large_for_the_kernels_are_refused(shim_cupy):
    shapes = np.array([[1, 1, 1], [1 << 11, 1 << 10, 1 << 10]], dtype=np.int32)
    packed = Packed(np.ones(1, np.int32), np.ones(1, np.uint8), np.zeros(2, np.int64), shapes)
    with pytest.raises(InputError, match=r"region 1.*voxels: expected at most 2147483647, but got"):
        cuda.texture_counts(packed, Request(WITHOUT_ZONES, False, True, False, 1))


def test_tiles_cover_every_voxel_once():
    shapes = np.array([[1, 1, 1], [5, 5, 5], [0, 3, 3], [10, 1, 1]], dtype=np.int32)
    region, start = cuda.tiles(shapes, tile_voxels=10)
    assert region.tolist() == [0, *[1] * 13, 3]
    assert start.tolist() == [0, *range(0, 125, 10), 0]


# ---------------------------------------------------------------- what the shim notices


def launched_otherwise(monkeypatch, name, change):
    """Let a kernel be launched by `change(launch, grid, block, arguments, shared_mem)`."""
    whole = cuda._kernel

    def altered(family, kernel, device_id):
        launch = whole(family, kernel, device_id)
        return partial(change, launch) if kernel == name else launch

    altered.cache_clear = whole.cache_clear
    monkeypatch.setattr(cuda, "_kernel", altered)


def count_something():
    """Regions of 4 levels, of runs and neighbourhoods of many kinds."""
    levels = np.random.default_rng(8).integers(0, 5, size=(7, 8, 9))
    request = Request(WITHOUT_ZONES, planes=True, volume=True, by_slice=True, n_levels=4)
    return cuda.texture_counts(pack([levels, levels]), request)


@pytest.mark.parametrize("name", KERNELS.values())
@pytest.mark.parametrize("asked", [0, 4])
def test_shim_notices_too_little_shared_memory(shim_cupy, monkeypatch, name, asked):
    def change(launch, grid, block, arguments, shared_mem):
        launch(grid, block, arguments, shared_mem=asked)

    launched_otherwise(monkeypatch, name, change)
    with pytest.raises(AssertionError, match=r"\d+ blocks wrote beyond their shared memory"):
        count_something()


def swapped(argument):
    """The same argument as another type."""
    if isinstance(argument, np.ndarray):
        return argument.astype(np.int32 if argument.dtype == np.int64 else np.int64)
    return int(argument)


@pytest.mark.parametrize(("family", "name"), KERNELS.items())
def test_shim_notices_arguments_of_another_type(shim_cupy, monkeypatch, family, name):
    n_arguments = len(kernels(cuda.source(family))[name])
    for position in range(n_arguments):

        def change(launch, grid, block, arguments, shared_mem, position=position):
            made = [swapped(a) if k == position else a for k, a in enumerate(arguments)]
            launch(grid, block, tuple(made), shared_mem=shared_mem)

        with monkeypatch.context() as patch:
            launched_otherwise(patch, name, change)
            with pytest.raises(AssertionError, match=r"expected .*, but got"):
                count_something()


def test_shim_notices_host_arrays(shim_cupy, monkeypatch):
    def change(launch, grid, block, arguments, shared_mem):
        host = [cuda.to_host(a) if isinstance(a, np.ndarray) else a for a in arguments]
        launch(grid, block, tuple(host), shared_mem=shared_mem)

    launched_otherwise(monkeypatch, "glcm_counts", change)
    with pytest.raises(AssertionError, match=r"expected .*DeviceArray.*, but got .*numpy.ndarray"):
        count_something()
    with pytest.raises(TypeError, match="host array on the device"):
        shim_cupy.concatenate([np.zeros(3), np.zeros(3)])


@pytest.mark.parametrize("name", KERNELS.values())
def test_shim_notices_writes_beyond_an_array(shim_cupy, monkeypatch, name):
    """The last array, which is counted into, one row too short."""

    def change(launch, grid, block, arguments, shared_mem):
        *others, counts = arguments
        short = shim_cupy.zeros((len(counts) - 1, *counts.shape[1:]), np.int64)
        launch(grid, block, (*others, short), shared_mem=shared_mem)

    launched_otherwise(monkeypatch, name, change)
    with pytest.raises(AssertionError, match=rf"{name} wrote beyond its arguments \[\d+\]"):
        count_something()


def test_standin_leaves_rubbish_in_unset_memory(shim_cupy):
    assert (shim_cupy.empty((2, 3), np.int32) != 0).all()


# ---------------------------------------------------------------- what nvcc makes of the sources


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_source_compiles_to_ptx(path, architecture, tmp_path):
    """Of integers only, but for the sums of autocorrelation."""
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc here")
    code = cuda.source(path.stem)
    source, target = tmp_path / path.name, tmp_path / "made.ptx"
    source.write_text(code)
    command = [compiler, "-ptx", f"-arch={architecture}", *cuda.NVRTC_OPTIONS]
    subprocess.run([*command, str(source), "-o", str(target)], check=True)
    text = target.read_text()
    assert set(re.findall(r"\.entry (\w+)", text)) == set(kernels(code))
    assert kernels(code)
    if path.stem != "autocorrelation":
        assert not re.search(r"\.f(16|32|64)\b", text)
