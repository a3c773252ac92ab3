"""Seeds, boxes and rough masks; the files they are read from; lesions that overlap."""

import numpy as np
import pytest
from phantom_spheres import volume_of

from petnet.cohort import read_cohort
from petnet.errors import InputError
from petnet.segmentation import (
    FixedThreshold,
    NotSegmented,
    box_start,
    mask_start,
    seed_start,
    voxel_of,
)
from petnet.segmentation.cases import cases_of_file, cases_of_rois, reference_regions
from petnet.segmentation.field import cut_field
from petnet.segmentation.label_maps import common_voxels, pack
from petnet.volume import Volume

SHAPE = (20, 18, 16)
OBLIQUE = np.array(
    [[-2.4, -0.6, 0, 40], [1.6, -0.9, 0, -30], [0, 0, 4.0, 12], [0, 0, 0, 1]], dtype=float
)


def whole(part, start):
    made = np.zeros(SHAPE, bool)
    made[tuple(map(slice, start.corner, np.add(start.corner, part.shape)))] = part
    return made


def far(at, spacing):
    index = np.indices(SHAPE).reshape(3, -1).T
    return np.linalg.norm((index - at) * spacing, axis=1).reshape(SHAPE)


@pytest.mark.parametrize("seed", [(9, 8, 7), (0, 17, 3)])
def test_brute_force_reach_of_a_seed(seed):
    pet = volume_of(np.random.default_rng(0).random(SHAPE))
    start = seed_start(pet, seed, 7.0, 15.0)
    np.testing.assert_array_equal(whole(start.search, start), far(seed, pet.spacing_mm) <= 7.0)
    np.testing.assert_array_equal(whole(start.limit, start), far(seed, pet.spacing_mm) <= 15.0)
    inside = np.where(whole(start.search, start), pet.array, 0)
    found = cut_field(pet, start, 0.0, 0.0)
    hottest = np.unravel_index(inside.argmax(), SHAPE)
    assert np.add(found.hottest, found.corner).tolist() == list(hottest)


def test_brute_force_margin_of_a_box():
    pet = volume_of(np.ones(SHAPE))
    start = box_start(pet, (3, -4, 5), (8, 6, 9), (4, 2, 6), 5.0)
    box = np.zeros(SHAPE, bool)
    box[3:9, 0:7, 5:10] = True
    np.testing.assert_array_equal(whole(start.limit, start), box)
    np.testing.assert_array_equal(
        whole(start.search, start), box & (far((4, 2, 6), pet.spacing_mm) <= 5.0)
    )
    field = cut_field(pet, start, 8.5, 0.0)
    near = np.min([far(at, pet.spacing_mm) for at in np.argwhere(box)], axis=0) <= 8.5
    made = np.zeros(SHAPE, bool)
    ends = np.add(field.corner, field.limit.shape)
    made[tuple(map(slice, field.corner, ends))] = field.limit
    np.testing.assert_array_equal(made, near)


def test_voxel_of_a_point_on_an_oblique_grid():
    pet = Volume(np.zeros(SHAPE), OBLIQUE, "SUVbw", "PT")
    rng = np.random.default_rng(1)
    for _ in range(50):
        index = rng.integers(0, SHAPE)
        point = OBLIQUE[:3, :3] @ (index + rng.uniform(-0.49, 0.49, 3)) + OBLIQUE[:3, 3]
        assert voxel_of(pet, point) == tuple(index)


def test_starts_outside_of_the_image():
    pet = volume_of(np.ones(SHAPE))
    with pytest.raises(NotSegmented, match=r"seed \(20, 0, 0\) lies outside of the image"):
        seed_start(pet, (20, 0, 0))
    with pytest.raises(NotSegmented, match=r"seed \(3, 3, -1\) lies outside of the image"):
        box_start(pet, (0, 0, 0), (9, 9, 9), (3, 3, -1))
    with pytest.raises(NotSegmented, match="outside of its box"):
        box_start(pet, (0, 0, 0), (9, 9, 9), (10, 3, 3))
    with pytest.raises(NotSegmented, match="holds no voxel of the image"):
        box_start(pet, (20, 0, 0), (25, 9, 9))
    with pytest.raises(NotSegmented, match="holds no voxel of the image"):
        box_start(pet, (9, 0, 0), (8, 9, 9))
    with pytest.raises(NotSegmented, match="rough mask is empty"):
        mask_start(np.zeros(SHAPE, bool))
    with pytest.raises(NotSegmented, match="outside of its mask"):
        mask_start(np.eye(4)[..., None] > 0, (0, 1, 0))
    with pytest.raises(InputError, match="0 mm or more"):
        seed_start(pet, (1, 1, 1), -1.0, -1.0)


def segmented(suv, lower, upper):
    pet = volume_of(suv)
    return FixedThreshold(suv=1).segment(pet, box_start(pet, lower, upper))


def test_packing_keeps_every_voxel_of_every_lesion():
    rng = np.random.default_rng(2)
    lesions = []
    for _ in range(12):
        lower = rng.integers(0, 12, 3)
        lesions.append(segmented(2 * rng.random(SHAPE), lower, lower + rng.integers(1, 7, 3)))
    packed = pack(lesions)
    for lesion, (place, label) in zip(lesions, packed.places, strict=True):
        np.testing.assert_array_equal(packed.maps[place] == label, lesion.mask)
    for place, labels in enumerate(packed.maps):
        count = sum(p == place for p, _ in packed.places)
        assert sorted(np.unique(labels)) == list(range(count + 1))
    for a in lesions:
        for b in lesions:
            assert common_voxels(a, b) == (a.mask & b.mask).sum()
    assert len(packed.maps) > 1
    assert pack([]).maps == []


# ------------------------------------------------------------------ tables

STUDIES = """\
patient,study,timepoint,arm,tracer,modality,pet,ct
A,A-1,baseline,fdg,FDG,PT/CT,pet.nii.gz,
B,B-1,baseline,fdg,FDG,PT/CT,pet.nii.gz,
"""
ROIS = """\
study,roi,lesion_uid,role,region,path,label,grid,reader
A-1,one,A-L1,primary,,m.nii.gz,1,pet,R1
A-1,liver,,reference,liver,m.nii.gz,2,pet,
B-1,two,,node,n1,m.nii.gz,,ct,
"""


@pytest.fixture
def cohort(tmp_path):
    for name, text in {"studies": STUDIES, "rois": ROIS, "targets": "patient\nA\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return read_cohort(tmp_path)


def test_regions_of_the_table(cohort):
    found = cases_of_rois(cohort)
    assert {study: [c.roi for c in cases] for study, cases in found.items()} == {
        "A-1": ["one"],
        "B-1": ["two"],
    }
    wanted = {"lesion_uid": "A-L1", "role": "primary", "region": None, "reader": "R1"}
    assert found["A-1"][0].columns == wanted
    assert (found["B-1"][0].where.grid, found["B-1"][0].where.label) == ("ct", None)
    assert list(cases_of_rois(cohort, ["node"])) == ["B-1"]
    assert [r.roi for r in reference_regions(cohort)["A-1"]] == ["liver"]
    with pytest.raises(InputError, match=r"some of \['deposit'\]"):
        cases_of_rois(cohort, ["deposit"])


def read(tmp_path, cohort, text):
    path = tmp_path / "seeds.csv"
    path.write_text(text)
    return cases_of_file(path, cohort)


def test_seeds_and_boxes_of_a_file(tmp_path, cohort):
    header = "study,roi,i,j,k,lower_i,lower_j,lower_k,upper_i,upper_j,upper_k,region"
    found = read(tmp_path, cohort, f"{header}\nA-1,a,5,4,3,,,,,,,r1\nA-1,b,,,,9,9,9,1,2,3,\n")[
        "A-1"
    ]
    assert [case.columns["role"] for case in found] == ["primary", "primary"]
    assert found[0].columns["region"] == "r1"
    pet = volume_of(np.ones(SHAPE))
    start = found[0].where.start(pet, 4.0, 8.0)
    assert start.seed == (5, 4, 3)
    np.testing.assert_array_equal(whole(start.limit, start), far((5, 4, 3), pet.spacing_mm) <= 8.0)
    start = found[1].where.start(pet, 4.0, 8.0)
    assert (start.corner, start.limit.shape, start.seed) == ((1, 2, 3), (9, 8, 7), None)


def test_millimetres_are_those_of_nifti(tmp_path, cohort):
    point = OBLIQUE[:3, :3] @ (5, 4, 3) + OBLIQUE[:3, 3]
    lower, upper = (OBLIQUE[:3, :3] @ v + OBLIQUE[:3, 3] for v in ((2, 9, 6), (7, 3, 2)))
    names = [f"{corner}{axis}_mm" for corner in ("", "lower_", "upper_") for axis in "xyz"]
    values = ",".join(f"{v:.4f}" for v in (*point, *lower, *upper))
    text = f"study,roi,role,{','.join(names)}\nB-1,a,node,{values}\n"
    (case,) = read(tmp_path, cohort, text)["B-1"]
    pet = Volume(np.ones(SHAPE), OBLIQUE, "SUVbw", "PT")
    start = case.where.start(pet, 1.0, 8.0)
    assert (start.seed, start.corner, start.limit.shape) == ((5, 4, 3), (2, 3, 2), (6, 7, 5))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("study,i,j,k\nA-1,1,1,1\n", r"columns: expected a column 'roi'"),
        ("study,roi,i,j,k\n", r"at least one row"),
        ("study,roi,i,j,k\nC-1,a,1,1,1\n", r"row 2: study: expected a study .* got 'C-1'"),
        ("study,roi,i,j,k\nA-1,a,1,1,1\nA-1,a,2,1,1\n", r"row 3: roi: .* 'a' twice"),
        ("study,roi,i,j,k\nA-1,,1,1,1\n", r"row 2: roi: .* got nothing"),
        ("study,roi,i,j,k\nA-1,a,1,,1\n", r"row 2: j: expected a whole number, but got nothing"),
        ("study,roi,i,j,k\nA-1,a,1,1.5,1\n", r"row 2: j: expected a whole number, but got '1.5'"),
        ("study,roi,i,j,k\nA-1,a,1,x,1\n", r"row 2: j: expected a whole number, but got 'x'"),
        ("study,roi,i,j,k\nA-1,a,1,inf,1\n", r"row 2: j: expected a whole number, but got 'inf'"),
        ("study,roi,i,j,k\nA-1,a,,,\n", r"row 2: position: .* got neither"),
        ("study,roi\nA-1,a\n", r"row 2: position: .* got neither"),
        (
            "study,roi,i,j,k,x_mm,y_mm,z_mm\nA-1,a,1,1,1,1,1,1\n",
            r"row 2: position: expected x_mm, y_mm, z_mm or i, j, k, but got both",
        ),
        (
            "study,roi,lower_i,lower_j,lower_k\nA-1,a,1,1,1\n",
            r"row 2: box: expected its lower and its upper corner, but got one of them",
        ),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, cohort, text, found):
    with pytest.raises(InputError, match=found):
        read(tmp_path, cohort, text)


def test_no_such_file(tmp_path, cohort):
    with pytest.raises(InputError, match="start: expected rois, or a CSV file that exists"):
        cases_of_file(tmp_path / "none.csv", cohort)
