"""`petnet segment`: cohorts of methods, read again by SimpleITK and by `petnet extract`."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from mistake_cohort import AFFINE, GRID, LESION, SHAPE, array_of, edit, printed, save, write_cohort

from petnet.cohort import read_cohort

ONE = "data.workers=1"


@pytest.fixture
def cohort(tmp_path):
    """Three patients with a lesion; A has a liver, and a second lesion that runs into the first."""
    folder = write_cohort(tmp_path / "cohort", ["A", "B", "C"])
    pet, labels = array_of(folder / "images" / "A", "pet"), LESION.astype(np.uint8)
    pet[9:14, 9, 9] = 4.0
    labels[14:18, 14:18, 14:18] = 2
    labels[12:15, 8:11, 8:11][labels[12:15, 8:11, 8:11] == 0] = 3
    save(folder / "images" / "A" / "pet.nii.gz", pet)
    save(folder / "masks" / "A.nii.gz", labels)
    edit(folder, "rois", "images/A/mask.nii.gz", "masks/A.nii.gz")
    edit(folder, "rois", "label,grid\n", "label,grid,region\n")
    for patient in "ABC":
        edit(folder, "rois", f"{patient}/mask.nii.gz,1,pet" if patient != "A" else "A.nii.gz,1,pet",
             f"{patient}/mask.nii.gz,1,pet," if patient != "A" else "A.nii.gz,1,pet,")  # fmt: skip
    with (folder / "rois.csv").open("a") as stream:
        stream.write("A-1,liver,,reference,masks/A.nii.gz,2,pet,liver\n")
        stream.write("A-1,beside,A-L2,node,masks/A.nii.gz,3,pet,\n")
    return folder


def segment(cohort, out, *more):
    code, text = printed(["segment", f"cohort='{cohort}'", f"out='{out}'", ONE, *more])
    assert "Traceback" not in text
    return code, text


def table(folder, name):
    return pd.read_csv(folder / f"{name}.csv")


def sitk_mask(path, label):
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T
    return labels == label


def test_a_cohort_of_label_maps_and_volumes(cohort, tmp_path):
    out = tmp_path / "out"
    code, text = segment(cohort, out, "segmentation=percent_50")
    assert code == 0, text
    made = out / "percent_50"
    rois, volumes = table(made, "rois"), table(made, "volumes")
    assert rois["roi"].tolist() == ["lesion", "beside", "lesion", "lesion", "liver"]
    assert set(rois["method"].dropna()) == {"50% of SUVmax, 26-connected"}
    assert volumes["method"].tolist() == ["50% of SUVmax, 26-connected"] * 4
    image = sitk.ReadImage(str(made / "images" / "B" / "pet.nii.gz"))
    suv = sitk.GetArrayFromImage(image).T.astype(float)
    wanted = LESION & (suv >= 0.5 * suv[LESION].max())
    row = rois[rois["study"] == "B-1"].iloc[0]
    np.testing.assert_array_equal(sitk_mask(made / row["path"], row["label"]), wanted)
    mask = sitk.ReadImage(str(made / row["path"]))
    assert mask.GetSpacing() == image.GetSpacing()
    assert mask.GetOrigin() == image.GetOrigin()
    assert mask.GetDirection() == image.GetDirection()
    said = volumes[volumes["study"] == "B-1"].iloc[0]
    assert said["voxels"] == wanted.sum()
    assert said["volume_ml"] == pytest.approx(wanted.sum() * 0.064)
    assert said["SUVmax"] == pytest.approx(suv[LESION].max())
    assert said["SUVmean"] == pytest.approx(suv[wanted].mean())
    assert said["threshold"] == pytest.approx(0.5 * suv[LESION].max())
    assert table(made, "status")["status"].tolist() == ["ok"] * 4


def test_the_cohort_is_whole_by_itself_and_can_be_extracted(cohort, tmp_path):
    out = tmp_path / "out"
    assert segment(cohort, out)[0] == 0
    shutil.rmtree(cohort)
    made = out / "percent_41"
    read = read_cohort(made)  # paths may not leave it
    assert all(read.path(name).is_file() for name in read.files())
    assert read.rois.loc[read.rois["role"] == "reference", "path"].iloc[0].startswith("originals/")
    features = tmp_path / "f.csv"
    code, text = printed(
        ["extract", f"cohort='{made}'", f"out='{features}'", "task=null", "rows=lesion",
         "features=glcm_only", f"data.cache='{tmp_path / 'cache'}'"]
    )  # fmt: skip
    assert code == 0, text
    found = pd.read_csv(features)["measure__volume_ml"]
    assert found.tolist() == pytest.approx(table(made, "volumes")["volume_ml"].tolist())


def test_several_methods_do_not_overwrite_each_other(cohort, tmp_path):
    out = tmp_path / "out"
    methods = "segmentation=suv_2.5,percent_41,background_50"
    code, text = segment(cohort, out, "-m", methods, "segmentation.margin_mm=0,4")
    assert code == 0, text
    names = {path.name for path in out.iterdir()}
    plain = {"suv_2.5", "percent_41", "background_50"}
    assert names == plain | {f"{name}_margin-4" for name in plain}
    found = {name: table(out / name, "volumes") for name in names}
    said = {volumes["method"].unique().tolist()[0] for volumes in found.values()}
    assert len(said) == 6
    assert {"SUV 2.5, 26-connected", "SUV 2.5, 26-connected, margin 4 mm"} <= said
    for name in plain:  # the second lesion of A may reach a voxel further into the first
        wide = found[f"{name}_margin-4"]["voxels"]
        assert wide.sum() > found[name]["voxels"].sum()


def test_overlapping_lesions_keep_their_voxels_and_are_noted(cohort, tmp_path):
    out = tmp_path / "out"
    code, text = segment(cohort, out, "segmentation=suv_3", "segmentation.margin_mm=30")
    assert code == 0, text
    made = out / "suv_3_margin-30"
    rois = table(made, "rois").query("study == 'A-1' and role != 'reference'")
    masks = [sitk_mask(made / r.path, r.label) for r in rois.itertuples()]
    assert (masks[0] & masks[1]).sum() == masks[0].sum() > 0
    notes = table(made, "volumes")["notes"].tolist()
    assert f"{masks[0].sum()} voxels in common with beside" in notes[0]
    assert f"{masks[0].sum()} voxels in common with lesion" in notes[1]


def test_seeds_and_what_fails(cohort, tmp_path):
    seeds, out = tmp_path / "seeds.csv", tmp_path / "out"
    point = (AFFINE @ (9, 10, 9, 1))[:3]
    x, y, z = point
    seeds.write_text(
        "study,roi,x_mm,y_mm,z_mm,lesion_uid,role,region\n"
        f"A-1,a,{x},{y},{z},A-L1,deposit,r3\nA-1,air,0,0,0,,,\nB-1,far,900,0,0,,,\n"
    )
    edit(cohort, "studies", "images/C/pet.nii.gz", "images/C/none.nii.gz")
    seeds.write_text(seeds.read_text() + f"C-1,c,{x},{y},{z},,,\n")
    code, _ = segment(
        cohort, out, f"start='{seeds}'", "segmentation=suv_2.5", "search_mm=8", "reach_mm=30"
    )
    assert code == 1
    status = table(out / "suv_2.5", "status")
    assert status["status"].tolist() == ["ok", "failed", "failed", "failed"]
    reasons = status["reason"].tolist()
    assert "no voxel above the threshold" in reasons[1]
    assert "lies outside of the image" in reasons[2]
    assert "none.nii.gz: file: expected an existing NIfTI file" in reasons[3]
    row = table(out / "suv_2.5", "rois").iloc[0]
    assert row[["lesion_uid", "role", "region", "grid"]].tolist() == [
        "A-L1",
        "deposit",
        "r3",
        "pet",
    ]
    suv = array_of(cohort / "images" / "A", "pet")
    near = np.sqrt(((GRID + 9.5 - np.reshape((9, 10, 9), (3, 1, 1, 1))) ** 2).sum(axis=0)) * 4 <= 30
    found = sitk_mask(out / "suv_2.5" / row["path"], row["label"])
    np.testing.assert_array_equal(found, near & (suv >= 2.5))
    assert found.shape == SHAPE


def test_percist_takes_the_liver_of_the_study(cohort, tmp_path):
    out = tmp_path / "out"
    code, _ = segment(cohort, out, "segmentation=percist_liver", "segmentation.sphere_mm=null")
    assert code == 1
    status = table(out / "percist_liver", "status").set_index("study")["reason"]
    assert "no liver or blood pool is delineated" in status["B-1"]
    suv = array_of(cohort / "images" / "A", "pet")[14:18, 14:18, 14:18].astype(float)
    found = table(out / "percist_liver", "volumes")["threshold"][0]
    assert found == pytest.approx(1.5 * suv.mean() + 2 * suv.std(ddof=1), rel=1e-6)


def test_the_unit_beside_the_pet_goes_on(cohort, tmp_path):
    beside = cohort / "images" / "A" / "pet.json"
    beside.write_text(json.dumps({"suv": {"unit": "SUVlbm"}}))
    out = tmp_path / "out"
    segment(cohort, out, "segmentation=percist_liver", "segmentation.sphere_mm=null")
    volumes = table(out / "percist_liver", "volumes")
    assert volumes["unit"].tolist() == ["SUVlbm"] * 2
    assert not volumes["notes"].astype(str).str.contains("asks for SUVlbm").any()
    assert (out / "percist_liver" / "images" / "A" / "pet.json").samefile(beside)
    beside.write_text(json.dumps({"suv": {"unit": "Bq/ml"}}))
    code, text = segment(cohort, out, "segmentation=percent_41")
    assert code == 1
    assert text.count("unit in the sidecar: expected a kind of SUV, but got 'Bq/ml'") == 2


def contents(folder):
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_going_on_is_the_same_as_starting_afresh(cohort, tmp_path):
    out = tmp_path / "out"
    segment(cohort, out)
    made = out / "percent_41"
    before = contents(made)
    kept = (made / "masks" / "A-1.nii.gz").stat().st_mtime_ns
    (made / "rois.csv").unlink()
    (made / "masks" / "B-1.json").write_text("{}")
    (made / "masks" / "C-1.nii.gz").unlink()
    (made / "masks" / ".tmp-half.nii.gz").write_bytes(b"x")
    assert segment(cohort, out, "data.workers=2")[0] == 0
    assert contents(made) == before
    assert (made / "masks" / "A-1.nii.gz").stat().st_mtime_ns == kept
    lesion = array_of(cohort / "images" / "C", "pet")
    lesion[9, 9, 9] = 30.0
    save(cohort / "images" / "C" / "pet.nii.gz", lesion)
    assert segment(cohort, out)[0] == 0
    assert table(made, "volumes")["voxels"].tolist()[-1] == 1  # content has changed
    assert contents(made)["masks/A-1.nii.gz"] == before["masks/A-1.nii.gz"]


def test_what_others_wrote_is_not_replaced(cohort, tmp_path):
    out = tmp_path / "out"
    assert segment(cohort, out, "segmentation=gradient", "segmentation.core_percent=60")[0] == 0
    before = contents(out)
    code, text = segment(cohort, out, "segmentation=gradient")
    assert code == 2
    assert "overwrite=true" in text
    assert contents(out) == before
    assert segment(cohort, out, "segmentation=gradient", "overwrite=true")[0] == 0
    settings = json.loads((out / "gradient" / "segmentation.json").read_text())
    assert settings["settings"]["core_percent"] == 70
    other = tmp_path / "other" / "percent_41"
    other.mkdir(parents=True)
    (other / "notes.txt").write_text("mine")
    code, text = segment(cohort, other.parent)
    assert code == 2
    assert "other files in it" in text
    assert contents(other) == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["segmentation.percent=200"], "percent: expected a number above 0, up to 100"),
        (["segmentation.margin=2"], "margin"),
        (["segmentation=suv_5"], "expected one of"),
        (["start=nowhere.csv"], "expected rois, or a CSV file that exists"),
        (["search_mm=-1"], "search_mm: expected a distance"),
        (["roles=[deposit]"], "role: expected some of ['deposit']"),
    ],
)
def test_requests_that_cannot_be_met(cohort, tmp_path, given, said):
    code, text = segment(cohort, tmp_path / "out", *given)
    assert code == 2
    assert said in text
    assert not (tmp_path / "out").exists()
