"""Every mistake that one study can hold, all in one cohort, through every verb that reads images.

One patient per mistake beside sound ones: each must become a row that names file, field, expected
and found, and the sound ones must be done. The oracle of each row is how the study was spoiled.
"""

import gzip

import numpy as np
import pandas as pd
import pytest
from mistake_cohort import (
    array_of,
    colour,
    edit,
    mgh,
    move,
    patch,
    plain,
    printed,
    rescale,
    save,
    sheared,
    shifted,
    truncate_gz,
    truncate_nii,
    with_voxel,
    write_cohort,
    write_study,
)

SOUND = [f"P{i:02}" for i in range(8)]
IMAGE = "NIfTI"
MIDDLE, CORNER = (9, 9, 9), (0, 0, 0)
GRID = "origin (0.0, 0.0, 0.0) mm, but got shape (20, 20, 20), spacing (4.0, 4.0, 4.0) mm"

# name: how to spoil the study (folder of the study, folder of the cohort), then the fragments that
# the one message about it must hold: file, field, expected, found.
MISTAKES = {
    "missing-pet": (lambda s, c: (s / "pet.nii.gz").unlink(), "pet.nii.gz", "no such file"),
    "missing-ct": (lambda s, c: (s / "ct.nii.gz").unlink(), "ct.nii.gz", "no such file"),
    "missing-mask": (lambda s, c: (s / "mask.nii.gz").unlink(), "mask.nii.gz", "no such file"),
    "cut-gz": (lambda s, c: truncate_gz(s), "pet.nii.gz", "complete NIfTI", "ended before"),
    "cut-nii": (truncate_nii, "pet.nii:", "complete NIfTI", "28000 bytes"),
    "cut-header": (
        lambda s, c: (s / "pet.nii.gz").write_bytes(gzip.compress(plain(s, "pet")[:200])),
        "pet.nii.gz", "header", IMAGE, "200 bytes",
    ),
    "no-bytes": (
        lambda s, c: (s / "pet.nii.gz").write_bytes(b""), "pet.nii.gz", IMAGE, "got 0 bytes"
    ),
    "text": (lambda s, c: (s / "pet.nii.gz").write_text("no"), "pet.nii.gz", IMAGE, "Not a gzip"),
    "mgh": (lambda s, c: mgh(s), "pet.nii.gz", "header", IMAGE, "other data"),
    "other-grid": (lambda s, c: move(s, "mask", shifted()), "mask.nii.gz", "grid", GRID),
    "empty-mask": (lambda s, c: rescale(s, "mask", 0), "mask.nii.gz", "label 1", "values [0.0]"),
    "no-label": (
        lambda s, c: edit(c, "rois", "no-label/mask.nii.gz,1", "no-label/mask.nii.gz,7"),
        "mask.nii.gz", "mask", "label 7", "values [0.0, 1.0]",
    ),
    "fractions": (
        lambda s, c: rescale(s, "mask", 0.37),
        "mask.nii.gz", "whole numbers (labels)", "160 voxels", "0.37",
    ),
    "nan-inside": (
        lambda s, c: with_voxel(s, "pet", MIDDLE, np.nan),
        "pet.nii.gz", "inside the mask", "finite numbers", "NaN or infinity in 1 of 160 voxels",
    ),
    "inf-inside": (
        lambda s, c: with_voxel(s, "pet", MIDDLE, np.inf),
        "pet.nii.gz", "inside the mask", "finite numbers", "NaN or infinity in 1 of 160 voxels",
    ),
    "all-nan": (lambda s, c: rescale(s, "pet", np.nan), "pet.nii.gz", "maximum SUV", "got nan"),
    "4d": (
        lambda s, c: save(s / "pet.nii.gz", np.stack([array_of(s, "pet")] * 2, -1)),
        "pet.nii.gz", "dimensions", "expected 3", "got 4 (shape (20, 20, 20, 2))",
    ),
    "2d": (
        lambda s, c: save(s / "pet.nii.gz", array_of(s, "pet")[:, :, 0]),
        "pet.nii.gz", "dimensions", "expected 3", "got 2 (shape (20, 20))",
    ),
    "colour": (lambda s, c: colour(s), "pet.nii.gz", "voxel type", "real numbers", "colour"),
    "zero-spacing": (
        lambda s, c: patch(s, "pet", pixdim=[1, 0, 4, 4, 1, 1, 1, 1], sform_code=0, qform_code=0),
        "pet.nii.gz", "spacing", "three positive numbers in mm", "[0.0, 4.0, 4.0]",
    ),
    "negative-spacing": (
        lambda s, c: patch(s, "pet", pixdim=[1, -4, 4, 4, 1, 1, 1, 1]),
        "pet.nii.gz", "spacing", "three positive numbers in mm", "[-4.0, 4.0, 4.0]",
    ),
    "flat-affine": (
        lambda s, c: patch(s, "pet", srow_x=[0, 0, 0, 0]),
        "pet.nii.gz", "spacing", "three positive numbers in mm", "[0.0, 4.0, 4.0]",
    ),
    "nan-affine": (
        lambda s, c: patch(s, "pet", srow_x=[np.nan, 0, 0, 0]),
        "pet.nii.gz", "affine", "finite numbers", "nan",
    ),
    "metres": (lambda s, c: patch(s, "pet", xyzt_units=1), "pet.nii.gz", "millimetres", "metres"),
    "half-scaled": (
        lambda s, c: patch(s, "pet", scl_slope=2, scl_inter=np.nan),
        "pet.nii.gz", IMAGE, "invalid intercept",
    ),
    "sheared": (
        lambda s, c: move(s, "pet", sheared()),
        "pet.nii.gz", "affine", "perpendicular axes", "sheared by up to 5.71 degrees",
    ),
    "becquerels": (
        lambda s, c: rescale(s, "pet", 2000),
        "pet.nii.gz", "values", "maximum SUV of 0.5 to 200", "Bq/ml",
    ),
    "zeros": (lambda s, c: rescale(s, "pet", 0), "pet.nii.gz", "maximum SUV", "but got 0:"),
    "not-hu": (
        lambda s, c: rescale(s, "ct", 1, 1024, np.int16),
        "ct.nii.gz", "values", "fat or air below", "in HU?",
    ),
    "nan-ct": (
        lambda s, c: with_voxel(s, "ct", MIDDLE, np.nan),
        "ct.nii.gz", "inside the mask", "finite numbers", "NaN or inf",
    ),
    "no-pet": (
        lambda s, c: edit(c, "studies", "images/no-pet/pet.nii.gz", ""), "no PET in the studies"
    ),
}  # fmt: skip
HARMLESS = {
    "nan-outside": lambda s, c: with_voxel(s, "pet", CORNER, np.nan),
    "inf-outside": lambda s, c: with_voxel(s, "pet", CORNER, np.inf),
    "nan-in-ct-outside": lambda s, c: with_voxel(s, "ct", CORNER, np.nan),
    "no-ct": lambda s, c: edit(c, "studies", "images/no-ct/ct.nii.gz", ""),
    "unscaled": lambda s, c: patch(s, "pet", scl_slope=np.nan, scl_inter=np.nan),
    "4d-of-one": lambda s, c: save(s / "pet.nii.gz", array_of(s, "pet")[..., None]),
    "float-mask": lambda s, c: rescale(s, "mask", 1.0),
    "no-orientation": lambda s, c: [
        patch(s, name, sform_code=0, qform_code=0) for name in ("pet", "ct", "mask")
    ],
    "ü and spaces": lambda s, c: None,
}
CT_ALONE = {"not-hu", "nan-ct"}


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """The cohort in a folder whose name holds spaces and more than ASCII."""
    folder = tmp_path_factory.mktemp("spoiled") / "Studie größer ✓"
    write_cohort(folder, [*SOUND, *MISTAKES, *HARMLESS])
    for name, (spoil, *_) in MISTAKES.items():
        spoil(folder / "images" / name, folder)
    for name, spoil in HARMLESS.items():
        spoil(folder / "images" / name, folder)
    return folder


@pytest.fixture(scope="module")
def ran(spoiled, tiny, tmp_path_factory):
    """Run a verb once on the spoiled cohort: exit code, what it printed, its table, its folder."""
    done = {}

    def call(verb):
        if verb not in done:
            folder = tmp_path_factory.mktemp(verb)
            given = [verb, f"cohort='{spoiled}'", *VERBS[verb](tiny, folder)]
            code, text = printed(given)
            (status,) = folder.glob(STATUS[verb])
            table = pd.read_csv(status, keep_default_na=False)
            done[verb] = code, text.splitlines(), table, folder
        return done[verb]

    return call


VERBS = {
    "check": lambda tiny, to: [f"out='{to / 'findings.csv'}'"],
    "extract": lambda tiny, to: [*tiny.task, "features=core", f"out='{to / 'table.csv'}'"],
    "train": lambda tiny, to: [*tiny.task, *tiny.quick, *NETWORK, f"out='{to}'"],
    "predict": lambda tiny, to: [f"run='{tiny.run}'", tiny.cache, f"out='{to / 'new.csv'}'"],
}
STATUS = {
    "check": "findings.csv",
    "extract": "table.status.csv",
    "train": "*/status.csv",
    "predict": "new.status.csv",
}
NETWORK = ["model=fusion", "trainer=quick", "trainer.epochs=1"]  # reads the CT into its crops
FILES = {
    "check": {"findings.csv", "findings.html"},
    "extract": {"table.csv", "table.status.csv", "table.provenance.json"},
    "predict": {"new.csv", "new.status.csv"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_spoiled_studies_end_no_verb_and_leave_nothing_half_written(ran, verb):
    code, lines, _, folder = ran(verb)
    assert code == 1
    text = "\n".join(lines)
    assert "Traceback" not in text
    assert "defect" not in text
    assert "Warning" not in text
    assert not list(folder.rglob(".tmp-*"))
    if verb in FILES:
        assert {p.name for p in folder.iterdir()} == FILES[verb]


@pytest.mark.parametrize("verb", ["extract", "train", "predict"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_row_and_one_line_and_the_rest_is_done(ran, verb, name):
    _, lines, status, _ = ran(verb)
    (row,) = status[status["patient"] == name].to_dict("records")
    if verb == "predict" and name in CT_ALONE:  # the run of `tiny` looks at PET alone
        assert row["status"] == "ok"
        return
    assert row["status"] == ("excluded" if name == "no-pet" else "failed")
    said = [line for line in lines if line.endswith(row["reason"])]
    assert len(said) == (0 if (verb, name) == ("train", "no-pet") else 1)
    for word in MISTAKES[name][1:]:
        assert word in row["reason"]


@pytest.mark.parametrize("name", MISTAKES)
def test_check_names_the_mistake_once(ran, name):
    _, lines, findings, _ = ran("check")
    about = findings[findings["study"] == f"{name}-1"]
    errors = about.loc[about["severity"] == "error", "text"].tolist()
    words = ("no path in the studies table",) if name == "no-pet" else MISTAKES[name][1:]
    (told,) = [text for text in errors if all(word in text for word in words)]
    assert sum(line.endswith(told) for line in lines) == 1
    # what follows from it is not said again; an image of NaN alone and no PET are two mistakes
    assert len(errors) == (2 if name in ("all-nan", "no-pet") else 1)


@pytest.mark.parametrize("verb", ["extract", "train", "predict"])
def test_sound_and_harmless_studies_are_done(ran, verb):
    _, _, status, _ = ran(verb)
    done = set(status.loc[status["status"] == "ok", "patient"])
    assert {*SOUND, *HARMLESS} <= done
    assert done - {*SOUND, *HARMLESS} == (CT_ALONE if verb == "predict" else set())


def test_check_warns_of_what_is_harmless_but_odd(ran):
    _, _, findings, _ = ran("check")
    odd = findings[findings["severity"] == "warning"].query("what != 'identical masks'")  # one ball
    assert set(odd["study"]) == {"no-ct-1", "no-orientation-1"}
    assert not set(findings.loc[findings["severity"] == "error", "study"]) & {
        f"{name}-1" for name in (*SOUND, *HARMLESS)
    }


def test_undefined_voxels_outside_the_mask_change_no_feature(tmp_path, tiny):
    """The rule: they are outside of the field, so a study with and one without agree."""
    folder = write_cohort(tmp_path / "twins", ["whole", "hole", "peak"])
    for name, value in (("whole", 1.0), ("hole", np.nan), ("peak", np.inf)):
        write_study(folder / "images" / name, 5)
        for image in ("pet", "ct"):
            with_voxel(folder / "images" / name, image, CORNER, value)
    out = tmp_path / "twins.csv"
    given = ["extract", *tiny.task, f"cohort='{folder}'", "features=core", f"out='{out}'"]
    code, text = printed(given)
    assert code == 0, text
    table = pd.read_csv(out, index_col="unit")
    pd.testing.assert_series_equal(table.loc["hole"], table.loc["whole"], check_names=False)
    pd.testing.assert_series_equal(table.loc["peak"], table.loc["whole"], check_names=False)


def test_a_study_without_ct_has_its_other_features_and_empty_ones_of_ct(ran):
    _, _, _, folder = ran("extract")
    row = pd.read_csv(folder / "table.csv", index_col="unit").loc["no-ct"].drop("flagged")
    of_ct = [column for column in row.index if column.startswith("ct")]
    assert of_ct
    assert row[of_ct].isna().all()
    assert row.drop(of_ct).notna().all()
