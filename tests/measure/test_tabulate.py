"""The cohort feature table: equals extraction one by one, caches by content, never loses a unit."""

import numpy as np
import pandas as pd
import pytest

from petnet.measure.lesion import lesion_quantities
from petnet.measure.tabulate import feature_table
from petnet.radiomics.extractor import FeatureSet, extract
from petnet.task import Task
from petnet.units import Region, Series, Unit
from petnet.volume import Volume, read_mask, read_volume, write_volume

TASK = Task("t", "binary", "y")
SERIAL = Task("t", "binary", "y", timepoints=("baseline", "followup"))
PET = FeatureSet(
    name="pt", modality="PT", families=("stat", "glcm"), discretisation="fixed_bin_number", bins=16
)
CT = FeatureSet(name="ct", modality="CT", families=("stat",), discretisation="none")


@pytest.fixture
def units(reference):
    made = []
    for name in ("STS_001", "STS_002", "STS_003"):
        folder = reference / "sts" / name
        mask = Region("gtv", "primary", folder / "PET_mask.nii.gz", 1, "pet")
        ct = folder / "CT_petgrid.nii.gz"
        series = Series(name, "fdg", "baseline", "FDG", folder / "PET_image.nii.gz", ct, (mask,))
        made.append(Unit(name, name, name, "c", (series,)))
    return made


def test_each_row_equals_the_unit_alone(units):
    table, status = feature_table(units, TASK, [PET, CT], "cpu")
    assert [row["status"] for row in status] == ["ok"] * 3
    for unit in units:
        pet = read_volume(unit.series[0].pet, "SUVbw", "PT", "FDG")
        ct = read_volume(unit.series[0].ct, "HU", "CT")
        mask = read_mask(unit.series[0].regions[0].path)
        alone = extract(pet, mask, PET, "cpu") | extract(ct, mask, CT, "cpu")
        alone |= {f"measure__{k}": v for k, v in lesion_quantities(pet, mask).items()}
        pd.testing.assert_series_equal(
            table.loc[unit.id].sort_index(), pd.Series(alone).sort_index(), check_names=False
        )


def test_the_cache_gives_the_same_table_and_follows_content(units, tmp_path):
    fresh, _ = feature_table(units, TASK, [PET], "cpu", tmp_path)
    files = sorted((tmp_path / "features").iterdir())
    again, _ = feature_table(units, TASK, [PET], "cpu", tmp_path)
    pd.testing.assert_frame_equal(fresh, again)
    assert sorted((tmp_path / "features").iterdir()) == files
    assert len(files) == 3
    feature_table(units, TASK, [CT], "cpu", tmp_path)
    assert len(list((tmp_path / "features").iterdir())) == 6


def test_a_broken_unit_is_a_row_and_the_others_are_computed(units, tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b")
    series = units[1].series[0]
    units[1] = Unit(
        "STS_002", "STS_002", "STS_002", "c",
        (Series("s", "fdg", "baseline", "FDG", broken, series.ct, series.regions),),
    )  # fmt: skip
    table, status = feature_table(units, TASK, [PET], "cpu")
    assert table.index.tolist() == ["STS_001", "STS_003"]
    assert [row["status"] for row in status] == ["ok", "failed", "ok"]
    assert "broken.nii.gz" in status[1]["reason"]


def test_a_study_without_ct_has_gaps_there_and_nowhere_else(units):
    series = units[0].series[0]
    units[0] = Unit(
        "STS_001", "STS_001", "STS_001", "c",
        (Series("s", "fdg", "baseline", "FDG", series.pet, None, series.regions),),
    )  # fmt: skip
    table, _ = feature_table(units, TASK, [PET, CT], "cpu")
    gaps = table.loc["STS_001"].isna()
    assert set(table.columns[gaps]) == {c for c in table if c.startswith("ct__")}


def test_two_series_are_prefixed(units):
    one = units[0].series[0]
    later = Series("s2", "fdg", "followup", "FDG", one.pet, one.ct, one.regions)
    both = Unit("STS_001", "STS_001", "STS_001", "c", (one, later))
    table, _ = feature_table([both], SERIAL, [PET], "cpu")
    first = table.filter(regex="^fdg_baseline__").iloc[0].to_numpy()
    second = table.filter(regex="^fdg_followup__").iloc[0].to_numpy()
    changes = table.filter(regex="^delta__").shape[1]
    assert len(first) == len(second) == (table.shape[1] - changes) / 2
    np.testing.assert_array_equal(first, second)


def saved(path, array, unit="SUVbw", modality="PT", dtype=np.float32):
    write_volume(path, Volume(array, np.diag([4.0, 4.0, 4.0, 1.0]), unit, modality), dtype)
    return path


def test_each_lesion_has_its_own_threshold(tmp_path):
    """A lesion of SUV 20 beside one of SUV 5: every voxel of both lies above 41 % of its own."""
    suv = np.ones((12, 12, 12))
    labels = np.zeros((12, 12, 12))
    suv[1:4, 1:4, 1:4], labels[1:4, 1:4, 1:4] = 20.0, 1
    suv[6:10, 6:10, 6:10], labels[6:10, 6:10, 6:10] = 5.0, 2
    pet = saved(tmp_path / "pet.nii.gz", suv)
    mask = saved(tmp_path / "m.nii.gz", labels, "label", "MASK", np.uint8)
    regions = tuple(Region(str(n), "primary", mask, n, "pet") for n in (1, 2))
    unit = Unit("p", "p", "p", "c", (Series("s", "fdg", "baseline", "FDG", pet, None, regions),))
    table, _ = feature_table([unit], TASK, [], "cpu")
    row = table.loc["p"]
    ml = 0.064
    assert row["measure__MTV41"] == pytest.approx((27 + 64) * ml)
    assert row["measure__TLG41"] == pytest.approx((27 * 20 + 64 * 5) * ml)
    assert row["measure__SUVmax"] == 20.0
    assert row["measure__SUVmean"] == pytest.approx((27 * 20 + 64 * 5) / 91)


def test_becquerels_given_as_suv_are_a_failed_row(tmp_path):
    pet = saved(tmp_path / "pet.nii.gz", np.full((6, 6, 6), 20000.0))
    mask = saved(tmp_path / "m.nii.gz", np.ones((6, 6, 6)), "label", "MASK", np.uint8)
    region = Region("a", "primary", mask, None, "pet")
    unit = Unit("p", "p", "p", "c", (Series("s", "fdg", "baseline", "FDG", pet, None, (region,)),))
    table, status = feature_table([unit], TASK, [PET], "cpu")
    assert table.empty
    assert "Bq/ml" in status[0]["reason"]


def test_a_series_without_a_region_is_known_to_hold_nothing(units):
    one = units[0].series[0]
    later = Series("s2", "fdg", "followup", "FDG", one.pet, one.ct, ())
    both = Unit("STS_001", "STS_001", "STS_001", "c", (one, later))
    table, status = feature_table([both], SERIAL, [PET], "cpu")
    assert status[0]["status"] == "ok"
    later = table.filter(regex="^fdg_followup__").iloc[0]
    known = later.dropna()
    nothing = ("MTV41", "TLG41", "volume_ml", "count")
    assert set(known.index) == {f"fdg_followup__measure__{q}" for q in nothing}
    assert (known == 0).all()
    assert table.filter(regex="^fdg_baseline__").notna().all(axis=None)


def test_batches_of_any_size_give_the_same_table(units, monkeypatch):
    whole, _ = feature_table(units, TASK, [PET, CT], "cpu")
    monkeypatch.setattr("petnet.measure.rows.CHUNK_BYTES", 0)
    one_by_one, _ = feature_table(units, TASK, [PET, CT], "cpu", workers=1)
    pd.testing.assert_frame_equal(whole, one_by_one)


def test_a_lesion_outlined_by_two_readers_is_one_lesion(tmp_path):
    pet = saved(tmp_path / "pet.nii.gz", np.full((6, 6, 6), 5.0))
    first, second = np.zeros((6, 6, 6)), np.zeros((6, 6, 6))
    first[1:4, 1:4, 1:4], second[1:5, 1:4, 1:4] = 1, 1
    paths = [
        saved(tmp_path / f"{n}.nii.gz", m, "label", "MASK", np.uint8)
        for n, m in (("a", first), ("b", second))
    ]

    def volume(*uids):
        regions = tuple(
            Region(str(p), "primary", p, None, "pet", uid)
            for p, uid in zip(paths, uids, strict=True)
        )
        series = Series("s", "fdg", "baseline", "FDG", pet, None, regions)
        table, _ = feature_table([Unit("p", "p", "p", "c", (series,))], TASK, [], "cpu")
        return table.loc["p", "measure__MTV41"]

    assert volume("L1", "L1") == pytest.approx(36 * 0.064)
    assert volume("L1", "L2") == pytest.approx((27 + 36) * 0.064)
