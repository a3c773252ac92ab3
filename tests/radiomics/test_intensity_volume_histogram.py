"""Intensity-volume histogram against the manual's table, the definition, and closed forms."""

import math

import numpy as np
import pytest

from petnet.errors import InputError
from petnet.radiomics.catalogue import features_of
from petnet.radiomics.ivh import ivh_features

NAMES = [feature.name for feature in features_of("ivh")]
V10, V90, I10, I90, V_DIFFERENCE, I_DIFFERENCE, AREA = NAMES
PHANTOM = np.repeat([1.0, 3.0, 4.0, 6.0], [50, 1, 16, 7])


def definition(voxels, intensities, first, last, beyond):
    """The manual's words: ν and γ of each discretised intensity, absent ones too."""
    volume = [sum(v >= i for v in voxels) / len(voxels) for i in intensities]
    fraction = [(i - first) / (last - first) for i in intensities]

    def at_intensity(x):
        return max((v for v, g in zip(volume, fraction, strict=True) if g >= x - 1e-9), default=0)

    def at_volume(x):
        few = [i for i, v in zip(intensities, volume, strict=True) if v <= x + 1e-12]
        return min(few, default=beyond)

    area = sum(
        (volume[k] + volume[k + 1]) / 2 * (fraction[k + 1] - fraction[k])
        for k in range(len(intensities) - 1)
    )
    v10, v90, i10, i90 = at_intensity(0.1), at_intensity(0.9), at_volume(0.1), at_volume(0.9)
    return dict(zip(NAMES, [v10, v90, i10, i90, v10 - v90, i10 - i90, area], strict=True))


def test_ibsi_table_of_the_digital_phantom():
    """Table of the manual: γ 0, 0.2, ..., 1; ν 1, 0.324, 0.324, 0.311, 0.095, 0.095."""
    found = ivh_features(PHANTOM, step=1.0)
    nu = [1.0, 24 / 74, 24 / 74, 23 / 74, 7 / 74, 7 / 74]
    assert found == pytest.approx(
        {
            V10: nu[1],
            V90: nu[5],
            I10: 5.0,
            I90: 2.0,
            V_DIFFERENCE: nu[1] - nu[5],
            I_DIFFERENCE: 3.0,
            AREA: 0.2 * (sum(nu) - (nu[0] + nu[-1]) / 2),
        }
    )
    assert list(found) == NAMES


@pytest.mark.parametrize("range_", [None, (-150.0, 120.0), (-150.0, math.inf)])
@pytest.mark.parametrize("seed", range(5))
def test_brute_force_of_whole_units(seed, range_):
    x = np.rint(np.random.default_rng(seed).normal(-20, 25, size=200))
    low = range_[0] if range_ else x.min()
    high = range_[1] if range_ and math.isfinite(range_[1]) else x.max()
    expected = definition(x, np.arange(low, high + 1), low, high, high + 1)
    assert ivh_features(x, step=1.0, range_=range_) == pytest.approx(expected)


@pytest.mark.parametrize("range_", [None, (0.0, 15.0), (0.0, math.inf)])
@pytest.mark.parametrize("seed", range(5))
def test_brute_force_of_a_fixed_bin_size(seed, range_):
    """Bins stand for their centres; the range loses half a bin at either end."""
    x = np.random.default_rng(seed).gamma(3.0, 1.0, size=150)
    width = 0.25
    low = range_[0] if range_ else x.min()
    high = range_[1] if range_ and math.isfinite(range_[1]) else x.max()
    centres = [low + (math.floor((v - low) / width) + 0.5) * width for v in x]
    n = max(math.floor((high - low) / width + 1e-9), math.floor((x.max() - low) / width) + 1)
    intensities = [low + (k + 0.5) * width for k in range(n)]
    expected = definition(
        centres, intensities, low + width / 2, high - width / 2, low + (n + 0.5) * width
    )
    found = ivh_features(x, "fixed_bin_size", bin_width=width, range_=range_)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("bins", [10, 1000])
def test_brute_force_of_a_fixed_bin_number(bins):
    x = np.random.default_rng(3).normal(size=300)
    levels = [min(math.floor(bins * (v - x.min()) / np.ptp(x)) + 1, bins) for v in x]
    expected = definition(levels, range(1, bins + 1), 1, bins, bins + 1)
    found = ivh_features(x, "fixed_bin_number", bins=bins, range_=(-1.0, 1.0))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("x", [np.random.default_rng(3).gamma(2.0, 1.0, size=301), PHANTOM])
def test_brute_force_of_continuous_values(x):
    expected = definition(x, np.unique(x), x.min(), x.max(), x.max())
    assert ivh_features(x) == pytest.approx(expected)


def test_analytic_area_of_a_ramp():
    """Of n different values at equal steps: the mean fraction, and half a voxel for the corner."""
    assert ivh_features(np.arange(101.0))[AREA] == pytest.approx(0.5 + 1 / 202)
    assert ivh_features(np.arange(101.0), step=1.0)[AREA] == pytest.approx(0.5 + 1 / 202)


def test_ties_at_ten_percent_belong():
    """0.1 has no exact float: neither fraction may miss it by rounding."""
    x = np.concatenate([np.zeros(9), [7.0]])
    assert ivh_features(x, step=1.0)[I10] == 1.0
    assert ivh_features(0.1 * np.arange(31.0), step=0.1)[V10] == pytest.approx(28 / 31)


def test_more_than_the_fraction_at_the_top_gives_the_next_intensity():
    x = np.array([1.0, 2.0, 3.0])
    assert ivh_features(x, step=1.0)[I10] == 4.0
    assert ivh_features(x, "fixed_bin_size", bin_width=0.5)[I10] == 3.75
    assert ivh_features(x, "fixed_bin_number", bins=100)[I10] == 101.0
    assert ivh_features(x)[I10] == 3.0


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"step": 1.0},
        {"discretisation": "fixed_bin_size", "bin_width": 0.5},
        {"discretisation": "fixed_bin_number"},
    ],
)
@pytest.mark.parametrize("n", [1, 5])
def test_flat_and_empty(settings, n):
    flat = ivh_features(np.full(n, 2.5), **settings)
    assert {name for name, value in flat.items() if math.isnan(value)} == {V10, V90, V_DIFFERENCE}
    assert flat[AREA] == flat[I_DIFFERENCE] == 0
    assert all(math.isnan(value) for value in ivh_features(np.zeros(0), **settings).values())


def test_settings_that_cannot_be():
    x = np.array([1.0, 2.0])
    with pytest.raises(InputError, match="bin_width: expected a positive number, but got None"):
        ivh_features(x, "fixed_bin_size")
    with pytest.raises(InputError, match="step: expected a positive number"):
        ivh_features(x, step=-1.0)
    with pytest.raises(InputError, match="at most 10000000 steps from 1 to 2, but got 1e-09"):
        ivh_features(x, "fixed_bin_size", bin_width=1e-9)
