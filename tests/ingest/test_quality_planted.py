"""One fault is planted in each study; it is found there, and nothing is found in the others."""

import re

import numpy as np
import pytest
from quality_phantoms import Phantom, ball, moved, write_phantoms

from petnet.cohort import read_cohort
from petnet.ingest.quality import CHECKS, check_cohort
from petnet.ingest.quality.drawings import drawings
from petnet.volume import Volume

HALF_LIFE = "RadionuclideHalfLife (0018,1075)"
BESIDE = np.array([40.0, -45.0, 10.0])  # where there is neither lesion nor liver
SOUND_SUV = {"unit": "SUVbw", "warnings": [], "header": {HALF_LIFE: "6588"}}


def ct_moved(p):
    p.ct_affine = moved(p.ct_affine, (14.0, 0, 0))
    p.ct_lesion = ball(p.place + np.reshape([14.0, 0, 0], (3, 1, 1, 1)), p.centre, p.radius)


def masks_apart(p):
    p.ct_lesion = ball(p.place, p.centre + np.array([0, 12, 8]), p.radius)


def mask_in_air(p):
    p.lesion = ball(p.at, (-180, 100, 0), p.radius)
    p.ct_lesion = ball(p.place, (-180, 100, 0), p.radius)


def mask_in_background(p):
    p.lesion = ball(p.at, p.centre + BESIDE, p.radius)
    p.ct_lesion = ball(p.place, p.centre + BESIDE, p.radius)


def speck(p):
    p.lesion[np.unravel_index(np.argmin(((p.at - 60) ** 2).sum(0)), p.lesion.shape)] = True


def tiny(p):
    p.lesion = ball(p.at, p.centre, 4.0) & p.lesion
    p.ct_lesion = ball(p.place, p.centre, 6.0)


def short_ct(p):
    p.hu, p.ct_lesion = p.hu[:, :, 10:], p.ct_lesion[:, :, 10:]
    p.ct_affine = moved(p.ct_affine, (0, 0, 10 * p.ct_affine[2, 2]))


def hot(p):
    p.suv *= 1.4  # as much activity is not there


def liver(value):
    def spoil(p):
        p.suv[p.liver] = value

    return spoil


def column(**values):
    return lambda p: p.row.update(values)


def sidecar(**suv):
    return lambda p: setattr(p, "sidecar", {"suv": SOUND_SUV | suv})


def without_regions(p):
    p.regions = []


def twice(p):
    p.regions.append("twice")


# name: how it is spoiled; {check: severity} of all that must be said of it beside ok
PLANTED = {
    "ct moved": (ct_moved, {"body outline": "warning"}),
    "masks apart": (masks_apart, {"pet and ct masks": "warning"}),
    "mask in air": (mask_in_air, {"mask place": "error", "mask uptake": "warning"}),
    "mask in background": (mask_in_background, {"mask uptake": "warning"}),
    "speck": (speck, {"mask components": "warning"}),
    "tiny": (tiny, {"mask": "warning"}),
    "short ct": (short_ct, {"field of view": "warning"}),
    "liver hot": (liver(3.4), {"liver": "warning"}),
    "liver cold": (liver(1.1), {"liver": "warning"}),
    "late": (column(uptake_min=80), {"uptake time": "warning"}),
    "early": (column(uptake_min=30), {"uptake time": "warning"}),
    "dose in MBq": (column(dose_bq=250), {"injected dose": "error"}),
    "dose of two": (column(dose_bq=1.4e9), {"injected dose": "warning"}),
    "height in cm": (column(height_m=175), {"body size": "warning"}),
    "gallium": (sidecar(header={HALF_LIFE: "4062.6"}), {"tracer and half-life": "error"}),
    "candidates": (sidecar(warnings=["two start times differ"]), {"conversion": "warning"}),
    "no regions": (without_regions, {"regions": "error"}),
    "twice": (twice, {"same region twice": "warning"}),
}
SOUND = {
    "sound 1": lambda p: None,
    "sound 2": lambda p: None,
    "fluorine": sidecar(),
    "55 min": column(uptake_min=55),
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    phantoms = []
    for number, (name, spoil) in enumerate(
        [*SOUND.items(), *((name, spoil) for name, (spoil, _) in PLANTED.items())]
    ):
        phantoms.append(Phantom(name, number))
        spoil(phantoms[-1])
    for name, factor in (("whole", 1.0), ("whole hot", 1.4)):
        phantoms.append(Phantom(name, 50 + len(name), whole=True))
        phantoms[-1].suv *= factor
        phantoms[-1].suv[phantoms[-1].liver] = 2.2
    original, copy = Phantom("original", 90), Phantom("copy", 90)
    masked, mask_copy = Phantom("masked", 91), Phantom("mask copy", 92)
    mask_copy.lesion, mask_copy.suv = masked.lesion.copy(), masked.suv + 0.01
    mask_copy.ct_lesion = masked.ct_lesion.copy()
    other_tracer = Phantom("same visit", 93)
    other_visit = Phantom("next visit", 93)
    for one, visit in ((other_tracer, "baseline"), (other_visit, "followup1")):
        one.row |= {"patient": "visitor", "timepoint": visit}
    other_visit.suv = other_visit.suv + 0.01
    phantoms += [original, copy, masked, mask_copy, other_tracer, other_visit]
    cohort = read_cohort(write_phantoms(folder, phantoms))
    return check_cohort(cohort, workers=2)


COPIED = {"identical pet": "error", "identical ct": "error", "identical masks": "warning"}
EXPECTED = (
    {name: wanted for name, (_, wanted) in PLANTED.items()}
    | {
        "whole hot": {"whole-body mean": "warning"},
        "masked": {"identical masks": "warning"},
        "mask copy": {"identical masks": "warning"},
        "same visit": {"identical ct": "warning"},
        "next visit": {"identical ct": "warning"},
    }
    | dict.fromkeys(("original", "copy"), COPIED)
)


def test_each_fault_is_found_in_its_study_and_in_no_other(checked):
    loud = [f for f in checked.findings if f.severity in ("warning", "error")]
    found = {}
    for finding in loud:
        found.setdefault(finding.study, {})[finding.what] = finding.severity
    assert found == EXPECTED


def test_every_check_is_planted_or_tested_elsewhere(checked):
    planted = {what for wanted in EXPECTED.values() for what in wanted}
    of_cohort = {"voxel size", "scanner", "reconstruction", "uptake times", "earl class"}
    assert set(CHECKS) - planted == of_cohort | {"pet", "ct"}
    assert {f.what for f in checked.findings} <= set(CHECKS)


def values(checked, study, what):
    return [f for f in checked.findings if (f.study, f.what) == (study, what)]


def test_the_shift_that_was_planted_is_measured(checked):
    """The CT was moved 14 mm to the right, so the PET lies 14 mm to the left of it."""
    (found,) = values(checked, "ct moved", "body outline")
    assert found.value == pytest.approx(14.0, abs=0.7)
    assert re.search(r"moved 1[34] mm to the left", found.text)
    (found,) = values(checked, "sound 1", "body outline")
    assert found.severity == "ok"
    assert "moved less than 1 mm" in found.text


def test_a_whole_body_is_assessed_and_a_trunk_is_not(checked):
    (whole,) = values(checked, "whole", "whole-body mean")
    assert whole.severity == "ok"
    assert whole.value == pytest.approx(0.9, abs=0.05)
    assert whole.high == pytest.approx(1.1, abs=0.05)  # all the weight is in the field
    (trunk,) = values(checked, "sound 1", "whole-body mean")
    assert trunk.severity == "not assessable"
    assert np.isnan(trunk.value)


def test_figures_stand_in_columns_of_their_own(checked):
    (found,) = values(checked, "liver hot", "liver")
    assert (found.low, found.high, found.unit) == (1.3, 3.0, "SUV")
    assert found.value == pytest.approx(3.4)
    assert found.region == "liver"
    (found,) = values(checked, "late", "uptake time")
    assert (found.value, found.low, found.high, found.unit) == (80.0, 55.0, 75.0, "min")
    (found,) = values(checked, "gallium", "tracer and half-life")
    assert found.value == pytest.approx(67.71)
    shares = {f.region: f.value for f in values(checked, "mask in air", "mask place")}
    assert shares == {"lesion": 1.0, "lesion on CT": 1.0, "liver": 0.0}


def test_what_is_not_known_is_not_called_sound(checked):
    for what in ("tracer and half-life", "conversion"):
        (found,) = values(checked, "sound 1", what)
        assert found.severity == "not assessable"


def test_pictures_show_the_lesion_where_it_lies(checked):
    """The lesion is 50 mm left of the middle; pictures have the patient's right at the left."""
    (one,) = [s for s in checked.studies if s.study["study"] == "sound 1"]
    mip, axial = one.drawings
    inside = mip.outlines["pet"]
    assert (mip.image[inside] > 150).mean() > 0.9  # SUV 6 of 10
    assert np.argwhere(inside)[:, 1].mean() > inside.shape[1] / 2
    assert set(axial.outlines) == {"pet", "ct"}
    both = axial.outlines["pet"] & axial.outlines["ct"]
    assert both.sum() > 0.7 * axial.outlines["ct"].sum()
    middle = (np.array(axial.image.shape) - 1) / 2
    assert np.abs(np.argwhere(axial.outlines["ct"]).mean(axis=0) - middle).max() < 4


def test_pictures_are_small_whatever_the_images_are():
    shape, affine = (300, 300, 500), np.diag([-2.0, -2.0, 2.0, 1.0])
    pet = Volume(np.zeros(shape, np.float32), affine, "SUVbw", "PT")
    (mip,) = drawings(pet, None, [])
    assert mip.image.shape == (250, 150)
    assert mip.spacing_mm == (4.0, 4.0)
