"""Thresholds and components against SimpleITK, brute force and petnet's own IBSI peak."""

import math

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from phantom_spheres import component, volume_of
from scipy.stats import truncnorm

from petnet.errors import InputError
from petnet.radiomics.peak import peak_features
from petnet.radiomics.preprocess import prepare_region
from petnet.segmentation import (
    ContrastOriented,
    FixedThreshold,
    NotSegmented,
    PercentOfMax,
    PercentOfPeak,
    Percist,
    box_start,
    mask_start,
    seed_start,
)
from petnet.segmentation.field import cut_field
from petnet.segmentation.peak import SPHERE_RADIUS_MM, suv_peak
from petnet.volume import Volume

SUBJECTS = 36


def sts_study(folder):
    image = nib.load(folder / "PET_image.nii.gz")
    mask = np.asarray(nib.load(folder / "PET_mask.nii.gz").dataobj) > 0
    return Volume(np.asarray(image.dataobj, dtype=np.float32), image.affine, "SUVbw", "PT"), mask


@pytest.fixture(scope="module")
def sts(reference):
    folders = sorted((reference / "sts").glob("STS_*"))
    assert len(folders) == SUBJECTS
    return [sts_study(folder) for folder in folders]


def sitk_component(candidates, seed):
    """Component of 26 neighbours that holds a voxel, by SimpleITK (axes turned over)."""
    image = sitk.GetImageFromArray(candidates.astype(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    return labels == labels[seed]


def test_sitk_percent_41_of_all_36_real_lesions(sts):
    smaller = 0
    for pet, mask in sts:
        suv = np.where(mask, pet.array.astype(np.float64), -np.inf)
        hottest = np.unravel_index(np.argmax(suv), suv.shape)
        wanted = sitk_component(suv >= 0.41 * suv.max(), hottest)
        found = PercentOfMax(percent=41).segment(pet, mask_start(mask))
        np.testing.assert_array_equal(found.mask, wanted)
        assert found.threshold == pytest.approx(0.41 * suv.max(), rel=1e-12)
        assert found.method == "41% of SUVmax, 26-connected"
        smaller += wanted.sum() < (suv >= 0.41 * suv.max()).sum()
    assert smaller > 3  # lesions of several parts: that a component is kept makes a difference


def test_sitk_connected_threshold_from_a_seed_in_a_margin(sts):
    """ConnectedThreshold joins by faces: the region of SUV 2.5 within 9 mm of the tumour."""
    for pet, mask in sts[:8]:
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(pet.spacing_mm[::-1])
        distances = sitk.GetArrayFromImage(
            sitk.SignedMaurerDistanceMap(image, squaredDistance=True, useImageSpacing=True)
        )
        assert distances.min() < 0  # SimpleITK measures inside of the mask as well
        near = mask | (distances <= 81.0)
        suv = np.where(near, pet.array, -1).astype(np.float64)
        seed = tuple(int(i) for i in np.argwhere(mask)[np.argmax(pet.array[mask])])
        grown = sitk.ConnectedThreshold(sitk.GetImageFromArray(suv), [seed[::-1]], 2.5, 1e9)
        method = FixedThreshold(suv=2.5, connectivity=6, keep="seed", margin_mm=9.0)
        found = method.segment(pet, mask_start(mask, seed))
        np.testing.assert_array_equal(found.mask, sitk.GetArrayFromImage(grown) > 0)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("keep", ["hottest", "overlap", "seed"])
def test_brute_force_components(connectivity, keep):
    rng = np.random.default_rng(connectivity)
    suv = rng.random((13, 12, 11))
    limit, search = np.zeros(suv.shape, bool), np.zeros(suv.shape, bool)
    limit[1:11, 2:12, :9], search[4:9, 4:9, 3:7] = True, True
    candidates = limit & (suv >= 0.72)
    parts = {}
    for at in map(tuple, np.argwhere(candidates & search)):
        parts[at] = component(candidates, at, connectivity)
    hottest = max(parts, key=lambda at: suv[at])
    seed = min(parts, key=lambda at: parts[at].sum())
    wanted = {
        "hottest": parts[hottest],
        "seed": parts[seed],
        "overlap": np.logical_or.reduce(list(parts.values())),
    }[keep]
    start = box_start(volume_of(suv), (1, 2, 0), (10, 11, 8))
    start = type(start)(search[1:11, 2:12, :9], start.limit, start.corner, seed)
    method = FixedThreshold(suv=0.72, connectivity=connectivity, keep=keep)
    found = method.segment(volume_of(suv), start)
    np.testing.assert_array_equal(found.mask, wanted)
    assert found.threshold == 0.72


def test_the_cases_of_components_differ():
    """The test above could not fail if all choices gave the same."""
    counts = set()
    for connectivity in (6, 18, 26):
        suv = np.random.default_rng(3).random((13, 12, 11))
        start = box_start(volume_of(suv), (0, 0, 0), (12, 11, 10))
        method = FixedThreshold(suv=0.8, connectivity=connectivity)
        counts.add(int(method.segment(volume_of(suv), start).part.sum()))
    assert len(counts) == 3


def test_brute_force_holes():
    """A cavity is what a flood of the outside does not reach; by faces where the mask has 26."""
    rng = np.random.default_rng(5)
    suv = np.pad(rng.random((9, 9, 9)) + 1.0, 2)
    suv[2:11, 2:11, 2:11][rng.random((9, 9, 9)) < 0.35] = 0.5
    start = box_start(volume_of(suv), (0, 0, 0), (12, 12, 12))
    plain = FixedThreshold(suv=1.0).segment(volume_of(suv), start).mask
    filled = FixedThreshold(suv=1.0, fill_holes=True).segment(volume_of(suv), start).mask
    outside = component(~plain, (0, 0, 0), 6)
    np.testing.assert_array_equal(filled, ~outside)
    assert filled.sum() > plain.sum()


def test_holes_keep_out_voxels_without_a_value_and_beyond_the_limit():
    suv = np.full((9, 9, 9), 5.0)
    suv[4, 4, 4], suv[4, 4, 5] = np.nan, 1.0
    pet = volume_of(suv)
    limit = np.ones(suv.shape, bool)
    limit[4, 4, 5] = False
    found = FixedThreshold(suv=2, fill_holes=True).segment(pet, mask_start(limit))
    assert not found.mask[4, 4, 4]
    assert not found.mask[4, 4, 5]
    assert found.part.sum() == 9**3 - 2
    assert "1 voxels without a finite value left out" in found.notes


@pytest.mark.parametrize("kind", ["global", "local"])
def test_suv_peak_is_that_of_the_ibsi(sts, kind):
    """The radiomics engine counts it by another algorithm, itself tested against the IBSI."""
    rng = np.random.default_rng(2)
    cases = [(pet, mask) for pet, mask in sts[:12]]
    for shape, spacing in (((9, 8, 7), (2.0, 3.0, 4.0)), ((4, 30, 2), (7.0, 1.0, 5.0))):
        cases.append((volume_of(np.rint(9 * rng.random(shape)), spacing), rng.random(shape) < 0.4))
    for pet, mask in cases:
        field = cut_field(pet, mask_start(mask), 0.0, SPHERE_RADIUS_MM)
        region = prepare_region(pet, Volume(mask, pet.affine, "label", "MASK"))
        wanted = peak_features(region)[f"{kind}_intensity_peak"]
        assert suv_peak(field, kind) == pytest.approx(wanted, rel=1e-9)


def test_brute_force_peak_threshold_beside_missing_values():
    rng = np.random.default_rng(6)
    suv = rng.random((7, 8, 6)) + 1
    suv[rng.random(suv.shape) < 0.1] = np.nan
    pet, mask = volume_of(suv), rng.random(suv.shape) < 0.3
    known = np.argwhere(np.isfinite(suv))
    radius = (3000 / (4 * math.pi)) ** (1 / 3)
    peaks = [
        suv[tuple(known[np.linalg.norm((known - at) * pet.spacing_mm, axis=1) <= radius].T)].mean()
        for at in np.argwhere(mask & np.isfinite(suv))
    ]
    found = PercentOfPeak(percent=60).segment(pet, mask_start(mask))
    assert found.threshold == pytest.approx(0.6 * max(peaks), rel=1e-12)
    assert found.basis == {"SUVpeak": pytest.approx(max(peaks), rel=1e-12)}


def percist_volume():
    """A liver of a known sample of a normal distribution, a blood pool and a hot lesion."""
    rng = np.random.default_rng(7)
    suv = np.full((40, 40, 30), 0.5)
    liver, blood = np.zeros(suv.shape, bool), np.zeros(suv.shape, bool)
    liver[2:38, 2:18, 2:28], blood[30:34, 30:34, 5:25] = True, True
    suv[liver] = truncnorm.rvs(-3, 3, 2.2, 0.2, size=liver.sum(), random_state=rng)
    suv[blood] = rng.normal(1.5, 0.1, blood.sum())
    suv[20:24, 24:30, 10:16] = 8.0
    lesion = np.zeros(suv.shape, bool)
    lesion[18:27, 22:32, 8:18] = True
    return volume_of(suv, (4.0, 4.0, 4.0), "SUVlbm"), lesion, liver, blood


def test_percist_by_the_formula():
    pet, lesion, liver, blood = percist_volume()
    start, both = mask_start(lesion), {"liver": liver, "blood_pool": blood}
    inside, pool = pet.array[liver], pet.array[blood]
    found = Percist(sphere_mm=None).segment(pet, start, both)
    assert found.threshold == pytest.approx(1.5 * inside.mean() + 2 * inside.std(ddof=1))
    assert found.notes == ()
    assert found.part.sum() == 4 * 6 * 6
    expected = 2.0 * pool.mean() + 2 * pool.std(ddof=1)
    for method, references in (
        (Percist(), {"blood_pool": blood}),
        (Percist(reference="blood_pool"), both),
    ):
        assert method.segment(pet, start, references).threshold == pytest.approx(expected)
    for method, references in (
        (Percist(), {}),
        (Percist(reference="liver"), {"blood_pool": blood}),
    ):
        with pytest.raises(NotSegmented, match=r"liver .*is delineated"):
            method.segment(pet, start, references)


def test_percist_sphere_lies_deepest_in_the_liver():
    """The liver is a box of 36 × 16 × 26 voxels: no voxel is deeper than 8 of them."""
    pet, lesion, liver, _ = percist_volume()
    found = Percist().segment(pet, mask_start(lesion), {"liver": liver})
    spheres = []
    outside = np.argwhere(~liver)
    best = -1.0
    for at in np.argwhere(liver)[::1]:
        depth = min(at[0] - 1, 38 - at[0], at[1] - 1, 18 - at[1], at[2] - 1, 28 - at[2])
        if depth > best:
            best, spheres = depth, [at]
    near = np.linalg.norm((np.indices(liver.shape).T - spheres[0]) * 4.0, axis=-1).T <= 15.0
    assert not near[tuple(outside.T)].any()
    suv = pet.array[near]
    assert found.threshold == pytest.approx(1.5 * suv.mean() + 2 * suv.std(ddof=1))
    small = np.zeros(liver.shape, bool)
    small[10:14, 5:9, 5:9] = True
    told = Percist().segment(pet, mask_start(lesion), {"liver": small})
    assert told.notes == ("no sphere of 30 mm fits the reference region",)
    bw = Volume(pet.array, pet.affine, "SUVbw", "PT")
    assert "asks for SUVlbm" in Percist().segment(bw, mask_start(lesion), {"liver": liver}).notes[0]


def test_a_voxel_at_the_threshold_belongs():
    suv = np.array([1.0, 2.5, 2.4, 5.0, 2.5, 2.499]).reshape(6, 1, 1)
    start = mask_start(np.ones(suv.shape, bool))
    for method in (FixedThreshold(suv=2.5), PercentOfMax(percent=50)):
        found = method.segment(volume_of(suv), start).mask[:, 0, 0]
        assert found.tolist() == [False, False, False, True, True, False]


def test_a_voxel_at_the_distance_belongs():
    """3 · 0.1 is a little more than 0.3 in floating point; distances are meant as in numbers."""
    mask = np.zeros((15, 1, 1), bool)
    mask[7] = True
    pet = volume_of(np.full(mask.shape, 3.0), (0.1, 1.0, 1.0))
    found = FixedThreshold(suv=1, margin_mm=0.3).segment(pet, mask_start(mask)).mask
    assert np.flatnonzero(found).tolist() == list(range(4, 11))
    start = seed_start(pet, (7, 0, 0), 0.0, 0.3)
    assert start.limit.sum() == 7


def test_a_hole_closed_by_faces_alone_is_open_at_its_corners():
    """Where lesions connect by faces, background connects by corners: this is no cavity."""
    suv = np.full((5, 5, 5), 4.0)
    suv[0, 0, 0] = suv[1, 1, 1] = suv[2, 2, 2] = 0.0
    for connectivity, voxels in ((6, 122), (26, 124)):  # the voxel at the corner is outside
        method = FixedThreshold(suv=1, connectivity=connectivity, fill_holes=True)
        found = method.segment(volume_of(np.pad(suv, 1)), mask_start(np.pad(suv > -1, 1)))
        assert found.part.sum() == voxels


def test_what_is_suspicious_is_noted():
    suv = np.ones((20, 20, 20))
    suv[5:9, 5:9, 5:9], suv[6, 6, 6], suv[9:12, 5:9, 5:9] = 6.0, 7.0, 12.0  # beside a bladder
    pet = volume_of(suv)
    rough = np.zeros(suv.shape, bool)
    rough[4:9, 4:10, 4:10] = True
    alone = PercentOfMax(percent=50).segment(pet, mask_start(rough))
    assert alone.part.sum() == 64
    assert alone.notes == ("is cut off by the limit of the start: 16 neighbouring voxels beyond",)
    wide = PercentOfMax(percent=50, margin_mm=40).segment(pet, mask_start(rough))
    assert wide.part.sum() == 64 + 48
    assert wide.notes == ("holds SUV 12, above the start's 7",)
    assert wide.method == "50% of SUVmax, 26-connected, margin 40 mm"
    suv[:, 6, 6] = 6.5
    edge = PercentOfMax(percent=50, margin_mm=40).segment(volume_of(suv), mask_start(rough))
    assert "reaches the edge of the image" in edge.notes


def test_where_there_is_no_lesion():
    suv = np.zeros((9, 9, 9))
    suv[4, 4, 4], suv[0, 0, 0] = 2.0, np.nan
    pet = volume_of(suv)
    start = seed_start(pet, (4, 4, 4), 4.0, 12.0)
    with pytest.raises(NotSegmented, match=r"SUVmax 2 of the start is below 2\.5"):
        FixedThreshold(suv=2.5).segment(pet, start)
    with pytest.raises(NotSegmented, match="the seed is not above the threshold"):
        FixedThreshold(suv=1.0, keep="seed").segment(pet, seed_start(pet, (4, 4, 3), 5.0))
    with pytest.raises(NotSegmented, match="needs a seed"):
        FixedThreshold(suv=1.0, keep="seed").segment(pet, mask_start(suv == 2))
    with pytest.raises(NotSegmented, match=r"0\.024 ml are less than the 0\.1 ml asked"):
        FixedThreshold(suv=1.0, minimum_ml=0.1).segment(pet, start)
    with pytest.raises(NotSegmented, match="SUVmax of the start is 0"):
        PercentOfMax(percent=41).segment(pet, mask_start(suv == 0))
    with pytest.raises(NotSegmented, match="no voxel of the start has a finite value"):
        PercentOfMax(percent=41).segment(pet, mask_start(np.isnan(suv)))
    with pytest.raises(InputError, match="a kind of SUV"):
        PercentOfMax(percent=41).segment(volume_of(suv, unit="Bq/ml"), start)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (FixedThreshold, {"suv": 0}),
        (FixedThreshold, {"suv": float("nan")}),
        (FixedThreshold, {"suv": "3"}),
        (PercentOfMax, {"percent": 101}),
        (PercentOfMax, {"percent": True}),
        (PercentOfMax, {"percent": 41, "connectivity": 8}),
        (PercentOfMax, {"percent": 41, "keep": "largest"}),
        (PercentOfMax, {"percent": 41, "margin_mm": -1}),
        (PercentOfMax, {"percent": 41, "fill_holes": 1}),
        (PercentOfPeak, {"percent": 41, "peak": "ibsi"}),
        (Percist, {"reference": "spleen"}),
        (Percist, {"sphere_mm": 0}),
        (ContrastOriented, {"shell_mm": (20, 10)}),
        (ContrastOriented, {"shell_mm": (5,)}),
        (ContrastOriented, {"b": 0}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, settings):
    with pytest.raises(InputError, match=r"expected .*, but got"):
        kind(**settings)
