"""The filters' settings: names, equality, what is refused, and how Hydra makes them."""

import itertools
import re
from dataclasses import FrozenInstanceError

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.errors import InputError
from petnet.radiomics.filters import (
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    Riesz,
    SeparableWavelet,
    Simoncelli,
)

BOUNDARIES = ("mirror", "nearest", "periodic", "zero")
NAMED = [
    (Mean(5), "mean_5"),
    (Mean(15, 2, "zero"), "mean_15_2d_zero"),
    (LaplacianOfGaussian(3), "log_3mm"),
    (LaplacianOfGaussian(1.5, 6, 2, "nearest"), "log_1p5mm_cut6_2d_nearest"),
    (LaplacianOfGaussian(1e-5), "log_1em05mm"),
    (Laws("L5E5"), "laws_l5e5"),
    (Laws("L5E5S5", "max", 7), "laws_l5e5s5_3d_max_energy7"),
    (Gabor(5, 2, 1.5, theta_deg=-60), "gabor_5mm_wave2mm_gamma1p5_thetam60"),
    (
        Gabor(5, 2, 1.5, theta_step_deg=22.5, orthogonal_planes=True),
        "gabor_5mm_wave2mm_gamma1p5_step22p5_average_planes",
    ),
    (SeparableWavelet("db2", "LHL"), "wavelet_db2_lhl_1"),
    (SeparableWavelet("db2", "LHL", 1, "average"), "wavelet_db2_lhl_1_3d"),
    (SeparableWavelet("haar", "HH", 2, "max", "zero"), "wavelet_haar_hh_2_2d_max_zero"),
    (Simoncelli(1), "simoncelli_b1"),
    (Simoncelli(2, 2, "mirror"), "simoncelli_b2_2d_mirror"),
    (Riesz((1, 0, 0)), "riesz_100"),
    (Riesz((0, 2, 0), sigma_mm=3, boundary="zero"), "riesz_020_log_3mm_zero"),
    (Riesz((0, 2), level=1), "riesz_02_simoncelli_b1"),
]


@pytest.mark.parametrize(("filter_", "name"), NAMED, ids=[name for _, name in NAMED])
def test_names(filter_, name):
    assert filter_.name == name


def many_filters():
    """Vary every setting of every kind."""
    for edge, d in itertools.product(BOUNDARIES, (2, 3)):
        yield from (Mean(n, d, edge) for n in (3, 5))
        yield from (
            LaplacianOfGaussian(*v, d, edge) for v in itertools.product((1, 1.5, 15), (4, 4.5))
        )
        yield from (Simoncelli(level, d, edge) for level in (1, 2))
        for pooling in (None, "average", "max"):
            kernels = ("L5E5S5", "E5L5S5")
            yield from (Laws(k[: 2 * d], pooling, n, edge) for k in kernels for n in (None, 7))
            values = itertools.product(("db2", "db22"), ("LHL"[:d], "HHH"[:d]), (1, 2))
            yield from (SeparableWavelet(*v, pooling, edge) for v in values)
        for order in ((1, 0, 0)[:d], (0, 1, 0)[:d]):
            yield from (Riesz(order, sigma, None, 4, edge) for sigma in (None, 1))
            yield from (Riesz(order, 1, None, 5, edge), Riesz(order, None, 1, 4, edge))
    for values in itertools.product((1, 2.5), (1, 2.5), (1, 2.5)):
        for edge, planes in itertools.product(BOUNDARIES, (True, False)):
            yield from (Gabor(*values, t, None, "average", planes, edge) for t in (45, 4.5))
            for step, pooling in itertools.product((45, 4.5), ("average", "max")):
                yield Gabor(*values, None, step, pooling, planes, edge)


def test_different_settings_have_different_names():
    found = list(many_filters())
    assert len(set(found)) == len(found) > 400
    assert len({filter_.name for filter_ in found}) == len(found)
    for filter_ in found:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", filter_.name)


def test_whole_and_decimal_numbers_are_one_setting():
    assert LaplacianOfGaussian(3) == LaplacianOfGaussian(3.0)
    assert hash(Gabor(3, 2, theta_deg=0)) == hash(Gabor(3.0, 2.0, theta_deg=-0.0))
    assert Gabor(3, 2, theta_deg=0).name == Gabor(3, 2, theta_deg=-0.0).name
    assert Riesz([1, 0, 0]) == Riesz((1, 0, 0))


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Mean(5).support = 7


REFUSED = [
    (Mean, {"support": 4}, "support: expected an odd number of voxels, but got 4"),
    (Mean, {"support": -3}, "support: expected an odd"),
    (Mean, {"support": 5, "dimension": 1}, "dimension: expected 2 or 3, but got 1"),
    (Mean, {"support": 5, "boundary": "wrap"}, "boundary: expected one of .* but got 'wrap'"),
    (LaplacianOfGaussian, {"sigma_mm": 0}, "sigma_mm: expected a positive number, but got 0"),
    (LaplacianOfGaussian, {"sigma_mm": float("inf")}, "sigma_mm: expected a positive number"),
    (LaplacianOfGaussian, {"sigma_mm": "3"}, "sigma_mm: expected a positive number, but got '3'"),
    (Laws, {"kernel": "L5"}, "kernel: expected two or three of L3, .* but got 'L5'"),
    (Laws, {"kernel": "L5E5Q5"}, "kernel: expected two or three of"),
    (Laws, {"kernel": "L5E5S5W5"}, "kernel: expected two or three of"),
    (Laws, {"kernel": ["L5", "E5"]}, "kernel: expected two or three of"),
    (Laws, {"kernel": "L5E5", "pooling": "mean"}, "pooling: expected one of .* got 'mean'"),
    (Laws, {"kernel": "L5E5", "energy_distance": 0}, "energy_distance: expected a whole number"),
    (Gabor, {"sigma_mm": 1, "wavelength_mm": 1}, r"one of the two, but got \(None, None\)"),
    (
        Gabor,
        {"sigma_mm": 1, "wavelength_mm": 1, "theta_deg": 1, "theta_step_deg": 1},
        "one of the two",
    ),
    (
        Gabor,
        {"sigma_mm": 1, "wavelength_mm": 1, "theta_step_deg": 50},
        "theta_step_deg: expected a divisor of 180, but got 50",
    ),
    (
        Gabor,
        {"sigma_mm": 1, "wavelength_mm": 1, "theta_deg": "up"},
        "theta_deg: expected a number or null, but got 'up'",
    ),
    (
        Gabor,
        {"sigma_mm": 1, "wavelength_mm": 1, "theta_deg": 1, "pooling": "max"},
        "pooling: expected average with one orientation, but got 'max'",
    ),
    (SeparableWavelet, {"wavelet": "bior2.2", "subband": "LH"}, "wavelet: expected an orthogonal"),
    (SeparableWavelet, {"wavelet": "db2", "subband": "LXL"}, "subband: expected two or three"),
    (SeparableWavelet, {"wavelet": "db2", "subband": "L"}, "subband: expected two or three"),
    (SeparableWavelet, {"wavelet": "db2", "subband": "LH", "level": 0}, "level: expected a whole"),
    (Simoncelli, {"level": 9}, "level: expected a whole number from 1 to 8, but got 9"),
    (Riesz, {"order": [0, 0, 0]}, r"order: expected two or three .* but got \[0, 0, 0\]"),
    (Riesz, {"order": 1}, "order: expected two or three"),
    (Riesz, {"order": [1, -1, 1]}, "order: expected two or three"),
    (Riesz, {"order": [1, 0], "sigma_mm": 1, "level": 1}, "sigma_mm, level: expected at most one"),
    (Riesz, {"order": [1, 0], "truncate_sigmas": 3}, "truncate_sigmas: expected 4 without"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), REFUSED)
def test_what_is_refused(kind, settings, message):
    with pytest.raises(InputError, match=f"filter {kind.__name__}: .*{message}"):
        kind(**settings)


@pytest.mark.parametrize(
    "text",
    [
        "{_target_: petnet.radiomics.filters.Mean, support: 5}",
        "{_target_: petnet.radiomics.filters.LaplacianOfGaussian, sigma_mm: 3}",
        "{_target_: petnet.radiomics.filters.Laws, kernel: L5E5S5, pooling: max}",
        "{_target_: petnet.radiomics.filters.Gabor, sigma_mm: 5, wavelength_mm: 2, theta_deg: 0}",
        "{_target_: petnet.radiomics.filters.SeparableWavelet, wavelet: db2, subband: LHL}",
        "{_target_: petnet.radiomics.filters.Simoncelli, level: 1}",
        "{_target_: petnet.radiomics.filters.Riesz, order: [1, 0, 0], sigma_mm: 3}",
    ],
)
def test_hydra_makes_them(text):
    made = instantiate(OmegaConf.create(text))
    assert made in {made}
    assert f"filters.{type(made).__name__}," in text
    assert made.code in {"S60F", "L6PA", "JTXT", "Q88H", "25BO", "PRT7", "AYRS"}
