"""Methods that look for the edge, on blurred spheres whose level sets are known."""

import numpy as np
import pytest
from phantom_spheres import level_volume_ml, peak_share, sphere, steepest_volume_ml, volume_of

from petnet.segmentation import (
    BackgroundCorrected,
    ContrastOriented,
    Gradient,
    NotSegmented,
    PercentOfMax,
    mask_start,
    seed_start,
)
from petnet.segmentation.background import settled

SIZES = [  # radius and standard deviation in mm, spacing, height, background
    (10.0, 2.5, (2.0, 2.0, 2.0), 10.0, 1.0),
    (15.0, 2.5, (3.0, 3.0, 3.0), 8.0, 2.0),
    (20.0, 3.0, (4.0, 4.0, 4.0), 5.0, 2.0),
    (20.0, 3.0, (4.0, 4.0, 3.27), 12.0, 0.5),
    (25.0, 4.0, (2.5, 2.5, 5.0), 6.0, 1.5),
]
PET = pytest.mark.parametrize(("radius", "sigma", "spacing", "height", "background"), SIZES)


@PET
def test_analytic_halfway_between_background_and_peak(radius, sigma, spacing, height, background):
    assert 2 * radius / min(spacing) >= 10  # voxels across
    pet, middle = sphere(radius, sigma, spacing, height, background)
    found = BackgroundCorrected().segment(pet, seed_start(pet, middle, 8.0, radius + 15))
    share = peak_share(radius, sigma)  # 1 but for small spheres, whose SUVpeak is off the plateau
    volume = found.part.sum() * pet.voxel_volume_ml
    assert volume == pytest.approx(level_volume_ml(0.5 * share, radius, sigma), rel=0.05)
    assert volume == pytest.approx(level_volume_ml(0.5, radius, sigma), rel=0.051)
    assert found.basis["background"] == pytest.approx(background, abs=0.02)
    peak = background + share * (height - background)
    assert found.basis["SUVpeak"] == pytest.approx(peak, rel=0.01)
    assert found.notes == ()


def test_analytic_percent_of_max_depends_on_contrast():
    """41 % of SUVmax overestimates where the background is half of it; the corrected does not."""
    pet, middle = sphere(15.0, 2.5, (2.0, 2.0, 2.0), 4.0, 1.5)
    start = seed_start(pet, middle, 8.0, 30.0)
    share = (0.41 * pet.array.max() - 1.5) / (4.0 - 1.5)
    plain = PercentOfMax(percent=41).segment(pet, start).part.sum() * pet.voxel_volume_ml
    assert plain == pytest.approx(level_volume_ml(share, 15.0, 2.5), rel=0.03)
    assert plain > 1.3 * level_volume_ml(0.5, 15.0, 2.5)


@PET
def test_analytic_contrast_oriented(radius, sigma, spacing, height, background):
    pet, middle = sphere(radius, sigma, spacing, height, background)
    found = ContrastOriented().segment(pet, seed_start(pet, middle, 8.0, radius + 15))
    core = pet.array[pet.array >= 0.7 * pet.array.max()].mean()
    wanted = 0.15 * core + background
    assert found.threshold == pytest.approx(wanted, abs=0.02)
    share = (wanted - background) / (height - background)
    volume = found.part.sum() * pet.voxel_volume_ml
    assert volume == pytest.approx(level_volume_ml(share, radius, sigma), rel=0.05)


def test_brute_force_background_of_a_shell_among_other_organs():
    """The shell by its definition; the median, as a hot organ lies in it."""
    pet, middle = sphere(12.0, 2.5, (3.0, 3.0, 4.0), 9.0, 1.0)
    suv = pet.array + np.random.default_rng(1).normal(0, 0.05, pet.array.shape)
    suv[: middle[0] - 7] = 6.0
    pet = pet.with_array(suv)
    start = seed_start(pet, middle, 6.0, 20.0)
    for statistic, function in (("median", np.median), ("mean", np.mean)):
        method = BackgroundCorrected(statistic=statistic, shell_mm=(8.0, 18.0))
        found = method.segment(pet, start)
        inside = np.argwhere(found.mask) * pet.spacing_mm
        voxels = np.argwhere(np.ones(suv.shape, bool)) * pet.spacing_mm
        near = np.array([((inside - at) ** 2).sum(axis=1).min() for at in voxels])
        shell = ((near > 64.0) & (near <= 324.0)).reshape(suv.shape)
        expected = function(suv[shell])
        assert found.basis["background"] == pytest.approx(expected, rel=1e-9)
        threshold = expected + 0.5 * (found.basis["SUVpeak"] - expected)
        assert found.threshold == pytest.approx(threshold, rel=1e-12)
    assert shell[: middle[0] - 7].any()


def test_a_circle_of_thresholds_ends_at_the_highest():
    masks = {3.0: 10, 2.0: 20, 2.5: 15}
    following = {10: 2.0, 20: 2.5, 15: 2.0}
    threshold, note = settled(
        3.0, lambda t: np.ones(masks[t], bool), lambda mask: following[mask.sum()]
    )
    assert threshold == 2.5
    assert note == "threshold between 2 and 2.5: the highest taken"
    assert settled(3.0, lambda t: np.ones(4, bool), lambda mask: 1.25) == (1.25, "")


def test_no_contrast_and_no_room_are_said():
    pet = volume_of(np.full((30, 30, 30), 2.0), (4.0, 4.0, 4.0))
    with pytest.raises(NotSegmented, match="no contrast: the background is at SUV 2"):
        BackgroundCorrected().segment(pet, seed_start(pet, (15, 15, 15), 4.0, 8.0))
    small = volume_of(np.full((3, 3, 3), 2.0), (4.0, 4.0, 4.0))
    with pytest.raises(NotSegmented, match="the image ends within 10 mm of the lesion"):
        BackgroundCorrected().segment(small, seed_start(small, (1, 1, 1)))


@PET
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_analytic_gradient_finds_the_steepest_descent(
    radius, sigma, spacing, height, background, noise
):
    """The edge of the smoothed image: its blur is that of both Gaussians.

    The lesion is cut where a voxel is flooded, between centres: half a voxel of the radius at most.
    """
    pet, middle = sphere(radius, sigma, spacing, height, background)
    rng = np.random.default_rng(0)
    pet = pet.with_array(pet.array + rng.normal(0, noise * height, pet.array.shape))
    found = Gradient(sigma_mm=2.0).segment(pet, seed_start(pet, middle, 8.0, radius + 5))
    wanted = steepest_volume_ml(radius, np.hypot(sigma, 2.0))
    assert found.part.sum() * pet.voxel_volume_ml == pytest.approx(wanted, rel=0.12)
    assert found.threshold is None
    assert noise or found.notes == ()  # else the hottest voxel may lie further from the seed


def test_the_limit_keeps_two_touching_lesions_apart():
    pet, middle = sphere(12.0, 2.5, (3.0, 3.0, 3.0), 8.0, 1.0, margin=40.0)
    other = np.roll(pet.array - 1.0, 9, axis=0)
    pet = pet.with_array(pet.array + other)
    left = np.zeros(pet.array.shape, bool)
    left[middle[0] - 5 : middle[0] + 4, middle[1] - 5 : middle[1] + 6] = True
    found = PercentOfMax(percent=41, margin_mm=30).segment(pet, mask_start(left))
    wanted = level_volume_ml(0.41, 12.0, 2.5)
    assert found.part.sum() * pet.voxel_volume_ml > 1.8 * wanted
    limited = PercentOfMax(percent=41).segment(pet, mask_start(left))
    assert limited.part.sum() * pet.voxel_volume_ml < 1.1 * wanted
    assert "is cut off by the limit" in limited.notes[0]


def test_gradient_beside_missing_values_and_cold_tissue():
    """Values that are missing are no lesion and do not spread; a cold gap is outside by its SUV."""
    pet, middle = sphere(15.0, 2.5, (3.0, 3.0, 3.0), 8.0, 1.0)
    start = seed_start(pet, middle, 8.0, 25.0)
    whole = Gradient().segment(pet, start).mask
    suv = pet.array.copy()
    suv[middle[0] + 2, middle[1], middle[2]] = np.nan
    found = Gradient().segment(pet.with_array(suv), start)
    assert np.isfinite(suv[found.mask]).all()
    assert found.part.sum() >= 0.95 * whole.sum()
    suv = pet.array.copy()
    suv[middle] = 0.5
    marked = Gradient(outside_percent=10).segment(pet.with_array(suv), start)
    unmarked = Gradient(outside_percent=0).segment(pet.with_array(suv), start)
    assert not marked.mask[middle]
    assert unmarked.mask[middle]


def test_gradient_needs_an_outside():
    pet = volume_of(np.random.default_rng(0).random((6, 6, 6)) + 3)
    with pytest.raises(NotSegmented, match="nothing is outside"):
        Gradient().segment(pet, mask_start(np.ones((6, 6, 6), bool)))
