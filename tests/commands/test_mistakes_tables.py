"""Mistakes in tables, through the command line: one line, exit code 2, nothing left behind."""

import re
import shutil

import pandas as pd
import pytest
from mistake_cohort import edit, printed

READERS = ("check", "extract", "train", "predict")


def arguments(verb, tiny, cohort, to):
    """Return a request of `verb` that is sound but for the cohort."""
    more = {
        "check": [f"out='{to / 'findings.csv'}'"],
        "extract": [*tiny.task, "features=glcm_only", f"out='{to / 'table.csv'}'"],
        "train": [*tiny.task, *tiny.quick, f"out='{to / 'runs'}'"],
        "predict": [f"run='{tiny.run}'", tiny.cache, f"out='{to / 'new.csv'}'"],
    }[verb]
    return [verb, f"cohort='{cohort}'", *more]


def assert_one_message(text, verb, words):
    """Beside the log, whose lines begin with the time, there is one line and it says all."""
    lines = [line for line in text.splitlines() if not re.match(r"\d\d:\d\d:\d\d ", line)]
    assert len(lines) == 1, text
    assert lines[0].startswith(f"petnet {verb}: ")
    for word in words:
        assert word in lines[0], f"{word!r} not in {lines[0]!r}"


def replace_text(table, old, new):
    return lambda folder: edit(folder, table, old, new)


def write_bytes(table, data):
    return lambda folder: (folder / f"{table}.csv").write_bytes(data)


def change(table, call):
    """Spoil a table with pandas."""

    def spoil(folder):
        frame = pd.read_csv(folder / f"{table}.csv", dtype=str)
        call(frame).to_csv(folder / f"{table}.csv", index=False)

    return spoil


def column(name, values):
    return change("targets", lambda t: t.assign(**{name: values}))


def moved(patient, timepoint):
    """Give a patient's study to Q00."""

    def spoil(folder):
        edit(folder, "studies", f"{patient},{patient}-1,baseline", f"Q00,{patient}-1,{timepoint}")
        change("targets", lambda t: t[t["patient"] != patient])(folder)

    return spoil


# name: how to spoil the folder, the verbs that meet it, the fragments of the message
TABLES = {
    "study twice": (
        replace_text("studies", "Q01,Q01-1,", "Q01,Q00-1,"), READERS,
        ["studies.csv", "column study", "unique values", "'Q00-1'"],
    ),
    "series twice": (
        moved("Q03", "baseline"), READERS,
        ["studies.csv", "row 5", "patient, timepoint, arm", "one study per", "Q00"],
    ),
    "two splits": (
        moved("Q01", "followup"), READERS,
        ["studies.csv", "patient Q00, column split", "one split", "['test', 'train']"],
    ),
    "path outside": (
        replace_text("rois", "images/Q01/mask", "../Q01/mask"), READERS,
        ["rois.csv", "row 3, column path", "a path inside", "'../Q01/mask.nii.gz'", "outside=true"],
    ),
    "absolute path": (
        replace_text("studies", "images/Q01/pet.nii.gz", "/etc/hostname"), READERS,
        ["studies.csv", "row 3, column pet", "a path inside", "'/etc/hostname'"],
    ),
    "image as mask": (
        replace_text("rois", "images/Q01/mask", "images/Q01/pet"), READERS,
        ["rois.csv", "row 3, column path", "a mask", "pet.nii.gz"],
    ),
    "half a label": (
        replace_text("rois", "images/Q01/mask.nii.gz,1", "images/Q01/mask.nii.gz,1.5"), READERS,
        ["rois.csv", "row 3, column label", "whole number", "1.5"],
    ),
    "unknown study": (
        replace_text("rois", "Q01-1,lesion", "Q77-1,lesion"), READERS,
        ["rois.csv", "row 3, column study", "a study of the studies table", "'Q77-1'"],
    ),
    "no column": (
        replace_text("rois", ",path,", ",file,"), READERS,
        ["rois.csv", "a column 'path'", "'file'"],
    ),
    "column twice": (
        replace_text("targets", ",age,marker", ",age, age"), READERS,
        ["targets.csv", "columns", "each name once", "['age'] twice"],
    ),
    "ragged": (
        replace_text("targets", "Q01,0,51,", "Q01,0,51,,9,"), READERS,
        ["targets.csv", "row 3", "5 fields", "got 7"],
    ),
    "decimal commas, not quoted": (
        replace_text("targets", "Q01,0,51,2.5", "Q01,0,51,2,5"), READERS,
        ["targets.csv", "row 3", "5 fields", "got 6"],
    ),
    "Excel": (
        write_bytes("targets", b"PK\x03\x04\x14\x00"), READERS,
        ["targets.csv", "format", "CSV text", "Excel workbook", "CSV UTF-8"],
    ),
    "Latin-1": (
        write_bytes("targets", "patient,größe\nQ01,1\n".encode("latin-1")), READERS,
        ["targets.csv", "line 1", "UTF-8", "0xf6"],
    ),
    "empty": (
        write_bytes("studies", b""), READERS, ["studies.csv", "header and rows", "empty file"],
    ),
    "pipes": (
        write_bytes("targets", b"patient|label\nQ01|1\n"), READERS,
        ["targets.csv", "a column 'patient'", "patient|label"],
    ),
    "no table": (
        lambda folder: (folder / "rois.csv").unlink(), READERS,
        ["rois", "rois.csv or rois.parquet, or a manifest.csv", "neither"],
    ),
    "weight in words": (
        change("studies", lambda t: t.assign(weight_kg="heavy")), READERS,
        ["studies.csv", "row 2, column weight_kg", "a number", "'heavy'", "11 more"],
    ),
    "no label column": (
        replace_text("targets", "patient,label", "patient,lable"), ("train",),
        ["table targets", "the target 'label'", "'lable'"],
    ),
    "one class": (
        column("label", "1"), ("train",),
        ["table targets", "label", "two classes", "only [1]"],
    ),
    "labels in words": (
        column("label", "yes"), ("train",),
        ["table targets", "row 2, column label", "a number", "'yes'"],
    ),
    "labels of halves": (
        column("label", "0.5"), ("train",),
        ["table targets", "row 2, column label", "1 (positive), 0 (negative)", "'0.5'"],
    ),
    "no labels": (
        column("label", ""), ("train",), ["task tiny", "usable unit", "target label is missing"],
    ),
    "clinical text": (
        replace_text("targets", "Q01,0,51", "Q01,0,about 50"), ("train",),
        ["table targets", "row 3, column age", "a number", "'about 50'"],
    ),
    "clinical infinity": (
        replace_text("targets", "Q01,0,51", "Q01,0,inf"), ("train",),
        ["table targets", "row 3, column age", "a number", "'inf'"],
    ),
    "log of zero": (
        replace_text("targets", "Q01,0,51,2.5", "Q01,0,51,0"), ("train",),
        ["table targets", "row 3, column marker", "above 0", "'0'"],
    ),
    "unknown category": (
        replace_text("targets", "Q01,0,51,2.5,M", "Q01,0,51,2.5,male"), ("train",),
        ["table targets", "row 3, column sex", "['F', 'M']", "'male'"],
    ),
    "no clinical column": (
        replace_text("targets", ",age,", ",years,"), ("train", "predict"),
        ["table targets", "the clinical column 'age'", "'years'"],
    ),
    "another arm": (
        change("studies", lambda t: t.assign(arm="fapi")), ("extract", "train", "predict"),
        ["table studies", "arm, timepoint", "('fdg', 'baseline')", "('fapi', 'baseline')"],
    ),
    "another role": (
        change("rois", lambda t: t.assign(role="node")), ("train",),
        ["task tiny", "usable unit", "none of 12", "no region of role primary"],
    ),
    "no row": (
        change("studies", lambda t: t.iloc[:0]), READERS,
        ["studies.csv", "table studies", "at least one row", "none"],
    ),
}  # fmt: skip
CASES = [(name, verb) for name, (_, verbs, _) in TABLES.items() for verb in verbs]


@pytest.mark.parametrize(("name", "verb"), CASES)
def test_a_mistake_in_a_table(name, verb, tiny, tmp_path):
    spoil, _, words = TABLES[name]
    cohort, to = tmp_path / "cohort", tmp_path / "to"
    shutil.copytree(tiny.cohort, cohort)
    to.mkdir()
    spoil(cohort)
    code, text = printed(arguments(verb, tiny, cohort, to))
    assert code == 2, text
    assert_one_message(text, verb, words)
    assert list(to.iterdir()) == []


SPLIT = {
    "fewer patients than folds": (
        ["cv.folds=7"], lambda folder: None,
        ["targets", "patients per class", "as many as folds (7)", "negative: 6, positive: 6"],
    ),
    "no split column": (
        ["cv.use_split_column=true"], replace_text("studies", ",split", ",part"),
        ["table studies", "a column split", "none"],
    ),
    "all in one split": (
        ["cv.use_split_column=true"], replace_text("studies", ",test", ",train"),
        ["table studies", "column split", "both train and test", "['train']"],
    ),
    "one class held out": (
        ["cv.use_split_column=true"],
        lambda folder: column("label", [str(int(i % 3 == 0)) for i in range(12)])(folder),
        ["splits", "training part", "all classes", "only [0]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
def test_a_mistake_in_the_splits(name, tiny, tmp_path):
    settings, spoil, words = SPLIT[name]
    cohort, to = tmp_path / "cohort", tmp_path / "to"
    shutil.copytree(tiny.cohort, cohort)
    to.mkdir()
    spoil(cohort)
    code, text = printed([*arguments("train", tiny, cohort, to), *settings])
    assert code == 2, text
    assert_one_message(text, "train", words)
    assert list(to.iterdir()) == []


def test_a_clinical_value_that_is_none_excludes_its_patient_from_prediction(tiny, tmp_path):
    shutil.copytree(tiny.cohort, tmp_path / "cohort")
    edit(tmp_path / "cohort", "targets", "Q01,0,51", "Q01,0,about 50")
    code, text = printed(arguments("predict", tiny, tmp_path / "cohort", tmp_path))
    assert code == 1
    assert "Traceback" not in text
    status = pd.read_csv(tmp_path / "new.status.csv").set_index("patient")
    assert status.loc["Q01", "status"] == "excluded"
    assert "row 3, column age: expected a number, but got 'about 50'" in status.loc["Q01", "reason"]
    assert (status["status"] == "ok").sum() == 11 == len(pd.read_csv(tmp_path / "new.csv"))


@pytest.mark.parametrize("name", ["age", "marker", "sex"])
def test_a_clinical_column_without_a_value_tells_nothing_and_stops_nothing(name, tiny, tmp_path):
    """The rule: it is left out; so the predictions are those of a task without the column."""
    shutil.copytree(tiny.cohort, tmp_path / "cohort")
    column(name, "")(tmp_path / "cohort")
    made = arguments("train", tiny, tmp_path / "cohort", tmp_path)
    kinds = {
        "age": "clinical.numeric=[]",
        "marker": "clinical.log=[]",
        "sex": "clinical.categorical=null",
    }
    probabilities = []
    for more in ([], [f"task.{kinds[name]}"]):
        code, text = printed([*made, *more])
        assert code == 0, text
        assert "Traceback" not in text
        assert "Warning" not in text
    for run in (tmp_path / "runs").iterdir():
        table = pd.read_csv(run / "predictions.csv")
        probabilities.append(table.sort_values(["fold", "unit"])["probability"].tolist())
    assert len(probabilities) == 2
    assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-9)


def windows(folder):
    for path in folder.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def continental(folder):
    for path in folder.glob("*.csv"):
        text = path.read_text().replace(",", ";")
        path.write_text(re.sub(r"(\d)\.(\d)", r"\1,\2", text))


def blank_lines_and_spaces(folder):
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().replace("\n", "\n\n").replace(",", " , ") + "\n,,\n \n")


@pytest.mark.parametrize("form", [windows, continental, blank_lines_and_spaces])
def test_what_spreadsheets_write_is_read_as_the_plain_table(form, tiny, tmp_path):
    """The oracle is the plain cohort: the same run, found by its name, and the same predictions."""
    shutil.copytree(tiny.cohort, tmp_path / "plain")
    shutil.copytree(tiny.cohort, tmp_path / "formed")
    form(tmp_path / "formed")
    assert (tmp_path / "formed" / "targets.csv").read_bytes() != (
        tmp_path / "plain" / "targets.csv"
    ).read_bytes()
    found = {}
    for name in ("plain", "formed"):
        for verb in READERS:
            to = tmp_path / f"{name} {verb}"
            to.mkdir()
            code, text = printed(arguments(verb, tiny, tmp_path / name, to))
            assert code == 0, text
            made = [p for p in sorted(to.rglob("*.csv")) if p.name in KEPT]
            assert made
            for path in made:
                content = path.read_text().replace(str(tmp_path / name), "")
                found[name, verb, path.name] = content
    for (name, *rest), content in found.items():
        assert content == found["plain", *rest], (name, rest)


KEPT = {
    "table.csv",
    "table.status.csv",
    "new.csv",
    "new.status.csv",
    "predictions.csv",
    "units.csv",
}
KEPT |= {"findings.csv", "splits.csv"}
