"""`petnet simulate format=dicom`, and `petnet convert` of it: every series meets its known fate.

Oracle: the simulated images and masks themselves, and truth.csv beside the tree.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from petnet.cli import main
from petnet.errors import InputError
from petnet.simulation.cohort import SimulatedCohort, roi_row, study_name, study_row
from petnet.simulation.dicom.manners import MANNERS
from petnet.simulation.dicom.tree import DicomCohort
from petnet.simulation.scanner import CENTERS, Acquisition
from petnet.simulation.tracers import FAPI, FDG
from petnet.volume import Volume, write_volume

SHAPE = (12, 11, 9)
NODE = (slice(2, 5), slice(2, 4), slice(3, 5))
PRIMARY = (slice(4, 9), slice(3, 8), slice(4, 8))  # overlaps the node


@dataclass(frozen=True)
class TinyCohort(SimulatedCohort):
    """Images of a few voxels: FDG, and of every fourth patient FAPI and a follow-up too."""

    patients: int = len(MANNERS)
    simulator = "tiny"
    streams = ("image",)

    def facts(self):
        return {}

    def simulate(self, index, folder):
        name, center = self.names[index], CENTERS[index % 2]
        studies = [(FDG, "baseline"), (FAPI, "baseline"), (FDG, "followup1")]
        rows = {"studies": [], "rois": [], "targets": [{"patient": name, "outcome": index % 2}]}
        for number, (tracer, timepoint) in enumerate(studies if index % 4 == 3 else studies[:1]):
            study = study_name(name, tracer, timepoint)
            files = f"images/{study}"
            self._write(folder / files, self.rng(index, "image", number), center.signs)
            given = tracer.given(Acquisition(60.0 + index, 1.7, 2.5e8, 61.5 + index, 0.0))
            sex = "MF"[index % 2]
            rows["studies"].append(
                study_row(name, center, given, tracer, sex, files, timepoint, study)
            )
            for roi, role, label in (("primary", "primary", 1), ("node", "node", 2)):
                path = f"{files}/{roi}.nii.gz"
                rows["rois"].append(roi_row(study, roi, path, role, "4R", f"{name}-{roi}", label))
        return rows

    def _write(self, folder, rng, signs):
        sign = np.array([1.0 if s == "+" else -1.0 for s in signs])
        affine = np.diag([*(sign * [4.0, 4.0, 3.0]), 1.0])
        affine[:3, 3] = [3.0, -2.0, 40.0]
        suv = rng.gamma(2, 1, SHAPE).astype(np.float32)
        hu = rng.integers(-1000, 900, SHAPE).astype(np.int16)
        write_volume(folder / "pet.nii.gz", Volume(suv, affine, "SUVbw", "PT"))
        write_volume(folder / "ct.nii.gz", Volume(hu, affine, "HU", "CT"), np.int16)
        for roi, window, label in (("primary", PRIMARY, 1), ("node", NODE, 2)):
            mask = np.zeros(SHAPE, np.uint8)
            mask[window] = label
            write_volume(folder / f"{roi}.nii.gz", Volume(mask, affine, "label", "MASK"), np.uint8)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return DicomCohort(TinyCohort()).write(tmp_path_factory.mktemp("tree") / "cohort", workers=1)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nifti")
    rows = [TinyCohort().simulate(index, folder) for index in range(len(MANNERS))]
    return folder, pd.DataFrame([row for one in rows for row in one["studies"]])


@pytest.fixture(scope="module")
def converted(tree):
    out = tree.parent / "converted"
    assert main(["convert", f"input='{tree / 'dicom'}'", f"out='{out}'", "workers=1"]) == 0
    return out


@pytest.fixture(scope="module")
def fates(tree, converted):
    """Each series of truth.csv beside what `convert` made of it, by SeriesInstanceUID."""
    truth = pd.read_csv(tree / "truth.csv")
    key = pd.read_csv(converted.parent / "converted-key" / "series.csv")
    made = pd.read_csv(converted / "series.csv")
    uids = key[["SeriesInstanceUID", "series"]].rename(columns={"SeriesInstanceUID": "series_uid"})
    both = truth.merge(uids)
    return both.merge(
        made[["series", "used_as", "study", "tag"]], on="series", suffixes=("", "_made")
    )


def canonical(path):
    image = nib.as_closest_canonical(nib.load(path))
    return np.asarray(image.dataobj), image.affine


def test_every_series_meets_its_fate(tree, fates):
    assert len(fates) == len(pd.read_csv(tree / "truth.csv"))
    assert fates["used_as"].fillna("excluded").tolist() == fates["becomes"].tolist()
    assert set(fates["becomes"]) == {"pet", "ct", "regions", "excluded"}
    tags = fates.set_index("reason")["tag"].dropna().to_dict()
    assert "PatientWeight (0010,1030)" in tags["PatientWeight (0010,1030) is empty"]


def pairs(fates, simulated):
    """Yield each used PET: row of its fate, and of the simulated study."""
    folder, studies = simulated
    for fate in fates[fates["becomes"] == "pet"].itertuples():
        yield fate, folder, studies.set_index("study").loc[fate.study]


def test_images_are_the_simulated_ones(converted, fates, simulated):
    made = pd.read_csv(converted / "studies.csv").set_index("study")
    seen = 0
    for fate, folder, row in pairs(fates, simulated):
        got = made.loc[fate.study_made]
        for column, atol in (("pet", 5e-4), ("ct", 0)):
            array, affine = canonical(converted / got[column])
            expected, where = canonical(folder / row[column])
            np.testing.assert_allclose(affine, where, atol=1e-4)
            np.testing.assert_allclose(array, expected, atol=atol)
        seen += 1
    assert seen == len(made) == 9 + 2 * 2  # one of ten patients was not weighed


def test_acquisition_is_the_simulated_one(converted, fates, simulated):
    made = pd.read_csv(converted / "studies.csv").set_index("study")
    for fate, _, row in pairs(fates, simulated):
        got = made.loc[fate.study_made]
        assert (got["patient"], got["arm"], got["tracer"]) == (
            fate.patient,
            row["arm"],
            row["tracer"],
        )
        assert got["reconstruction"]
        assert (got["timepoint"], got["sex"]) == (row["timepoint"], row["sex"])
        for column in ("weight_kg", "height_m", "dose_bq", "uptake_min"):
            assert float(got[column]) == pytest.approx(float(row[column]), rel=1e-6), column


def test_suv_factors_are_the_true_ones(converted, fates, simulated):
    for fate, *_ in pairs(fates, simulated):
        folder = converted / "images" / fate.patient
        record = json.loads((folder / f"{fate.study_made}_pet.json").read_text())
        factor = record["suv"]["factor"]  # one, or one for each slice
        ends = (factor[0], factor[-1]) if isinstance(factor, list) else (factor, factor)
        assert ends == pytest.approx((fate.suv_factor_first, fate.suv_factor_last), rel=1e-8)


def test_masks_are_the_simulated_ones_voxel_by_voxel(converted, fates, simulated):
    rois = pd.read_csv(converted / "rois.csv")
    for fate, folder, row in pairs(fates, simulated):
        own = rois[rois["study"] == fate.study_made].set_index("role")
        for role in ("primary", "node"):
            labels, affine = canonical(converted / own.loc[role, "path"])
            expected, where = canonical(folder / str(row["pet"]).replace("pet", role))
            np.testing.assert_allclose(affine, where, atol=1e-4)
            np.testing.assert_array_equal(labels == own.loc[role, "label"], expected > 0)


def test_labels_lie_beside_under_the_names_of_the_patients(tree, converted):
    targets = pd.read_csv(tree / "targets.csv")
    made = pd.read_csv(converted / "targets.csv")
    assert targets["patient"].tolist() == [f"P{i:04d}" for i in range(1, 11)]
    assert set(made["patient"]) <= set(targets["patient"])


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_the_tree_is_the_same_each_time_whole_or_resumed(tmp_path):
    cohort = DicomCohort(TinyCohort(patients=4))
    first, again = (files_of(cohort.write(tmp_path / run, workers=1)) for run in ("a", "b"))
    assert first == again
    files = [path for path in sorted((tmp_path / "b" / "dicom").rglob("*")) if path.is_file()]
    for path in files[::3]:
        path.unlink()
    assert files_of(cohort.write(tmp_path / "b", workers=1)) == first


def test_a_folder_of_the_other_format_is_refused(tree):
    with pytest.raises(InputError, match="settings"):
        TinyCohort().write(tree, workers=1)


def test_the_verb_writes_dicom(tmp_path, capsys):
    out = tmp_path / "practice"
    request = ["simulate", f"out='{out}'", "simulation.patients=1", "workers=1", "format=dicom"]
    assert main(request) == 0
    assert {path.name for path in out.iterdir()} == {
        "cohort.json", "dicom", "targets.csv", "truth.csv"
    }  # fmt: skip
    assert {"her2", "patient"} <= set(pd.read_csv(out / "targets.csv").columns)
    before = files_of(out)
    assert main(request) == 0
    assert files_of(out) == before
    assert main([*request[:-1], "format=jpeg"]) != 0
    assert "one of nifti, dicom" in capsys.readouterr().err
