"""Rows of a cohort's studies: NumPy and single extraction on the arrays that were written."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from petnet.cohort import read_cohort
from petnet.errors import InputError
from petnet.measure import rows
from petnet.measure.study_table import study_columns, study_table
from petnet.measure.tabulate import feature_table
from petnet.radiomics.extractor import FeatureSet, extract
from petnet.radiomics.filters import Mean
from petnet.task import Task
from petnet.units import select_studies, select_units
from petnet.volume import Volume

AFFINE = np.diag([-4.0, -4.0, 5.0, 1.0])
ML = 0.08
SHAPE = (24, 20, 14)
BOXES = {
    1: ("primary", "LUL", (slice(2, 9), slice(2, 8), slice(3, 9))),  # 252 voxels
    2: ("node", "4R", (slice(12, 14), slice(4, 7), slice(5, 7))),  # 12
    3: ("node", "7", (slice(16, 19), slice(10, 12), slice(5, 8))),  # 18
    4: ("reference", "blood_pool", (slice(18, 22), slice(14, 18), slice(2, 10))),
}
PET = FeatureSet("pt", "PT", ("stat", "morph", "glcm"), "fixed_bin_number", bins=8)
CT = FeatureSet("ct", "CT", ("stat",))
TASK = Task("t", "binary", "y", roles=("primary", "node"), references=("blood_pool",))


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def arrays(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    for label, (_, _, box) in BOXES.items():
        labels[box] = label
    suv = rng.gamma(2.0, 1.5, SHAPE).astype(np.float32)
    return suv, rng.normal(0, 100, SHAPE).astype(np.float32), labels


def write(folder, patients=("P0", "P1", "P2"), more=(), labels=(1, 2, 3, 4)):
    """Write a cohort; `more` are further lines of the rois table."""
    studies = ["patient,study,timepoint,arm,tracer,modality,pet,ct"]
    rois = ["study,roi,lesion_uid,role,region,path,label,grid"]
    for seed, p in enumerate(patients):
        for name, array in zip(("pet", "ct", "map"), arrays(seed), strict=True):
            save(folder / p / f"{name}.nii.gz", array)
        studies.append(f"{p},{p}-1,baseline,fdg,FDG,PT/CT,{p}/pet.nii.gz,{p}/ct.nii.gz")
        for label in labels:
            role, region, _ = BOXES[label]
            rois.append(f"{p}-1,roi{label},{p}-L{label},{role},{region},{p}/map.nii.gz,{label},pet")
    tables = {"studies": studies, "rois": [*rois, *more], "targets": ["patient", *patients]}
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return read_cohort(folder)


def made(cohort, kind, task=None, roles=None, **more):
    references = task.references if task else ()
    studies = select_studies(cohort, kind, task, roles)
    return study_table(studies, kind, [PET, CT], references, "cpu", **more)


def alone(seed, labels):
    """Single extraction of a union, straight from the arrays."""
    suv, hu, found = arrays(seed)
    mask = Volume(np.isin(found, labels), AFFINE, "label", "MASK")
    pet, ct = Volume(suv, AFFINE, "SUVbw", "PT"), Volume(hu, AFFINE, "HU", "CT")
    return extract(pet, mask, PET, "cpu") | extract(ct, mask, CT, "cpu")


def check(row, seed, labels):
    for column, value in alone(seed, labels).items():
        assert row[column] == pytest.approx(value, rel=1e-10, nan_ok=True), column
    suv, _, found = arrays(seed)
    lesions = [suv[found == n].astype(float) for n in labels]
    assert row["measure__SUVmax"] == max(v.max() for v in lesions)
    assert row["measure__volume_ml"] == pytest.approx(sum(map(len, lesions)) * ML)
    hot = sum(np.count_nonzero(v >= 0.41 * v.max()) for v in lesions)
    assert row["measure__MTV41"] == pytest.approx(hot * ML)
    assert row["measure__count"] == len(lesions)


def test_each_lesion_by_itself(tmp_path):
    done = made(write(tmp_path), "lesion")
    assert len(done.table) == 9
    for row in done.table.to_dict("records"):
        seed, label = int(row["patient"][1]), int(row["label"])
        role, region, _ = BOXES[label]
        assert (row["study"], row["roi"]) == (f"P{seed}-1", f"roi{label}")
        assert (row["role"], row["region"]) == (role, region)
        assert row["lesion_uid"] == f"P{seed}-L{label}"
        check(row, seed, [label])
    first = ["patient", "study", "timepoint", "arm", "roi", "role", "region", "lesion_uid", "label"]
    assert list(done.table) == [*first, *study_columns((), [PET, CT]), "flagged"]
    assert done.status["status"].tolist() == ["ok"] * 3
    assert done.status["rows"].tolist() == [3] * 3
    assert done.failures == 0


def test_the_union_of_a_study_and_of_each_region(tmp_path):
    cohort = write(tmp_path, more=["P0-1,again,P0-X,node,LUL,P0/map.nii.gz,3,pet"])
    for row in made(cohort, "study").table.to_dict("records"):
        seed = int(row["patient"][1])
        if seed:
            check(row, seed, [1, 2, 3])
    table = made(cohort, "region").table
    assert table["region"].tolist() == ["LUL", "4R", "7"] * 3
    check(table.iloc[0], 0, [1, 3])
    check(table.iloc[1], 0, [2])


def test_a_study_row_is_the_unit_of_a_task_with_one_series(tmp_path):
    cohort = write(tmp_path)
    found = made(cohort, "study", TASK).table.set_index("patient")
    units = select_units(cohort, TASK, labelled=False)
    expected, _ = feature_table(units.units, TASK, [PET, CT], "cpu")
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_names=False)


def test_ratios_and_roles_are_those_of_the_task(tmp_path):
    cohort = write(tmp_path)
    table = made(cohort, "lesion", TASK, ["node"]).table
    assert set(table["role"]) == {"node"}
    suv, _, labels = arrays(0)
    ratio = suv[labels == 2].max() / suv[labels == 4].mean(dtype=float)
    assert table.loc[0, "measure__TBR_blood_pool"] == pytest.approx(ratio)
    assert set(made(cohort, "lesion", roles=["reference"]).table["roi"]) == {"roi4"}
    with pytest.raises(InputError, match=r"role: expected some of \['nodes'\].*'node', 'primary'"):
        select_studies(cohort, "lesion", roles=["nodes"])


def test_studies_of_other_arms_are_skipped_and_said(tmp_path):
    cohort = write(tmp_path)
    cohort.studies.loc[1, "arm"] = "fapi"
    done = made(cohort, "lesion", TASK)
    assert done.status["status"].tolist() == ["ok", "skipped", "ok"]
    assert "arm fapi, timepoint baseline: not of task t" in done.status.loc[1, "reason"]
    assert set(made(cohort, "lesion").table["arm"]) == {"fdg", "fapi"}


def test_a_lesion_at_fault_is_missing_and_the_others_are_there(tmp_path):
    more = ["P1-1,absent,P1-Z,node,5,P1/map.nii.gz,9,pet"]
    cohort = write(tmp_path, more=more)
    suv, _, labels = arrays(2)
    suv[labels == 2] = np.nan
    save(tmp_path / "P2" / "pet.nii.gz", suv)
    done = made(cohort, "lesion")
    assert done.table["roi"].tolist() == ["roi1", "roi2", "roi3"] * 2 + ["roi1", "roi3"]
    assert done.status["status"].tolist() == ["ok", "partial", "partial"]
    assert done.status["failed"].tolist() == [0, 1, 1]
    absent, hot = done.status["reason"][1:]
    assert absent.startswith("absent: ")
    assert "label 9" in absent
    assert "roi2: " in hot
    assert "NaN or infinity in 12 of 12 voxels" in hot
    assert done.failures == 2
    united = made(cohort, "study")
    assert united.status["status"].tolist() == ["ok", "failed", "failed"]
    check(made(cohort, "region").table.set_index(["patient", "region"]).loc["P2", "7"], 2, [3])


def test_features_that_one_lesion_cannot_have_leave_the_others(tmp_path):
    cohort = write(tmp_path)
    suv, _, labels = arrays(0)
    suv[labels == 3] += 150.0
    save(tmp_path / "P0" / "pet.nii.gz", suv)
    narrow = FeatureSet("n", "PT", ("glcm",), "fixed_bin_size", bin_width=0.1, lower_bound=0.0)
    studies = select_studies(cohort, "lesion")
    done = study_table(studies, "lesion", [narrow], (), "cpu")
    assert done.table["roi"].tolist() == ["roi1", "roi2"] + ["roi1", "roi2", "roi3"] * 2
    assert "roi3: region roi3: grey levels: expected 1 to 1024" in done.status.loc[0, "reason"]


def test_studies_without_anything_to_measure(tmp_path):
    cohort = write(tmp_path, ("P0", "P1", "P2", "P3"))
    cohort = replace(cohort, rois=cohort.rois[cohort.rois["study"] != "P0-1"])
    cohort.studies.loc[1, "pet"] = None
    cohort.studies.loc[2, ["pet", "ct"]] = None
    (tmp_path / "P3" / "pet.nii.gz").write_bytes(b"\x1f\x8b")
    done = made(cohort, "lesion")
    assert done.status["status"].tolist() == ["excluded", "ok", "excluded", "failed"]
    assert done.status.loc[0, "reason"] == "nothing delineated"
    assert done.status.loc[1, "reason"] == "no PET in the studies table"
    assert done.status.loc[2, "reason"] == "no PET and no CT in the studies table"
    assert "pet.nii.gz" in done.status.loc[3, "reason"]
    assert done.status.loc[3, "failed"] == 3
    of_pet = [c for c in done.table if c.startswith(("pt__", "measure__"))]
    assert done.table[of_pet].isna().all(axis=None)
    assert done.table["ct__original_stat_mean_intensity"].notna().all()
    nothing = made(cohort, "study", cache=tmp_path / "cache").table.iloc[:0]
    assert nothing.dtypes.equals(done.table[list(nothing)].dtypes)


def test_an_image_that_nothing_is_wanted_of_is_not_looked_at(tmp_path):
    cohort, cache = write(tmp_path), tmp_path / "cache"
    studies = select_studies(cohort, "lesion")
    first = study_table(studies, "lesion", [PET], (), "cpu", cache)
    (tmp_path / "P0" / "ct.nii.gz").unlink()
    (tmp_path / "P1" / "ct.nii.gz").write_bytes(b"no image")
    cohort.studies.loc[2, "ct"] = None
    again = study_table(select_studies(cohort, "lesion"), "lesion", [PET], (), "cpu", cache)
    pd.testing.assert_frame_equal(again.table, first.table)
    pd.testing.assert_frame_equal(again.status, first.status)
    assert len(list((cache / "features").iterdir())) == 3
    both = made(cohort, "lesion")
    assert both.status["status"].tolist() == ["failed", "failed", "ok"]
    assert both.status.loc[2, "reason"] == "no CT in the studies table"


def test_regions_without_a_name_belong_to_no_row(tmp_path):
    cohort = write(tmp_path, ("P0",), ["P0-1,loose,P0-X,node,,P0/map.nii.gz,3,pet"])
    done = made(cohort, "region")
    assert done.table["region"].tolist() == ["LUL", "4R", "7"]
    assert done.status.loc[0, "status"] == "partial"
    assert done.status.loc[0, "reason"] == "without a region in the rois table: loose"
    without = cohort.rois.drop(columns="region")
    with pytest.raises(InputError, match="'region', for rows=region"):
        select_studies(replace(cohort, rois=without), "region")


def test_two_readers_outlines_of_one_name_are_two_rows(tmp_path):
    cohort = write(tmp_path, ("P0",), ["P0-1,roi1,P0-L1,primary,LUL,P0/map.nii.gz,2,pet"])
    table = made(cohort, "lesion").table
    assert table["roi"].tolist() == ["roi1", "roi2", "roi3", "roi1"]
    check(table.iloc[0], 0, [1])
    check(table.iloc[3], 0, [2])
    assert made(cohort, "study").table.loc[0, "measure__count"] == 3  # of four outlines


def test_the_gate_says_which_features_of_which_lesions_mean_little(tmp_path):
    """252 voxels pass; 12 and 18 are too few for texture, and enough for the rest but meshes."""
    table = made(write(tmp_path, ("P0",)), "lesion").table
    large, small, middle = table["flagged"]
    assert large == ""
    texture = "pt glcm: fewer than 64 voxels or a single grey level"
    assert texture in small.split("; ")
    assert texture in middle.split("; ")
    assert not any(note.startswith("ct") for note in small.split("; "))
    assert table["pt__original_glcm_contrast_3D_avg"].notna().all()


def test_the_cache_gives_the_same_bytes_however_much_of_it_is_there(tmp_path):
    cohort = write(tmp_path)
    cache = tmp_path / "cache"
    fresh = made(cohort, "lesion", cache=cache)
    files = sorted((cache / "features").iterdir())
    assert len(files) == 3
    for lost in ([], files[:1], files[1:], files):
        for path in lost:
            path.unlink()
        again = made(cohort, "lesion", cache=cache)
        assert again.table.to_csv() == fresh.table.to_csv()
        assert again.status.to_csv() == fresh.status.to_csv()
    made(cohort, "study", cache=cache)
    assert len(list((cache / "features").iterdir())) == 6


def test_a_cached_study_is_not_read_and_a_changed_one_is(tmp_path, monkeypatch):
    cohort, cache = write(tmp_path), tmp_path / "cache"
    before = made(cohort, "lesion", cache=cache).table
    suv, _, _ = arrays(1)
    save(tmp_path / "P1" / "pet.nii.gz", suv * 2)
    read = []
    original = rows.Reading
    monkeypatch.setattr(
        "petnet.measure.reading.Reading", lambda *given: (read.append(1), original(*given))[1]
    )
    after = made(cohort, "lesion", cache=cache).table
    assert len(read) == 1
    doubled = after["measure__SUVmax"] / before["measure__SUVmax"]
    np.testing.assert_allclose(doubled, [1, 1, 1, 2, 2, 2, 1, 1, 1])


@pytest.mark.parametrize("damage", [b'{"values"', b'{"rows": {}}', b'{"values": [1]}'])
def test_what_is_damaged_in_the_cache_is_computed_again(tmp_path, damage, caplog):
    cohort, cache = write(tmp_path), tmp_path / "cache"
    fresh = made(cohort, "lesion", cache=cache)
    files = sorted((cache / "features").iterdir())
    kept = files[1].read_bytes()
    files[1].write_bytes(damage)
    again = made(cohort, "lesion", cache=cache)
    pd.testing.assert_frame_equal(again.table, fresh.table)
    pd.testing.assert_frame_equal(again.status, fresh.status)
    assert files[1].read_bytes() == kept
    assert files[1].name in caplog.text


def calls_of(monkeypatch, cohort, one, held):
    """Return how many regions are computed together when so many bytes may be held."""
    together = []
    original = rows.extract_regions

    def noting(images, *more):
        together.append(len(images))
        return original(images, *more)

    monkeypatch.setattr(rows, "extract_regions", noting)
    monkeypatch.setattr(rows, "CHUNK_BYTES", held)
    study_table(select_studies(cohort, "lesion"), "lesion", [one], (), "cpu")
    return together


def test_filters_do_not_part_lesions_whose_images_are_large(tmp_path, monkeypatch):
    """Prepared regions hold 282 voxels of 32 bytes, however large the 215 kB of the image are."""
    cohort = write(tmp_path, ("P0",))
    one = FeatureSet("pt", "PT", ("stat",), filters=(Mean(support=3),), original=False)
    assert calls_of(monkeypatch, cohort, one, 100_000) == [3]


def test_regions_count_on_the_grid_that_they_are_resampled_to(tmp_path, monkeypatch):
    """The largest of 252 voxels of 4×4×5 mm has some 20,000 of 1 mm."""
    cohort = write(tmp_path, ("P0",))
    one = FeatureSet("pt", "PT", ("stat",), spacing_mm=(1.0, 1.0, 1.0))
    assert calls_of(monkeypatch, cohort, one, 500_000) == [1, 2]
    assert calls_of(monkeypatch, cohort, one, 2_000_000) == [3]


def test_a_study_that_fails_as_a_whole_is_named(tmp_path):
    cohort = write(tmp_path)
    suv, _, labels = arrays(0)
    suv[labels == 3] += 150.0
    save(tmp_path / "P0" / "pet.nii.gz", suv)
    narrow = FeatureSet("n", "PT", ("glcm",), "fixed_bin_size", bin_width=0.1, lower_bound=0.0)
    done = study_table(select_studies(cohort, "study"), "study", [narrow], (), "cpu")
    assert done.status.loc[0, "reason"].startswith("region P0-1")


def test_small_chunks_give_the_same_table(tmp_path, monkeypatch):
    cohort = write(tmp_path)
    whole = made(cohort, "lesion").table
    monkeypatch.setattr(rows, "CHUNK_BYTES", 0)
    pd.testing.assert_frame_equal(made(cohort, "lesion").table, whole)
