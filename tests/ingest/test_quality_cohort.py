"""Centres side by side: what differs is said once for the cohort, with a row per centre."""

import json

import numpy as np
import pytest
from quality_phantoms import PET_MM, Phantom, save, write_phantoms

from petnet.cohort import read_cohort
from petnet.ingest.quality import CHECKS, COHORT, Looked, check_cohort
from petnet.ingest.quality.acquisition_facts import half_life_in, read_sidecar, stated_unit
from petnet.ingest.quality.cohort import centre_rows, comparability, copies
from petnet.ingest.quality.images import voxel_hash


def looked(centre, number, spacing=(4.0, 4.0, 3.0), tracer="FDG", **columns):
    row = {"study": f"{centre}{number}", "patient": f"{centre}{number}", "center": centre}
    row |= {"tracer": tracer, "timepoint": "baseline", "scanner": "S", "reconstruction": "OSEM"}
    row |= {"uptake_min": 60.0, "earl": "EARL1"} | columns
    return Looked(row, (), (), {}, spacing)


def severities(studies):
    return {f.what: f.severity for f in comparability(centre_rows(studies))}


ALIKE = [looked(c, n) for c in "AB" for n in range(3)]
OF_COHORT = ("voxel size", "scanner", "reconstruction", "earl class", "uptake times")


def test_centres_that_are_alike():
    assert severities(ALIKE) == dict.fromkeys(OF_COHORT, "ok")


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("voxel size", {"spacing": (4.07, 4.07, 3.0)}),
        ("scanner", {"scanner": "T"}),
        ("reconstruction", {"reconstruction": "OSEM-PSF"}),
        ("earl class", {"earl": "EARL2"}),
        ("earl class", {"earl": None}),
        ("uptake times", {"uptake_min": 71.0}),
    ],
)
def test_one_difference_is_one_warning(what, other):
    found = severities([*ALIKE, *(looked("C", n, **other) for n in range(3))])
    assert found == dict.fromkeys(OF_COHORT, "ok") | {what: "warning"}


def test_a_difference_within_one_centre_is_told_too():
    found = severities([*ALIKE, looked("A", 9, scanner="T")])
    assert found["scanner"] == "warning"


def test_ten_minutes_are_tolerated_and_tracers_are_not_mixed():
    near = [looked("C", n, uptake_min=70.0) for n in range(3)]
    assert severities([*ALIKE, *near])["uptake times"] == "ok"
    other = [looked(c, n, uptake_min=20.0, tracer="FAPI") for c in "AB" for n in range(3)]
    found = [f for f in comparability(centre_rows([*ALIKE, *other])) if f.what == "uptake times"]
    assert [f.severity for f in found] == ["ok", "ok"]


def test_what_nobody_states_is_not_assessable():
    bare = [looked("A", n, None, scanner=None, reconstruction=None, earl=None, uptake_min=np.nan)
            for n in range(3)]  # fmt: skip
    assert severities(bare) == dict.fromkeys(OF_COHORT, "not assessable")


def test_a_row_per_centre_and_tracer():
    rows = centre_rows(
        [*ALIKE, looked("B", 7, (5.0, 5.0, 5.0), uptake_min=75.0), looked("B", 8, tracer="FAPI")]
    )
    assert [(r.centre, r.tracer, r.studies) for r in rows] == [
        ("A", "FDG", 3), ("B", "FAPI", 1), ("B", "FDG", 4),
    ]  # fmt: skip
    assert rows[2].voxel_size == ("4.00 × 4.00 × 3.00 mm", "5.00 × 5.00 × 5.00 mm")
    assert rows[2].uptake_min == (60.0, 60.0, 60.0, 75.0)
    assert rows[2].median_uptake_min == 60.0


def test_a_cohort_without_centres_is_one():
    (row,) = centre_rows([looked(None, n) for n in range(2)])
    assert (row.centre, row.studies) == ("all", 2)


def test_two_tracers_of_one_visit_may_share_a_ct_and_a_mask():
    prints = {"ct": "x", "mask a": "y"}
    rows = [
        {"study": f"s{n}", "patient": "p", "timepoint": "baseline", "tracer": t}
        for n, t in enumerate(("FDG", "FAPI"))
    ]
    assert not list(copies([Looked(row, (), (), prints) for row in rows]))
    both = [Looked(row, (), (), prints | {"pet": "z"}) for row in rows]
    assert [(f.study, f.what, f.severity) for f in copies(both)] == [
        ("s0", "identical pet", "error"), ("s1", "identical pet", "error"),
    ]  # fmt: skip


def test_hash_is_of_values_and_shape():
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert voxel_hash(a) == voxel_hash(np.asfortranarray(a)) == voxel_hash(a.copy())
    others = [a.reshape(3, 2, 4), a + 1, a.astype(np.float64), a[:, :, ::-1]]
    assert len({voxel_hash(x) for x in [a, *others]}) == 5


def test_a_copy_under_another_header_and_compression_is_found(tmp_path):
    one, other = Phantom("one", 1), Phantom("other", 1)
    for phantom in (one, other):
        phantom.regions = []
    folder = write_phantoms(tmp_path, [one, other])
    (folder / "images/other/pet.nii").unlink()
    elsewhere = np.diag([PET_MM, PET_MM, PET_MM, 1.0])
    save(folder / "images/other/pet.nii.gz", one.suv.astype(np.float32), elsewhere)
    text = (folder / "studies.csv").read_text().replace("other/pet.nii,", "other/pet.nii.gz,")
    (folder / "studies.csv").write_text(text)
    found = check_cohort(read_cohort(folder), draw=False).findings
    assert {f.study for f in found if f.what == "identical pet"} == {"one", "other"}


def test_findings_are_sorted_by_study_and_check(tmp_path):
    phantoms = [Phantom(name, n) for n, name in enumerate(("b", "a"))]
    found = check_cohort(read_cohort(write_phantoms(tmp_path, phantoms)), 2).findings
    places = [((COHORT, "b", "a").index(f.study), list(CHECKS).index(f.what)) for f in found]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("content", "minutes"),
    [
        ({"suv": {"header": {"RadionuclideHalfLife (0018,1075)": "6586.2"}}}, 109.77),
        ({"suv": {"header": {"RadionuclideHalfLife (0018,1075)": "long"}}}, np.nan),
        ({"suv": None, "notes": []}, np.nan),
        ([], np.nan),
    ],
)
def test_half_life_is_read_from_where_convert_writes_it(content, minutes):
    assert half_life_in(content) == pytest.approx(minutes, nan_ok=True)


def test_foreign_files_beside_the_pet_are_no_sidecar(tmp_path):
    pet = tmp_path / "pet.nii.gz"
    assert read_sidecar(pet) is None
    for content in ("{", "[1]", "\0\xff"):
        (tmp_path / "pet.json").write_text(content, "latin-1")
        assert read_sidecar(pet) is None
    (tmp_path / "pet.json").write_text(json.dumps({"suv": {"unit": "SUVlbm"}}))
    assert stated_unit(read_sidecar(pet)) == "SUVlbm"
    assert stated_unit(None) == stated_unit({"suv": "?"}) == "SUVbw"


def test_limits_of_suvbw_are_not_held_against_other_kinds(tmp_path):
    phantom = Phantom("lean", 1)
    phantom.sidecar = {"suv": {"unit": "SUVlbm", "warnings": []}}
    phantom.suv[phantom.liver] = 9.0
    found = check_cohort(read_cohort(write_phantoms(tmp_path, [phantom])), draw=False).findings
    (liver,) = [f for f in found if f.what == "liver"]
    assert liver.severity == "not assessable"
    assert "SUVlbm" in liver.text
