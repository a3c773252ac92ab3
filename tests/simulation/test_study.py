"""Studies of several lesions, tracers and organs, against what they were asked to be."""

from dataclasses import replace

import numpy as np
import pytest

from petnet.simulation import phantom, texture
from petnet.simulation.lesion import form_at
from petnet.simulation.phantom import body_grid, draw_anatomy, draw_uptake, further_organs
from petnet.simulation.scanner import CENTERS, Acquisition, draw_acquisition, draw_follow_up
from petnet.simulation.study import PlacedLesion, make_pet, sphere_mask
from petnet.simulation.tracers import FAPI, FDG

USUAL = Acquisition(70.0, 1.7, 250e6, 60.0, 0.0)


def anatomy(seed=0):
    return draw_anatomy(np.random.default_rng(seed), FDG.uptake)


def study(lesions, acquisition=USUAL):
    body, center = anatomy(), CENTERS[0]
    grid = body_grid(body, center.pet_spacing_mm, center.signs, -130.0, 10.0)
    rng = [np.random.default_rng(s) for s in (1, 2)]
    return make_pet(body, lesions, grid, center, acquisition, "FDG", *rng)


def lesion(center, volume_ml, target, share=0.5):
    rng = np.random.default_rng(7)
    return PlacedLesion(form_at(rng, np.array(center), np.eye(3), volume_ml), target, share)


@pytest.mark.parametrize("gap_mm", [60.0, 22.0, 8.0])
def test_each_mask_holds_the_quantiles_of_its_own_target_analytic(gap_mm):
    """Far apart, touching and overlapping: the voxels of both belong to the first."""
    targets = texture.Target(9.0, 0.3, 0.3), texture.Target(2.0, 0.25, 0.4)
    made = study(
        [lesion((-20, 40, -60), 12.0, targets[0]), lesion((-20 + gap_mm, 40, -60), 6.0, targets[1])]
    )
    for number, target in enumerate(targets, 1):
        inside = np.sort(made.image.array[made.labels.array == number])
        np.testing.assert_array_equal(inside, target.quantiles(inside.size).astype(np.float32))
    first, second = (voxels.mask.sum() for voxels in made.voxels)
    counts = np.bincount(made.labels.array.ravel(), minlength=3)
    assert counts[1] == first
    assert (counts[2] < second) if gap_mm < 10 else (counts[2] <= second)
    voxel_ml = made.labels.voxel_volume_ml
    assert [made.volume_ml(k) for k in (0, 1)] == pytest.approx(list(counts[1:] * voxel_ml))


def test_a_lesion_of_a_few_voxels_needs_no_texture():
    made = study([lesion((-20, 40, -60), 0.2, texture.Target(4.0, 0.1, 0.2), share=None)])
    inside = made.image.array[made.labels.array == 1]
    assert inside.size in (2, 3)  # the connected part of three voxels
    assert inside.mean() == pytest.approx(4.0, rel=0.02)


def test_sphere_has_its_volume_place_and_breath_analytic():
    body, center = anatomy(), (70.0, 0.0, -40.0)
    grid = body_grid(body, (2.0, 2.0, 2.0), "--+", -130.0, 40.0)
    still, lifted = (sphere_mask(body, grid, shift, center, 30.0) for shift in (0.0, 9.0))
    for ball, shift in ((still, 0.0), (lifted, 9.0)):
        assert ball.array.sum() * 0.008 == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.03)
        middle = grid.affine @ [*np.argwhere(ball.array > 0).mean(axis=0), 1]
        expected = np.array(center) * body.scale + (0, 0, shift)
        np.testing.assert_allclose(middle[:3], expected, atol=0.5)


def test_counts_follow_the_tracer_analytic():
    """Half of the activity, 67.71 min instead of 109.77, 0.889 positrons instead of 0.967."""
    assert FDG.given(USUAL) == USUAL
    fapi = FAPI.given(USUAL)
    assert fapi.dose_bq == 125e6
    expected = 0.5 * 0.889 / 0.967 * 2 ** (-60 / 67.71 + 60 / 109.77)
    assert fapi.relative_counts == pytest.approx(expected)
    after = replace(fapi, uptake_min=60.0 + 67.71)
    assert after.relative_counts == pytest.approx(fapi.relative_counts / 2)


def test_follow_up_keeps_height_and_dose_per_weight():
    rng = np.random.default_rng(0)
    first = draw_acquisition(rng, CENTERS[0], (1.0, 1.0, 1.0))
    again = [draw_follow_up(rng, CENTERS[0], (1.0, 1.0, 1.0), first) for _ in range(400)]
    assert {a.height_m for a in again} == {first.height_m}
    change = np.log([a.weight_kg / first.weight_kg for a in again])
    assert abs(change.mean() + 0.02) < 3.5 * 0.03 / 20
    per_kg = np.array([a.dose_bq / a.weight_kg for a in again]) / 1e6
    assert per_kg.mean() == pytest.approx(3.7, rel=0.02)


def test_uptake_tables_name_every_tissue():
    tissues = {
        tissue for tissue, _ in further_organs(anatomy(), np.random.default_rng(0), True).organs
    }
    assert tissues | {"fat", "muscle"} <= set(FDG.uptake)
    assert set(FDG.uptake) == set(FAPI.uptake)
    fdg, fapi = ({t: mean for t, (mean, _) in tracer.uptake.items()} for tracer in (FDG, FAPI))
    low = ("liver", "spleen", "myocardium", "blood", "bowel", "colon", "marrow", "lung")
    assert all(fapi[t] < fdg[t] for t in low)
    assert all(fapi[t] > fdg[t] for t in ("gallbladder", "uterus", "pancreas"))


def test_drawn_uptake_has_the_mean_and_spread_of_its_table_analytic():
    rng = np.random.default_rng(3)
    drawn = [draw_uptake(rng, {"liver": FAPI.uptake["liver"]})["liver"] for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(1.1, rel=0.015)
    assert np.std(drawn) / np.mean(drawn) == pytest.approx(0.2, rel=0.06)


@pytest.mark.parametrize("female", [True, False])
def test_further_organs_are_there_and_move_no_other(female):
    body = anatomy(4)
    more = further_organs(body, np.random.default_rng(1), female)
    assert more.organs[: len(body.organs)] == body.organs
    added = dict(more.organs[len(body.organs) :])
    assert set(added) == {"gallbladder", "uterus"} if female else {"gallbladder"}
    suv = {**more.suv, "gallbladder": 9.0, "uterus": 7.0}
    axes = body_grid(body, (4.0, 4.0, 4.0), "+++").axes()
    image = phantom.paint_body(replace(more, suv=suv), axes, suv, 4.0)
    for tissue, organ in added.items():
        inside = organ.distance(more.reference(axes)) < -4
        assert (image[inside] == suv[tissue]).all()
