"""Each filter against its formula, an analytic response, or a library run beside it."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import pywt
from scipy import signal

from petnet.radiomics.filters import (
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    Riesz,
    SeparableWavelet,
    Simoncelli,
    apply_filter,
)

SPACING = (1.0, 1.0, 1.0)
LAWS = {
    "L5": np.array([1, 4, 6, 4, 1]) / math.sqrt(70),
    "E5": np.array([-1, -2, 0, 2, 1]) / math.sqrt(10),
    "S5": np.array([-1, 0, 2, 0, -1]) / math.sqrt(6),
    "W5": np.array([-1, 2, 0, -2, 1]) / math.sqrt(10),
    "R5": np.array([1, -4, 6, -4, 1]) / math.sqrt(70),
    "L3": np.array([1, 2, 1]) / math.sqrt(6),
    "E3": np.array([-1, 0, 1]) / math.sqrt(2),
    "S3": np.array([-1, 2, -1]) / math.sqrt(6),
}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def impulse(n):
    image = np.zeros((n, n, n))
    image[n // 2, n // 2, n // 2] = 1.0
    return image


def wave(shape, cycles, phase=0.0):
    """Return cos(2π (c · x / n) + phase): whole cycles over the image along each axis."""
    angles = [2 * np.pi * c * np.arange(n) / n for c, n in zip(cycles, shape, strict=True)]
    x, y, z = np.meshgrid(*angles, indexing="ij")
    return np.cos(x + y + z + phase)


@pytest.mark.parametrize("dimension", [2, 3])
def test_brute_force_mean(dimension):
    image = noise(9, 8, 7)
    shifts = itertools.product(range(-2, 3), repeat=dimension)
    axes = tuple(range(dimension))
    expected = np.mean([np.roll(image, shift, axes) for shift in shifts], axis=0)
    found = apply_filter(image, SPACING, Mean(5, dimension, "periodic"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kernel", ["E5L5S5", "W5R5L3", "S3E3E5", "L5E3", "W5S5"])
def test_brute_force_laws(kernel):
    """Convolution, first kernel on x; the energy is the mean of absolute values in a box."""
    image = noise(11, 12, 10)
    letters = [LAWS[kernel[i : i + 2]] for i in range(0, len(kernel), 2)]
    full = np.ones(1)
    for taps in (*letters, np.ones(1))[:3]:
        full = np.multiply.outer(full, taps)
    expected = signal.convolve(image, full[0], mode="same", method="direct")
    found = apply_filter(image, SPACING, Laws(kernel, boundary="zero"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    box = np.ones((7, 7, 7 if len(letters) == 3 else 1))
    energy = signal.convolve(np.abs(expected), box / box.size, mode="same", method="direct")
    found = apply_filter(image, SPACING, Laws(kernel, energy_distance=3, boundary="zero"))
    np.testing.assert_allclose(found, energy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3])
def test_analytic_log_of_an_impulse(dimension):
    n, mm, sigma_mm = 31, 2.0, 5.0
    s = sigma_mm / mm
    x = np.arange(n) - n // 2
    squares = [x**2] * dimension
    r2 = sum(np.meshgrid(*squares, indexing="ij"))
    norm = (s * math.sqrt(2 * math.pi)) ** -dimension
    expected = -(1 / s**2) * norm * (dimension - r2 / s**2) * np.exp(-r2 / (2 * s**2))
    inside = np.abs(x) <= math.floor(4 * s + 0.5)
    expected[~np.logical_and.reduce(np.meshgrid(*[inside] * dimension))] = 0.0
    filter_ = LaplacianOfGaussian(sigma_mm, dimension=dimension, boundary="zero")
    found = apply_filter(impulse(n), (mm,) * 3, filter_)
    found = found if dimension == 3 else found[:, :, n // 2]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.1, 1.7)])
def test_analytic_log_of_a_paraboloid(spacing):
    """∇²(r²) = 6 in space, whatever the form of the voxels; times the mean voxel edge squared."""
    x, y, z = np.meshgrid(*[mm * (np.arange(41) - 20) for mm in spacing], indexing="ij")
    filter_ = LaplacianOfGaussian(1.7, truncate_sigmas=7)
    found = apply_filter(x**2 + y**2 + z**2, spacing, filter_)[20, 20, 20]
    assert found == pytest.approx(6 * math.prod(spacing) ** (2 / 3), rel=1e-5)


def test_analytic_gabor_of_an_impulse():
    """The modulus is the envelope: long across the wave for γ < 1, turned by θ from x to y."""
    spacing, n = (0.7, 1.2, 3.0), 61
    filter_ = Gabor(3.0, 4.0, 0.6, theta_deg=30, boundary="zero")
    found = apply_filter(impulse(n), spacing, filter_)
    x, y = np.meshgrid(*[mm * (np.arange(n) - n // 2) for mm in spacing[:2]], indexing="ij")
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    u, v = x * cos + y * sin, -x * sin + y * cos
    expected = np.exp(-(u**2 + 0.36 * v**2) / (2 * 3.0**2))
    near = (np.abs(x) <= 20) & (np.abs(y) <= 20)  # 4 σ / γ
    np.testing.assert_allclose(found[:, :, n // 2][near], expected[near], rtol=0, atol=1e-12)
    assert np.abs(found[:, :, n // 2 + 1]).max() < 1e-12


def test_analytic_gabor_of_a_plane_wave():
    """A wave of its own frequency and direction gives half the integral of the envelope."""
    theta, wavelength = math.radians(35), 5.0
    x, y, _ = np.meshgrid(*[np.arange(n) for n in (80, 80, 1)], indexing="ij")
    image = np.cos(2 * np.pi * (x * math.cos(theta) + y * math.sin(theta)) / wavelength)

    def centre(angle):
        filter_ = Gabor(4.0, wavelength, 0.8, theta_deg=angle)
        return apply_filter(image, SPACING, filter_)[40, 40, 0]

    assert centre(35) == pytest.approx(math.pi * 4.0**2 / 0.8, rel=1e-3)
    assert centre(35 + 180) == pytest.approx(centre(35), rel=1e-12)
    assert centre(-35) < 0.01 * centre(35)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_gabor_pools_orientations_then_planes(pooling):
    image, spacing = noise(12, 11, 10), (1.0, 1.5, 2.0)
    settings = {"sigma_mm": 2.0, "wavelength_mm": 3.5, "gamma": 1.4}
    planes = []
    for order in [(0, 1, 2), (1, 2, 0), (0, 2, 1)]:
        turned, edges = image.transpose(order), [spacing[axis] for axis in order]
        each = [
            apply_filter(turned, edges, Gabor(**settings, theta_deg=theta))
            for theta in (0, 45, 90, 135, 180, 225, 270, 315)
        ]
        pooled = np.max(each, axis=0) if pooling == "max" else np.mean(each, axis=0)
        planes.append(pooled.transpose(np.argsort(order)))
    filter_ = Gabor(**settings, theta_step_deg=45, pooling=pooling, orthogonal_planes=True)
    found = apply_filter(image, spacing, filter_)
    np.testing.assert_allclose(found, np.mean(planes, axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db3", "coif1", "sym4"])
@pytest.mark.parametrize("level", [1, 2])
def test_pywavelets_stationary_transform(wavelet, level):
    """The same sub-bands, but for PyWavelets' own choice of the kernels' centres."""
    image = noise(16, 16, 16)
    found = pywt.swtn(image, wavelet, level, trim_approx=False)[0]
    for letters, theirs in found.items():
        subband = letters.replace("a", "L").replace("d", "H")
        ours = apply_filter(
            image, SPACING, SeparableWavelet(wavelet, subband, level, boundary="periodic")
        )
        where = [np.argmax(np.abs(a)) for a in (ours, theirs)]
        shift = np.subtract(*[np.unravel_index(i, image.shape) for i in where])
        assert len(set(shift.tolist())) == 1  # one shift, the same along all axes
        np.testing.assert_allclose(ours, np.roll(theirs, shift, (0, 1, 2)), rtol=0, atol=1e-10)


def test_analytic_wavelets_keep_the_energy():
    """|L|² + |H|² = 2 on each axis, so that the eight sub-bands have eight times the energy."""
    image = noise(12, 11, 10)
    bands = [
        apply_filter(image, SPACING, SeparableWavelet("db2", "".join(b), boundary="periodic"))
        for b in itertools.product("LH", repeat=3)
    ]
    assert sum((band**2).sum() for band in bands) == pytest.approx(8 * (image**2).sum())


@pytest.mark.parametrize("dimension", [2, 3])
def test_analytic_simoncelli_bands_keep_the_energy(dimension):
    """cos² of one band and cos² of the next sum to one over the octave that they share.

    An odd size puts IBSI's grid on the frequencies of the transform: 16 cycles of 65 are 0.5.
    """
    shape = (65, 65, 65)
    for cycles in [(10, 0, 0), (3, 6, 0), (1, 15, 0), (16, 0, 0), (2, 2, 0)]:
        image = wave(shape, cycles, phase=0.3)
        bands = [apply_filter(image, SPACING, Simoncelli(j, dimension)) for j in range(1, 6)]
        assert sum((band**2).sum() for band in bands) == pytest.approx((image**2).sum())
    np.testing.assert_allclose(bands_of_half_frequency(dimension), [1, 0, 0], atol=1e-12)


def bands_of_half_frequency(dimension):
    """Amplitudes of a wave at half of the highest frequency: all of it is in the first band."""
    image = wave((65, 65, 65), (0, 16, 0))
    return [np.abs(apply_filter(image, SPACING, Simoncelli(j, dimension))).max() for j in (1, 2, 3)]


def test_simoncelli_in_slices_is_blind_to_the_third_axis():
    image = wave((17, 19, 13), (3, 2, 0)) * noise(1, 1, 13)
    found = apply_filter(image, SPACING, Simoncelli(1, 2))
    each = [apply_filter(image[:, :, i : i + 1], SPACING, Simoncelli(1, 2)) for i in range(13)]
    np.testing.assert_allclose(found, np.concatenate(each, axis=2), rtol=0, atol=1e-13)


def test_scipy_hilbert_is_the_first_riesz_component():
    """In one dimension the Riesz transform is the Hilbert transform."""
    for axis, order in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1)]):
        for n in (24, 25):
            line = np.moveaxis(noise(n, 1, 1), 0, axis)
            image = np.broadcast_to(line, [n if a == axis else 6 for a in range(3)])
            found = apply_filter(image, SPACING, Riesz(order, boundary="periodic"))
            expected = np.broadcast_to(signal.hilbert(line, axis=axis).imag, image.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("order", "phase"),
    [((1, 0, 0), 0.5), ((0, 0, 1), 0.5), ((2, 0, 0), 1.0), ((1, 1, 0), 1.0), ((1, 1, 1), 1.5)],
)
def test_analytic_riesz_of_a_plane_wave(order, phase):
    """(-i)^L turns the phase back by L/2 · π; the direction in space sets the amplitude."""
    shape, cycles, spacing = (20, 24, 18), (3, 2, 4), (1.0, 1.5, 0.8)
    lengths = [n * mm for n, mm in zip(shape, spacing, strict=True)]
    f = np.array([c / length for c, length in zip(cycles, lengths, strict=True)])
    direction = f / np.linalg.norm(f)
    total = sum(order)
    norm = math.sqrt(math.factorial(total) / math.prod(map(math.factorial, order)))
    amplitude = norm * np.prod(direction ** np.array(order))
    found = apply_filter(wave(shape, cycles), spacing, Riesz(order, boundary="periodic"))
    expected = amplitude * wave(shape, cycles, -phase * np.pi)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_analytic_riesz_components_keep_the_energy(total):
    """Σ |R|² = 1 by the multinomial theorem, all orders of one sum together; the mean is lost."""
    image = noise(15, 13, 11)
    orders = [o for o in itertools.product(range(total + 1), repeat=3) if sum(o) == total]
    maps = [apply_filter(image, SPACING, Riesz(order, boundary="periodic")) for order in orders]
    energy = ((image - image.mean()) ** 2).sum()
    assert sum((m**2).sum() for m in maps) == pytest.approx(energy)


def test_riesz_of_a_map_is_riesz_after_the_map():
    image, periodic = noise(20, 18, 16), {"boundary": "periodic"}
    log = apply_filter(image, SPACING, LaplacianOfGaussian(1.5, **periodic))
    band = apply_filter(image, SPACING, Simoncelli(2))
    for response, of in [(log, {"sigma_mm": 1.5}), (band, {"level": 2})]:
        expected = apply_filter(response, SPACING, Riesz((1, 0, 1), **periodic))
        found = apply_filter(image, SPACING, Riesz((1, 0, 1), **of, **periodic))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "filter_", [Simoncelli(1), Riesz((1, 0, 0), 1.5), Riesz((0, 2, 0), level=1)]
)
@pytest.mark.parametrize("boundary", ["zero", "nearest", "mirror"])
def test_padding_of_spectral_filters_is_wide_enough(filter_, boundary):
    """Against an image that was extended by far more beforehand; 1 % of the range, as IBSI asks."""
    image = np.cumsum(noise(20, 20, 20), axis=0)
    modes = {"zero": "constant", "nearest": "edge", "mirror": "symmetric"}
    wide = np.pad(image, 70, mode=modes[boundary])
    found = apply_filter(image, SPACING, replace(filter_, boundary=boundary))
    expected = apply_filter(wide, SPACING, replace(filter_, boundary="periodic"))
    expected = expected[70:90, 70:90, 70:90]
    assert np.abs(found - expected).max() < 0.01 * np.ptp(expected)
