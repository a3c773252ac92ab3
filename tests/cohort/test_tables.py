"""Reading the tables: forms, encodings and every refusal names table, row and column."""

import pandas as pd
import pytest

from petnet.cohort import read_cohort
from petnet.errors import InputError

STUDIES = "patient,study,timepoint,arm,tracer,modality,pet,ct,weight_kg\n"
ROWS = "p1,s1,baseline,fdg,FDG,PT/CT,a/pet.nii,a/ct.nii,70\np2,s2,baseline,fdg,FDG,PT/CT,b.nii,,\n"
ROIS = "study,roi,lesion_uid,role,path,label,grid\ns1,gtv,l1,primary,a/m.nii,1,pet\n"
TARGETS = "patient,her2,age\np1,1,60\np2,,61\n"


@pytest.fixture
def folder(tmp_path):
    def write(**tables):
        texts = {"studies": STUDIES + ROWS, "rois": ROIS, "targets": TARGETS, **tables}
        for name, text in texts.items():
            (tmp_path / f"{name}.csv").write_bytes(text.encode("utf-8"))
        return tmp_path

    return write


def test_reads_the_three_tables(folder):
    cohort = read_cohort(folder())
    assert cohort.studies["weight_kg"].tolist()[0] == 70.0
    assert cohort.studies["ct"].tolist()[1] is None
    assert cohort.rois["label"].tolist() == [1.0]
    assert cohort.files() == ["a/ct.nii", "a/m.nii", "a/pet.nii", "b.nii"]


def test_windows_line_ends_and_byte_order_mark_change_nothing(folder):
    plain = read_cohort(folder())
    marked = read_cohort(folder(studies="\ufeff" + (STUDIES + ROWS).replace("\n", "\r\n")))
    pd.testing.assert_frame_equal(plain.studies, marked.studies)


def test_semicolons_with_decimal_commas(folder):
    text = (STUDIES + ROWS).replace(",70\n", ",70.5\n").replace(",", ";").replace("70.5", "70,5")
    assert read_cohort(folder(studies=text)).studies["weight_kg"].tolist()[0] == 70.5


def test_parquet_equals_csv(folder, tmp_path):
    plain = read_cohort(folder())
    plain.studies.to_parquet(tmp_path / "studies.parquet")
    (tmp_path / "studies.csv").unlink()
    assert read_cohort(tmp_path).studies["pet"].tolist() == plain.studies["pet"].tolist()


def test_manifest_is_expanded(tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "patient,pet,ct,mask,her2,age\np1,pet.nii,ct.nii,mask.nii,1,60\np2,q.nii,,n.nii,0,50\n"
    )
    cohort = read_cohort(tmp_path)
    assert cohort.studies["study"].tolist() == ["p1_baseline_fdg", "p2_baseline_fdg"]
    assert cohort.rois["path"].tolist() == ["mask.nii", "n.nii"]
    assert list(cohort.targets) == ["patient", "her2", "age"]
    assert read_cohort(tmp_path / "manifest.csv").studies.equals(cohort.studies)


def test_parquet_rows_are_taken_by_position_whatever_their_index(folder, tmp_path):
    plain = read_cohort(folder())
    plain.targets.iloc[::-1].to_parquet(tmp_path / "targets.parquet")
    (tmp_path / "targets.csv").unlink()
    assert read_cohort(tmp_path).targets["age"].tolist() == ["61", "60"]


def test_a_trailing_comma_shifts_nothing(folder):
    assert read_cohort(folder(targets="patient,her2\np1,1,\np2,0,\n")).targets.equals(
        read_cohort(folder(targets="patient,her2\np1,1\np2,0\n")).targets
    )


def test_a_patients_rows_in_the_manifest_are_brought_together(tmp_path):
    head = "patient,arm,pet,mask,her2\n"
    path = tmp_path / "manifest.csv"
    path.write_text(head + "p1,fdg,a.nii,m.nii,\np1,fapi,b.nii,n.nii,1\n")
    assert read_cohort(path).targets["her2"].tolist() == ["1"]
    path.write_text(head + "p1,fdg,a.nii,m.nii,0\np1,fapi,b.nii,n.nii,1\n")
    with pytest.raises(InputError, match="p1, column her2"):
        read_cohort(path)


REFUSALS = {
    "absent column": ({"rois": ROIS.replace(",path", ",file")}, "rois.*'path'"),
    "text for a number": (
        {"studies": (STUDIES + ROWS).replace(",70\n", ",heavy\n")},
        "row 2, column weight_kg: expected a number, but got 'heavy'$",
    ),
    "negative weight": (
        {"studies": (STUDIES + ROWS).replace(",70\n", ",-7\n")},
        "row 2, column weight_kg.*above 0.*-7",
    ),
    "empty patient": ({"studies": STUDIES + ROWS.replace("p2,", ",")}, "row 3, column patient"),
    "study twice": ({"studies": STUDIES + ROWS.replace("s2", "s1")}, "column study.*unique"),
    "unknown study": ({"rois": ROIS.replace("s1,gtv", "s9,gtv")}, "rois, row 2.*study.*'s9'"),
    "unknown patient": ({"targets": TARGETS.replace("p2", "p7")}, "targets, row 3.*'p7'"),
    "unit twice": ({"targets": TARGETS.replace("p2", "p1")}, "targets, row 3.*one row per unit"),
    "grid": ({"rois": ROIS.replace(",pet\n", ",mri\n")}, "column grid.*pet or ct.*mri"),
    "outside": ({"rois": ROIS.replace("a/m.nii", "../m.nii")}, "rois, row 2, column path.*inside"),
    "ragged": ({"targets": TARGETS + "p3,1,2,3,4\n"}, "rows of equal length"),
    "too few fields": ({"targets": TARGETS + "p1\n"}, "row 4.*3 fields"),
    "column twice": ({"targets": "patient,a,a\np1,1,2\n"}, "each name once"),
    "two studies of one date": (
        {"studies": (STUDIES + ROWS).replace("p2,s2", "p1,s2"), "targets": "patient,a\np1,1\n"},
        "row 3, columns patient, timepoint, arm",
    ),
    "slash": ({"rois": ROIS.replace(",l1,", ",l/1,")}, "row 2, column lesion_uid.*'l/1'"),
    "a fraction of a label": (
        {"rois": ROIS.replace("a/m.nii,1,", "a/m.nii,1.5,")}, "row 2, column label.*whole.*1.5",
    ),
    "the image as its mask": (
        {"rois": ROIS.replace("a/m.nii", "./b.nii")}, "rois, row 2, column path.*a mask.*b.nii",
    ),
    "a region twice": (
        {"rois": ROIS + ROIS.split("\n")[1] + "\n"}, "rois, row 3.*one row per region.*s1",
    ),
    "two splits": (
        {
            "studies": "split," + STUDIES + "train," + ROWS.split("\n")[0] + "\n"
            + "test," + ROWS.split("\n")[1].replace("p2", "p1") + "\n",
            "targets": "patient,her2\np1,1\n",
        },
        "patient p1, column split",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(folder, case):
    tables, message = REFUSALS[case]
    with pytest.raises(InputError, match=message):
        read_cohort(folder(**tables))


FOREIGN = {
    "Excel": (b"PK\x03\x04 and so on", "format: .*CSV.*Excel workbook.*CSV UTF-8"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel workbook"),
    "UTF-16": ((TARGETS).encode("utf-16"), "UTF-16"),
    "Latin-1": (TARGETS.replace("age", "größe").encode("latin-1"), "line 1: .*UTF-8.*0xf6"),
    "nothing": (b"", "a header and rows, but got an empty file"),
    "blank lines": (b"\n\n \n", "a header and rows, but got an empty file"),
    "zero bytes": (TARGETS.encode() + b"\0", "row 4.*3 fields|NUL"),
    "another delimiter": (TARGETS.replace(",", "|").encode(), "column 'patient'.*patient.her2"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_refuses_what_is_no_table(folder, tmp_path, case):
    data, message = FOREIGN[case]
    folder()
    (tmp_path / "targets.csv").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_cohort(tmp_path)
    assert "targets.csv" in str(caught.value)


def test_a_file_that_is_no_parquet_is_named(folder, tmp_path):
    folder()
    (tmp_path / "targets.csv").rename(tmp_path / "targets.parquet")
    with pytest.raises(InputError, match=r"targets.parquet: format: expected a Parquet table"):
        read_cohort(tmp_path)


def test_a_cohort_without_studies_is_none(folder):
    with pytest.raises(InputError, match=r"studies\.csv: table studies: expected at least one row"):
        read_cohort(folder(studies=STUDIES, rois=ROIS.split("\n")[0], targets="patient,her2\n"))


def test_a_manifest_row_without_a_patient_is_named(tmp_path):
    (tmp_path / "manifest.csv").write_text("patient,pet,mask\np1,a.nii,b.nii\n,c.nii,d.nii\n")
    with pytest.raises(
        InputError, match="row 3, column patient: expected a value, but got nothing"
    ):
        read_cohort(tmp_path)


def test_blank_lines_and_spaces_around_values_change_nothing(folder):
    plain = read_cohort(folder()).targets
    spaced = "patient , her2, age \n\n p1 ,1, 60\n,,\np2,  ,61 \n\n\n"
    pd.testing.assert_frame_equal(read_cohort(folder(targets=spaced)).targets, plain)


def test_outside_is_allowed_on_request(folder):
    assert read_cohort(folder(rois=ROIS.replace("a/m.nii", "../m.nii")), allow_outside=True)


def test_fingerprint_follows_content(folder, tmp_path):
    cohort = read_cohort(folder())
    before = cohort.fingerprint()
    (tmp_path / "b.nii").write_bytes(b"1")
    changed = cohort.fingerprint()
    (tmp_path / "b.nii").write_bytes(b"1")
    assert cohort.fingerprint() == changed != before


def test_quoted_fields_may_hold_separators_and_line_ends(folder):
    text = 'patient,note\np1,"a, b\nc"\n\n,\np2,"say ""hi"""\n'
    assert read_cohort(folder(targets=text)).targets["note"].tolist() == ["a, b\nc", 'say "hi"']


def test_a_stray_quote_swallows_no_patients(folder):
    with pytest.raises(InputError, match="well-formed CSV"):
        read_cohort(folder(targets='patient,note\np1,"oops\np2,fine\n'))


def test_a_manifest_of_two_dates_keeps_what_belongs_to_each(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(
        "patient,timepoint,pet,mask,dose_bq,weight_kg,center,her2\n"
        "2023/1,baseline,a.nii,m.nii,2.9e8,70,A,1\n2023/1,followup,b.nii,n.nii,3e8,68,B,1\n"
    )
    cohort = read_cohort(path)
    assert cohort.studies["dose_bq"].tolist() == [2.9e8, 3e8]
    assert cohort.studies["center"].tolist() == ["A", "B"]
    assert cohort.targets.to_dict("records") == [
        {"patient": "2023/1", "weight_kg": "70", "her2": "1"}
    ]


def test_names_with_spaces_around_them_are_one_name(folder):
    with pytest.raises(InputError, match="each name once"):
        read_cohort(folder(targets="patient,age ,age\np1,1,2\n"))


def test_a_table_without_rows_is_a_table(folder):
    assert read_cohort(folder(targets="patient,her2\n")).targets.empty
    with pytest.raises(InputError, match="'patient'"):
        read_cohort(folder(targets="her2\n"))
