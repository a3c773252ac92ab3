"""Outlines of bodies of known shape and shift, and SUV levels that follow from arithmetic."""

import numpy as np
import pytest
from quality_phantoms import world

from petnet.ingest.quality.body import Bodies, agreement, bodies
from petnet.ingest.quality.images import field_of_view
from petnet.ingest.quality.suv_level import whole_body_mean
from petnet.volume import Volume

HALF_AXES = np.array([170.0, 110.0, 700.0])


def grid(shape, spacing, centre=(0, 0, 0), signs=(1, 1, 1)):
    affine = np.diag([*np.multiply(spacing, signs), 1.0])
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


def ellipsoid(shape, affine, shift=(0, 0, 0)):
    at = world(shape, affine) - np.reshape(shift, (3, 1, 1, 1))
    return ((at / HALF_AXES.reshape(3, 1, 1, 1)) ** 2).sum(0) < 1


def pair(shift, pet_centre=(0, 0, 0), pet_shape=(76, 56, 60)):
    """Return PET and CT of one body; the CT's lies `shift` away."""
    pet_affine = grid(pet_shape, (5.5, 5.5, 5.0), pet_centre, (-1, -1, 1))
    ct_shape = (150, 120, 110)
    ct_affine = grid(ct_shape, (3.0, 3.0, 3.0))
    suv = np.where(ellipsoid(pet_shape, pet_affine), 0.8, 0.01).astype(np.float32)
    hu = np.where(ellipsoid(ct_shape, ct_affine, shift), 30.0, -1000.0).astype(np.float32)
    return Volume(suv, pet_affine, "SUVbw", "PT"), Volume(hu, ct_affine, "HU", "CT")


@pytest.mark.parametrize(
    "shift", [(0, 0, 0), (12, 0, 0), (-20, 7, 0), (0, -25, 0), (3, 3, 0)], ids=str
)
def test_analytic_shift_of_a_body(shift):
    """Along the axis of a trunk the outline tells little; nothing is claimed there."""
    found = agreement(bodies(*pair(shift)))
    assert found.told
    assert found.shift_mm[:2] == pytest.approx((-shift[0], -shift[1]), abs=1.5)
    assert abs(found.shift_mm[2]) < 1.5


def test_dice_is_that_of_the_shapes():
    """Counted on a grid of 1 mm for one slice, as the trunk hardly tapers."""
    shape, affine = (480, 360, 1), grid((480, 360, 1), (1.0, 1.0, 1.0))
    a, b = ellipsoid(shape, affine), ellipsoid(shape, affine, (20, 0, 0))
    expected = 2 * (a & b).sum() / (a.sum() + b.sum())
    assert agreement(bodies(*pair((20, 0, 0)))).dice == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("centre", [(60, 0, 0), (0, 50, 0), (40, 40, 0)], ids=str)
def test_a_body_that_the_field_cuts_off_is_not_assessable(centre):
    found = agreement(bodies(*pair((25, 0, 0), centre, (40, 30, 40))))
    assert not found.told


def test_the_table_is_no_part_of_the_body():
    pet, ct = pair((0, 0, 0))
    plain = bodies(pet, ct).ct
    at = world(ct.array.shape, ct.affine)
    shell = (np.abs(at[0]) < 200) & (np.abs(at[1] + 130) < 4)
    with_table = bodies(pet, ct.with_array(np.where(shell, 200.0, ct.array).astype(np.float32)))
    assert shell.sum() > 1000
    assert (with_table.ct != plain).sum() == 0


def test_lungs_belong_to_the_body_enclosed_or_cut_by_the_field():
    pet, ct = pair((0, 0, 0))
    at = world(ct.array.shape, ct.affine)
    lungs = (at[0] / 60) ** 2 + (at[1] / 60) ** 2 < 1  # through the whole field
    breathing = ct.with_array(np.where(lungs, -850.0, ct.array).astype(np.float32))
    assert (bodies(pet, breathing).ct == bodies(pet, ct).ct).all()
    half = (slice(75, None), slice(None), slice(None))  # cut through the middle of the lung
    affine = ct.affine.copy()
    affine[:3, 3] = (ct.affine @ [75, 0, 0, 1])[:3]
    cut, whole = (bodies(pet, Volume(v.array[half], affine, "HU", "CT")) for v in (breathing, ct))
    assert (cut.ct == whole.ct).all()


def test_a_ct_narrower_than_the_pet_is_no_fault():
    """As of every scanner: 500 mm of CT in 700 mm of PET, with the body in both."""
    pet, ct = pair((0, 0, 0), pet_shape=(126, 126, 60))
    found = bodies(pet, ct)
    assert found.seen.mean() < 0.6
    assert field_of_view("s", pet, ct, found).severity == "ok"
    assert agreement(found).told
    assert agreement(found).dice > 0.97


def test_noise_in_the_air_is_no_body():
    """Ninety per cent of a PET's field is air, whose noise must not count as uptake."""
    pet, ct = pair((0, 0, 0), pet_shape=(126, 126, 60))
    noise = np.random.default_rng(0).uniform(0, 0.08, pet.array.shape).astype(np.float32)
    found = bodies(pet.with_array(pet.array + noise), ct)
    assert found.pet.mean() == pytest.approx(bodies(pet, ct).pet.mean(), rel=0.02)


@pytest.mark.parametrize("factor", [0.5, 1.46, 2.5])
def test_a_wrong_scale_hardly_moves_the_outline(factor):
    pet, ct = pair((0, 0, 0))
    found = bodies(pet.with_array(pet.array * np.float32(factor)), ct)
    assert found.pet.mean() == pytest.approx(bodies(pet, ct).pet.mean(), rel=0.02)


def whole(mean, length_mm=1000.0, scale=1.0):
    """Return outlines of an ellipsoid in a field of the given length."""
    shape = (90, 60, int(length_mm / 8))
    affine = grid(shape, (5.0, 5.0, 8.0))
    at = world(shape, affine) / scale
    inside = ((at / np.reshape([170.0, 110.0, 510.0], (3, 1, 1, 1))) ** 2).sum(0) < 1
    suv = np.where(inside, mean, 0).astype(np.float32)
    return Bodies(affine, inside, None, np.zeros(shape, bool), suv)


LITRES = 4 / 3 * np.pi * 1.7 * 1.1 * 5.1


@pytest.mark.parametrize(
    ("mean", "weight", "severity"),
    [
        (0.9, LITRES, "ok"),
        (1.08, LITRES, "ok"),
        (1.14, LITRES, "warning"),  # more activity than was given
        (1.14, LITRES / 0.7, "ok"),  # the rest of the patient lies outside of the field
        (1.46, None, "ok"),
        (1.6, None, "warning"),
        (0.4, LITRES, "warning"),
    ],
)
def test_no_more_activity_than_was_given(mean, weight, severity):
    found = whole_body_mean("s", {"weight_kg": weight}, whole(mean))
    assert found.severity == severity
    assert found.value == pytest.approx(mean)
    if weight:
        assert found.high == pytest.approx(min(1.5, 1.1 * weight / LITRES), rel=0.02)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"length_mm": 600.0}, "mm long"),
        ({"length_mm": 800.0, "scale": 2.0}, "ends in the trunk"),
        ({"scale": 1.35}, "at the sides"),
    ],
    ids=["short", "trunk", "sides"],
)
def test_a_field_that_lacks_part_of_the_body_is_not_assessable(made, words):
    found = whole_body_mean("s", {"weight_kg": 70.0}, whole(5.0, **made))
    assert found.severity == "not assessable"
    assert words in found.text


def test_a_real_whole_body_is_assessed(reference):
    """STS_001: the factor that the reference data give, 71 kg; read by pydicom alone."""
    pydicom = pytest.importorskip("pydicom")
    folder = reference / "dicom" / "STS_001_wholebody_pet"
    files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 30_000]
    slices = [pydicom.dcmread(p, force=True) for p in files]
    slices = [d for d in slices if d.get("Modality") == "PT"]
    slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    stored = [d.pixel_array.T.astype(np.float32) * float(d.RescaleSlope) for d in slices]
    suv = np.stack(stored, axis=-1) * 2.429030e-4
    spacing = float(slices[0].PixelSpacing[0])
    affine = np.diag([-spacing, -spacing, 3.27, 1.0])
    found = whole_body_mean(
        "s", {"weight_kg": 71.0}, bodies(Volume(suv, affine, "SUVbw", "PT"), None)
    )
    assert found.severity == "ok"
    assert 0.6 < found.value < 1.1
    twice = bodies(Volume(2 * suv, affine, "SUVbw", "PT"), None)
    assert whole_body_mean("s", {"weight_kg": 71.0}, twice).severity == "warning"
