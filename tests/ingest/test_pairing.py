"""PET chosen, CT paired, time points named: each rule by a case that only it decides."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest

from petnet.ingest.conversion.pairing import Image, choose_pet, coverage, is_sharp, pair_ct
from petnet.ingest.conversion.timepoints import Scan, name_timepoints

DAY = datetime(2020, 5, 4, 10)


def grid(slices, slice_mm, in_plane_mm, pixels, z0=0.0):
    """A stack centred on the axis, its first slice at `z0`."""
    affine = np.diag([-in_plane_mm, -in_plane_mm, slice_mm, 1.0])
    affine[:3, 3] = [in_plane_mm * (pixels - 1) / 2, in_plane_mm * (pixels - 1) / 2, z0]
    return {"shape": (pixels, pixels, slices), "affine": affine}


PET = Image("pet", **grid(300, 3.0, 4.0, 150), frame_of_reference="f", study_uid="s", start=DAY)
ATTENUATION_CT = Image(
    "ct", **grid(300, 3.0, 1.0, 500), frame_of_reference="f", study_uid="s", start=DAY,
    description="CTAC", kernel="B31f",
)  # fmt: skip
BED = grid(100, 3.0, 4.0, 150)
THIN = grid(600, 1.5, 4.0, 150)
FINE = grid(300, 3.0, 2.0, 300)

# the one that is taken, the other one
BETTER_PET = {
    "whole body before one bed": (PET, replace(PET, name="bed", **BED, delineated=True)),
    "delineated before original": (
        replace(PET, delineated=True, original=False), replace(PET, name="b"),
    ),
    "original before fine": (PET, replace(PET, name="b", **FINE, original=False)),
    "fine before early": (
        replace(PET, **FINE), replace(PET, name="b", start=DAY - timedelta(hours=1)),
    ),
    "thin slices are fine too": (replace(PET, **THIN), replace(PET, name="b")),
    "early before late": (
        replace(PET, number=9), replace(PET, name="b", number=1, start=DAY + timedelta(hours=1)),
    ),
    "dated before undated": (replace(PET, number=9), replace(PET, name="b", start=None)),
}  # fmt: skip


@pytest.mark.parametrize("rule", BETTER_PET)
def test_pet_is_chosen_by_rule_in_any_order(rule):
    for pair in permutations(BETTER_PET[rule]):
        ranking = choose_pet(pair)
        assert ranking.order[0] is BETTER_PET[rule][0]
        assert not ranking.notes


def test_pets_of_nearly_one_length_are_of_one_length():
    shorter = replace(PET, name="b", **grid(280, 3.0, 4.0, 150), delineated=True)
    assert choose_pet([PET, shorter]).order[0] is shorter


def test_a_choice_that_no_rule_decides_is_uncertain():
    a, b = replace(PET, number=4), replace(PET, name="b", number=3)
    ranking = choose_pet([a, b])
    assert ranking.order == (b, a)
    assert "uncertain choice" in ranking.notes["b"][0]
    assert choose_pet([]).order == ()


CT = ATTENUATION_CT
NECK = grid(90, 3.0, 1.0, 500)
LATER = DAY + timedelta(hours=2)
BETTER_CT = {
    "covers, in spite of the frame": (
        replace(CT, frame_of_reference="g"), replace(CT, name="b", **grid(200, 3.0, 1.0, 500)),
    ),
    "frame before study": (
        replace(CT, start=LATER), replace(CT, name="b", frame_of_reference="g"),
    ),
    "study before day": (
        replace(CT, frame_of_reference="g", start=LATER),
        replace(CT, name="b", frame_of_reference="g", study_uid="t"),
    ),
    "near in time before its purpose": (
        replace(CT, description=""), replace(CT, name="b", start=LATER),
    ),
    "attenuation before soft tissue": (
        replace(CT, kernel="B70f"), replace(CT, name="b", description="Thorax"),
    ),
    "soft before unknown": (CT, replace(CT, name="b", kernel="")),
    "unknown before sharp": (replace(CT, kernel=""), replace(CT, name="b", kernel="LUNG")),
    "original before thickness": (
        replace(CT, **grid(900, 1.0, 1.0, 500)), replace(CT, name="b", original=False),
    ),
    "slices as the PET's": (CT, replace(CT, name="b", **grid(900, 1.0, 1.0, 500))),
}  # fmt: skip


@pytest.mark.parametrize("rule", BETTER_CT)
def test_ct_is_paired_by_rule_in_any_order(rule):
    for pair in permutations(BETTER_CT[rule]):
        assert pair_ct(PET, pair).order[0] is BETTER_CT[rule][0]


def test_what_is_uncertain_about_a_pair_is_said():
    assert pair_ct(PET, [CT]).notes == {"ct": ()}
    far = pair_ct(PET, [replace(CT, frame_of_reference="")]).notes["ct"]
    assert far == ("uncertain pair: PET and CT share the study, but no frame of reference",)
    short = pair_ct(PET, [replace(CT, **grid(240, 3.0, 1.0, 500))]).notes["ct"]
    assert short == ("the CT covers 80% of the PET",)
    twins = pair_ct(PET, [CT, replace(CT, name="b", number=1)])
    assert "uncertain pair" in twins.notes["ct"][0]


def test_cts_that_cannot_belong_are_excluded_by_reason():
    other_day = replace(
        CT, frame_of_reference="g", study_uid="t", start=DAY + timedelta(days=1), name="day"
    )
    neck = replace(CT, name="neck", **NECK)
    undated = replace(other_day, start=None, name="undated")
    ranking = pair_ct(PET, [other_day, neck, undated])
    assert ranking.order == ()
    assert ranking.excluded["day"].tag == "FrameOfReferenceUID (0020,0052)"
    assert ranking.excluded["undated"].tag == "FrameOfReferenceUID (0020,0052)"
    assert "30% of it" in ranking.excluded["neck"].reason


def test_no_frame_of_reference_is_none_in_common():
    a = replace(PET, frame_of_reference="", study_uid="")
    b = replace(CT, frame_of_reference="", study_uid="", start=DAY + timedelta(days=3))
    assert pair_ct(a, [b]).order == ()


@pytest.mark.parametrize("slices", [0, 1, 30, 299, 300, 400])
def test_coverage_is_the_share_of_slices_analytic(slices):
    ct = replace(CT, **grid(max(slices, 1), 3.0, 1.0, 500, z0=0.0 if slices else -1e4))
    assert coverage(PET, ct) == pytest.approx(min(slices, 300) / 300)


def test_coverage_does_not_ask_for_the_pets_wide_margin():
    assert coverage(PET, replace(CT, **grid(300, 3.0, 1.0, 250))) == 1.0
    assert coverage(PET, replace(CT, **grid(300, 3.0, 1.0, 100))) < 0.5


def test_coverage_knows_of_oblique_and_turned_stacks():
    turn = np.eye(4)
    turn[:3, :3] = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    a = replace(PET, affine=turn @ PET.affine)
    assert coverage(a, replace(CT, affine=turn @ CT.affine)) == 1.0
    assert coverage(a, CT) < 0.5


@pytest.mark.parametrize(
    "kernel", ["LUNG", "BONE", "BONEPLUS", "B70f", "B60s", "Bl57d", "Br64d\\3", "FC51", "YC", "D"]
)
def test_kernels_for_lung_and_bone_are_sharp(kernel):
    assert is_sharp(kernel)


@pytest.mark.parametrize(
    "kernel",
    ["STANDARD", "SOFT", "B30f", "B31s", "Br38f", "I31f\\2", "FC08", "FC18", "B", "", "??"],
)
def test_other_kernels_are_not(kernel):
    assert not is_sharp(kernel)


def scans(*said):
    """Scans by name, days since the first of May 2020 (None: no date) and arm."""
    first = date(2020, 5, 1)
    return [
        Scan(name, None if day is None else first + timedelta(day), arm) for name, day, arm in said
    ]


TIMEPOINTS = {
    "one": ([("a", 0, "fdg")], {"a": "baseline"}),
    "two tracers": ([("a", 0, "fdg"), ("b", 7, "fapi")], {"a": "baseline", "b": "baseline"}),
    "too far apart": ([("a", 0, "fdg"), ("b", 22, "fapi")], {"a": "baseline", "b": "followup1"}),
    "just near enough": ([("a", 0, "fdg"), ("b", 21, "fapi")], {"a": "baseline", "b": "baseline"}),
    "the same tracer again": (
        [("a", 0, "fdg"), ("b", 5, "fdg"), ("c", 6, "fapi")],
        {"a": "baseline", "b": "followup1", "c": "followup1"},
    ),
    "by date, not by order": (
        [("a", 90, "fdg"), ("b", 0, "fdg"), ("c", 180, "fdg")],
        {"b": "baseline", "a": "followup1", "c": "followup2"},
    ),
    "days count from the first": (
        [("a", 0, "fdg"), ("b", 15, "fapi"), ("c", 30, "psma")],
        {"a": "baseline", "b": "baseline", "c": "followup1"},
    ),
    "undated last": ([("a", None, "fdg"), ("b", 9, "fdg")], {"b": "baseline", "a": "followup1"}),
}


@pytest.mark.parametrize("case", TIMEPOINTS)
def test_time_points_in_any_order(case):
    said, expected = TIMEPOINTS[case]
    for order in permutations(scans(*said)):
        points, _ = name_timepoints(order, same_days=21)
        assert points == expected


def test_a_scan_without_a_date_is_uncertain_beside_others_only():
    assert name_timepoints(scans(("a", None, "fdg")), 21)[1] == {}
    notes = name_timepoints(scans(("a", None, "fdg"), ("b", 0, "fdg")), 21)[1]
    assert list(notes) == ["a"]


def test_no_two_scans_share_time_point_and_arm():
    rng = np.random.default_rng(1)
    for _ in range(50):
        said = [
            (str(k), int(rng.integers(0, 60)), str(rng.choice(["fdg", "fapi"]))) for k in range(6)
        ]
        made = scans(*said)
        points, _ = name_timepoints(made, 21)
        assert len({(points[s.name], s.arm) for s in made}) == len(made)
