"""What the label leaves in the images and tables, against the analytic ideal observer."""

import numpy as np
import pytest

from petnet.simulation import clinical, texture
from petnet.simulation.her2 import Her2Cohort
from petnet.simulation.latent import ideal_distance


def auc(scores, labels):
    positive, negative = scores[labels], scores[~labels]
    return float((positive[:, None] > negative[None, :]).mean())


def auc_error(expected, positive, negative):
    """Hanley and McNeil's standard error of an AUC; doi:10.1148/radiology.143.1.7063747."""
    q1, q2 = expected / (2 - expected), 2 * expected**2 / (1 + expected)
    variance = expected * (1 - expected)
    variance += (positive - 1) * (q1 - expected**2) + (negative - 1) * (q2 - expected**2)
    return np.sqrt(variance / (positive * negative))


@pytest.mark.parametrize(("wanted", "seed"), [(0.93, 1), (0.65, 2), (0.5, 3)])
def test_latents_have_the_auc_asked_for_analytic(wanted, seed):
    cohort = Her2Cohort(400, seed, prevalence=0.4, texture_auc=wanted, clinical_auc=wanted)
    latents = np.array([cohort.latents(i) for i in range(400)])
    labels = cohort.labels()
    error = auc_error(wanted, 160, 240)
    for column in latents.T:
        assert abs(auc(column, labels) - wanted) < 3.5 * error
    within = latents - np.where(labels, 0.5, -0.5)[:, None] * ideal_distance(wanted)
    assert abs(np.corrcoef(within.T)[0, 1]) < 3.5 / np.sqrt(400)
    np.testing.assert_allclose(within.std(axis=0), 1.0, atol=3.5 / np.sqrt(800))


def test_distance_of_the_classes_analytic():
    assert ideal_distance(0.5) == 0.0
    assert ideal_distance(0.9213503964748574) == pytest.approx(2.0)  # Phi(sqrt 2)
    both = Her2Cohort(2, texture_auc=0.8, clinical_auc=0.7).ideal_auc["combined"]
    assert 0.8 < both < 0.9
    assert Her2Cohort(2, texture_auc=0.8, clinical_auc=0.5).ideal_auc["combined"] == pytest.approx(
        0.8
    )


def test_texture_parameter_increases_strictly_with_the_latent_analytic():
    share = texture.coarse_share(np.linspace(-6, 6, 4001))
    assert (np.diff(share) > 0).all()
    assert 0 < share[0] < share[-1] < 1


def test_cea_is_the_clinical_latent_in_other_clothes_analytic():
    latents = np.linspace(-3, 3, 61)
    rng = np.random.default_rng(0)
    cea = [clinical.clinical_row(rng, c, 30.0, "body")["cea"] for c in latents]
    np.testing.assert_allclose(np.log(np.array(cea) / 3.0) / 0.9, latents, atol=1e-3)
    assert (np.diff(cea) > 0).all()


def test_quantiles_of_the_target_analytic():
    target = texture.Target(mean=7.0, cov=0.3, skew=0.4)
    values = target.quantiles(200_000)
    assert values.mean() == pytest.approx(7.0, rel=1e-3)
    assert values.std() / values.mean() == pytest.approx(0.3, rel=5e-3)
    widest = texture.Target(mean=1.0, cov=0.32, skew=0.2).quantiles(3000)
    assert widest.min() > 0.1


@pytest.mark.parametrize("seed", [5, 6])
def test_values_in_the_mask_are_the_target_quantiles_whatever_the_label_analytic(seed):
    """The same patient as a positive and as a negative: other texture, the same set of values."""
    images = []
    for prevalence in (0.0, 1.0):
        cohort = Her2Cohort(1, seed, prevalence=prevalence)
        patient = cohort.draw(0)
        pet, mask, _ = cohort.pet(patient)
        inside = mask.array > 0
        values = pet.array[inside]
        expected = patient.target.quantiles(values.size).astype(np.float32)
        np.testing.assert_array_equal(np.sort(values), expected)
        images.append((pet.array, inside))
    (negative, mask_0), (positive, mask_1) = images
    np.testing.assert_array_equal(mask_0, mask_1)
    assert not np.array_equal(negative[mask_0], positive[mask_1])
    far = np.abs(negative - positive) > 1e-3
    assert far.sum() < 12 * mask_0.sum()  # only the lesion and its surroundings differ


def neighbour_correlation(image, mask):
    pairs = []
    for axis in range(3):
        both = mask & np.roll(mask, -1, axis)
        pairs.append((image[both], np.roll(image, -1, axis)[both]))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return np.corrcoef(first, second)[0, 1]


def mass_shift(image, mask):
    where = np.argwhere(mask)
    return np.linalg.norm(where.mean(axis=0) - np.average(where, axis=0, weights=image[mask]))


def test_texture_follows_the_latent():
    cohort = Her2Cohort(14, 8, prevalence=0.5)
    measured, latent = [], []
    for index in range(14):
        patient = cohort.draw(index)
        pet, mask, _ = cohort.pet(patient)
        measured.append(neighbour_correlation(pet.array, mask.array > 0))
        latent.append(patient.texture_latent)
    assert np.corrcoef(measured, latent)[0, 1] > 0.8


def test_no_outline_or_first_order_draw_looks_at_the_label():
    first = Her2Cohort(40, 3, prevalence=0.0)
    second = Her2Cohort(40, 3, prevalence=1.0)
    for index in range(40):
        a, b = first.draw(index), second.draw(index)
        assert (a.target, a.center, a.acquisition, a.site) == (
            b.target, b.center, b.acquisition, b.site,
        )  # fmt: skip
        assert a.form.center == b.form.center
        assert a.form.volume_ml == b.form.volume_ml
        assert b.texture_latent - a.texture_latent == pytest.approx(ideal_distance(0.93))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_heterogeneity_has_only_the_slope_drawn_for_it_analytic(share):
    """Its best-fitting plane explains the drawn share of variance, coarse or fine."""
    mask = np.zeros((20, 20, 20), dtype=bool)
    mask[5:15, 4:15, 6:14] = True
    rng = np.random.default_rng(3)
    field = texture.heterogeneity(rng, mask.astype(np.float32), mask, share, 5.0, (4.0, 4.0, 4.0))
    replay = np.random.default_rng(3)
    replay.normal(size=3)
    drawn = replay.uniform(*texture.SLOPE_SHARE)
    core = np.zeros_like(mask)
    core[6:14, 5:14, 7:13] = True  # at the edge the field dies out with the lesion
    where = np.argwhere(core)
    design = np.column_stack([np.ones(len(where)), where])
    plane = design @ np.linalg.lstsq(design, field[core], rcond=None)[0]
    assert plane.var() / field[core].var() < drawn + 0.08


@pytest.mark.full
def test_texture_is_recoverable_and_first_order_is_not_trial():
    """200 balanced patients, two seeds: neighbour correlation against what must say nothing."""
    for seed in (1, 2):
        cohort = Her2Cohort(200, seed, prevalence=0.5)
        labels = cohort.labels()
        rows = []
        for index in range(200):
            pet, mask, _ = cohort.pet(cohort.draw(index))
            inside = mask.array > 0
            values = pet.array[inside]
            rows.append(
                (
                    neighbour_correlation(pet.array, inside),
                    values.mean(),
                    values.std(),
                    values.size,
                    mass_shift(pet.array, inside),
                )
            )
        columns = np.array(rows).T
        assert auc(columns[0], labels) > 0.83
        for column in columns[1:]:
            assert abs(auc(column, labels) - 0.5) < 3.5 * auc_error(0.5, 100, 100)
