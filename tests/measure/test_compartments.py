"""Columns per compartment, arm and time point: NumPy on the arrays that were written."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from petnet.measure import reading, rows
from petnet.measure.tabulate import feature_table
from petnet.radiomics.extractor import FeatureSet, extract
from petnet.task import Task
from petnet.units import Region, Series, Unit
from petnet.volume import Volume, read_mask, read_stored, read_volume, write_volume

AFFINE = np.diag([-4.0, -4.0, 5.0, 1.0])
ML = 0.08
SHAPE = (24, 20, 14)
STAT = FeatureSet(name="pt", modality="PT", families=("stat",), discretisation="none")
CT_STAT = replace(STAT, name="ct", modality="CT")
NODAL = Task(
    "t", "binary", "y", roles=("primary", "node"), separate="role", references=("blood_pool",)
)
LABELS = {
    1: ("primary", "LUL", (slice(2, 9), slice(2, 8), slice(3, 9))),
    2: ("node", "4R", (slice(12, 14), slice(4, 7), slice(5, 7))),
    3: ("node", "7", (slice(16, 19), slice(10, 12), slice(5, 8))),
    4: ("reference", "blood_pool", (slice(18, 22), slice(14, 18), slice(2, 10))),
}


class Study:
    """A PET of random uptake, a CT and one label map; arrays are kept for the oracle."""

    def __init__(self, folder, seed=0):
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        self.suv = rng.gamma(2.0, 1.5, SHAPE).astype(np.float32)
        self.labels = np.zeros(SHAPE, np.uint8)
        for label, (_, _, box) in LABELS.items():
            self.labels[box] = label
        self.labels[(self.labels == 1) & (rng.random(SHAPE) < 0.2)] = 0
        self.pet, self.ct, self.map = (folder / f"{n}.nii.gz" for n in ("pet", "ct", "labels"))
        write_volume(self.pet, Volume(self.suv, AFFINE, "SUVbw", "PT"))
        hu = rng.normal(0, 100, SHAPE).astype(np.float32)
        write_volume(self.ct, Volume(hu, AFFINE, "HU", "CT"))
        write_volume(self.map, Volume(self.labels, AFFINE, "label", "MASK"), np.uint8)

    def rois(self, *labels):
        return tuple(
            Region(f"roi{n}", LABELS[n][0], self.map, n, "pet", f"L{n}", LABELS[n][1])
            for n in labels
        )

    def series(self, labels=(1, 2, 3), references=(4,), arm="fdg", timepoint="baseline"):
        rois = self.rois(*labels), self.rois(*references)
        return Series(f"{arm}-{timepoint}", arm, timepoint, "FDG", self.pet, self.ct, *rois)

    def oracle(self, labels, references=(4,), region="blood_pool"):
        """Independent arithmetic; short axes are not of it (tests of their own)."""
        lesions = [self.suv[self.labels == n].astype(float) for n in labels]
        hot = [v[v >= 0.41 * v.max()] for v in lesions]
        every = np.concatenate(lesions)
        means = [self.suv[self.labels == n].mean(dtype=float) for n in references]
        return {
            "SUVmax": every.max(),
            "SUVmean": every.mean(),
            "MTV41": sum(map(len, hot)) * ML,
            "TLG41": sum(v.sum() for v in hot) * ML,
            "volume_ml": len(every) * ML,
            "count": len(labels),
            f"TBR_{region}": every.max() / means[0] if means else np.nan,
        }


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path / "study")


def unit(*series, name="p"):
    return Unit(name, name, name, "c", series)


def one_row(table, status):
    assert [row["reason"] for row in status] == [""]
    return table.iloc[0]


def check(row, prefix, expected):
    for name, value in expected.items():
        assert row[f"{prefix}measure__{name}"] == pytest.approx(value, nan_ok=True), name


def test_brute_force_of_each_role(study):
    row = one_row(*feature_table([unit(study.series())], NODAL, device="cpu"))
    check(row, "primary__", study.oracle([1]))
    check(row, "node__", study.oracle([2, 3]))
    # the larger of the nodes: boxes of 2 x 3 and of 3 x 2 voxels of 4 mm; the longest diameter
    # of the outline runs from edge middle to edge middle
    assert 8.0 <= row["node__measure__short_axis_mm"] <= 12.0
    quantities = [c.removeprefix("primary__") for c in row.index if c.startswith("primary__")]
    assert row.index.tolist() == [
        *(f"primary__{q}" for q in quantities), *(f"node__{q}" for q in quantities),
    ]  # fmt: skip


def test_a_patient_without_nodes_has_none_of_them(study):
    """Known to be nothing: count and volumes 0; uptake, axis and ratio of nothing undefined."""
    row = one_row(*feature_table([unit(study.series((1,)))], NODAL, [STAT], device="cpu"))
    check(row, "primary__", study.oracle([1]))
    node = row.filter(regex="^node__measure__").rename(lambda c: c.split("__")[-1])
    assert node.dropna().to_dict() == {"MTV41": 0, "TLG41": 0, "volume_ml": 0, "count": 0}
    assert row.filter(regex="^node__pt__").isna().all()
    assert row.filter(regex="^primary__pt__").notna().all()


def test_features_of_each_compartment_are_those_of_its_union(study):
    row = one_row(*feature_table([unit(study.series())], NODAL, [STAT, CT_STAT], device="cpu"))
    pet, ct = read_volume(study.pet, "SUVbw", "PT", "FDG"), read_volume(study.ct, "HU", "CT")
    for role, labels in (("primary", [1]), ("node", [2, 3])):
        mask = Volume(np.isin(study.labels, labels), AFFINE, "label", "MASK")
        for image, feature_set in ((pet, STAT), (ct, CT_STAT)):
            for column, value in extract(image, mask, feature_set, "cpu").items():
                assert row[f"{role}__{column}"] == pytest.approx(value, nan_ok=True), column


def test_regions_of_the_body_and_the_order_of_the_task(study):
    task = Task(
        "t", "multilabel", ("7", "4R", "5"), roles=("node",), separate="region",
        regions=("7", "4R", "5"), references=("blood_pool",),
    )  # fmt: skip
    row = one_row(*feature_table([unit(study.series((2, 3)))], task, device="cpu"))
    check(row, "7__", study.oracle([3]))
    check(row, "4R__", study.oracle([2]))
    assert row["5__measure__count"] == 0
    firsts = [c.split("__")[0] for c in row.index]
    assert list(dict.fromkeys(firsts)) == ["7", "4R", "5"]


def test_a_reference_that_is_not_there(study, caplog):
    with caplog.at_level(logging.WARNING):
        bare = unit(study.series((1, 2), references=()))
        row = one_row(*feature_table([bare], NODAL, device="cpu"))
    check(row, "node__", study.oracle([2], references=()))
    assert "no reference region blood_pool in any study" in caplog.text


def test_an_undefined_reference_is_told_with_its_file(study):
    study.suv[19, 15, 4] = np.nan
    write_volume(study.pet, Volume(study.suv, AFFINE, "SUVbw", "PT"))
    table, status = feature_table([unit(study.series())], NODAL, device="cpu")
    assert table.empty
    reason = status[0]["reason"]
    assert reason.startswith(f"{study.pet}: values inside the mask: expected finite numbers")


def test_a_reference_without_uptake_gives_no_ratio(study):
    study.suv[study.labels == 4] = 0.0
    write_volume(study.pet, Volume(study.suv, AFFINE, "SUVbw", "PT"))
    row = one_row(*feature_table([unit(study.series())], NODAL, device="cpu"))
    assert np.isnan(row["primary__measure__TBR_blood_pool"])


ARMS = Task("t", "binary", "y", arms=("fdg", "fapi"), references=("blood_pool",), roles=("node",))


def test_single_arm_patients_beside_those_with_both(study, tmp_path):
    other = Study(tmp_path / "fapi", 1)
    units = [
        unit(study.series((2, 3)), name="fdg"),
        unit(other.series((2,), arm="fapi"), name="fapi"),
        unit(study.series((2, 3)), other.series((2,), arm="fapi"), name="both"),
        unit(study.series((2, 3)), other.series((), arm="fapi"), name="cold"),
    ]
    table, status = feature_table(units, ARMS, [STAT], "cpu")
    assert [row["status"] for row in status] == ["ok"] * 4
    assert not [c for c in table if c.startswith("delta__")]
    for name in ("fdg", "both", "cold"):
        check(table.loc[name], "fdg_baseline__", study.oracle([2, 3]))
    for name in ("fapi", "both"):
        check(table.loc[name], "fapi_baseline__", other.oracle([2]))
    assert table.loc["fdg"].filter(regex="^fapi_").isna().all()  # no study: nothing is known
    assert table.loc["fapi"].filter(regex="^fdg_").isna().all()
    assert table.loc["cold", "fapi_baseline__measure__count"] == 0  # a study without a lesion


SERIAL = replace(NODAL, timepoints=("baseline", "interim", "end"))


def test_changes_against_the_first_time_point(study, tmp_path):
    later = Study(tmp_path / "later", 2)
    units = [
        unit(study.series(), later.series(timepoint="interim"), name="a"),
        unit(study.series((1,)), later.series((1, 2), timepoint="interim"), name="new node"),
        unit(study.series(), later.series((), timepoint="end"), name="gone"),
        unit(later.series(timepoint="interim"), name="no baseline"),
    ]
    table, _ = feature_table(units, SERIAL, [STAT], "cpu")
    changes = table.filter(regex="^delta__")
    before, after = study.oracle([2, 3]), later.oracle([2, 3])
    expected = {k: (after[k] - before[k]) / before[k] for k in before}
    check(table.loc["a"], "delta__fdg_interim__node__", expected)
    assert not [c for c in changes if "measure__" not in c or "fdg_baseline" in c]
    quantities = table.filter(regex="^fdg_interim__.*measure__").shape[1]
    assert changes.shape[1] == 2 * quantities
    assert changes.loc["a"].filter(regex="fdg_end").isna().all()
    # from none to one there is no relative change; from something to nothing it is -1
    assert changes.loc["new node"].filter(regex="interim__node").isna().all()
    gone = changes.loc["gone"].filter(regex="end__").dropna()
    assert len(gone) == 2 * 4
    assert (gone == -1).all()
    assert changes.loc["no baseline"].isna().all()


def test_two_readers_of_one_node_and_one_of_another(study):
    first, second = study.rois(2, 3)
    again = replace(second, roi="other reader", lesion_uid="L2")
    both = replace(study.series((1,)), regions=(*study.rois(1), first, again))
    row = one_row(*feature_table([unit(both)], NODAL, device="cpu"))
    assert row["node__measure__count"] == 1
    apart = replace(both, regions=(*study.rois(1), first, replace(second, lesion_uid=None)))
    row = one_row(*feature_table([unit(apart)], NODAL, device="cpu"))
    assert row["node__measure__count"] == 2


def test_each_file_is_read_once_for_all_compartments(study, monkeypatch):
    opened = []
    for module in ("petnet.volume", "petnet.measure.regions"):
        monkeypatch.setattr(
            f"{module}.read_stored", lambda path: (opened.append(path), read_stored(path))[1]
        )
    feature_table([unit(study.series())], NODAL, [STAT, CT_STAT], "cpu")
    assert sorted(opened) == sorted([study.pet, study.ct, study.map])


def test_few_masks_at_a_time_give_the_same_table(study, monkeypatch):
    units = [unit(study.series(), name="a"), unit(study.series((1, 3)), name="b")]
    whole, _ = feature_table(units, NODAL, [STAT, CT_STAT], "cpu")
    monkeypatch.setattr(rows, "CHUNK_BYTES", 1)
    parts, _ = feature_table(units, NODAL, [STAT, CT_STAT], "cpu")
    pd.testing.assert_frame_equal(whole, parts)


def test_lesion_quantities_alone_hold_no_images(study):
    read = reading.read_unit(unit(study.series()), NODAL, set())
    assert read.jobs == []


CHANGES = {
    "separate": {"separate": "none"},
    "references": {"references": ()},
    "time points": {"timepoints": ("baseline", "interim")},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_cache_tells_tasks_apart(study, tmp_path, change):
    units = [unit(study.series())]
    feature_table(units, NODAL, [STAT], "cpu", tmp_path / "cache")
    other = replace(NODAL, **CHANGES[change])
    cached, _ = feature_table(units, other, [STAT], "cpu", tmp_path / "cache")
    fresh, _ = feature_table(units, other, [STAT], "cpu")
    pd.testing.assert_frame_equal(cached, fresh)
    assert cached.notna().any(axis=None)


@pytest.mark.parametrize(
    "change", [{"role": "primary"}, {"lesion_uid": "L3"}, {"label": 1}, {"region": "7"}]
)
def test_the_cache_follows_the_rois_table(study, tmp_path, change):
    task = replace(NODAL, separate="region", regions=("LUL", "4R", "7"))
    if "role" in change or "lesion_uid" in change:
        task = NODAL
    before = study.series()
    rois = (before.regions[0], replace(before.regions[1], **change), before.regions[2])
    feature_table([unit(before)], task, [], "cpu", tmp_path / "cache")
    after = [unit(replace(before, regions=rois))]
    cached, _ = feature_table(after, task, [], "cpu", tmp_path / "cache")
    fresh, _ = feature_table(after, task, [], "cpu")
    pd.testing.assert_frame_equal(cached, fresh)


def test_a_study_without_pet_says_nothing(study):
    blind = replace(study.series(timepoint="interim"), pet=None)
    row = one_row(*feature_table([unit(study.series(), blind)], SERIAL, [CT_STAT], device="cpu"))
    assert row.filter(regex="^fdg_interim__.*measure__").isna().all()
    assert row.filter(regex="^fdg_interim__.*ct__").notna().all()


def test_a_missing_label_of_a_reference_is_named(study):
    missing = replace(study.rois(4)[0], label=9)
    table, status = feature_table(
        [unit(replace(study.series(), references=(missing,)))], NODAL, device="cpu"
    )
    assert table.empty
    assert "labels.nii.gz: mask: expected label 9" in status[0]["reason"]


def test_real_lesion_keeps_its_numbers_in_a_box(reference):
    """Quantities are taken from the lesion's box: the same as from the whole image."""
    from petnet.measure.lesion import lesion_quantities
    from petnet.measure.regions import BoxedMask

    folder = reference / "sts" / "STS_001"
    pet = read_volume(folder / "PET_image.nii.gz", "SUVbw", "PT", "FDG")
    mask = read_mask(folder / "PET_mask.nii.gz")
    boxed = BoxedMask.of(mask.array)
    assert lesion_quantities(*boxed.cut(pet)) == pytest.approx(lesion_quantities(pet, mask))
    np.testing.assert_array_equal(
        boxed.on(pet).within(tuple(slice(0, n) for n in pet.array.shape)), mask.array
    )
