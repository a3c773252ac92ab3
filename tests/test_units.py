"""Task and unit selection: unions, missing labels, refusals."""

import numpy as np
import pytest

from petnet.cohort import read_cohort
from petnet.errors import InputError
from petnet.task import Task
from petnet.units import select_units

BASE = {
    "studies": "patient,study,timepoint,arm,tracer,modality,pet,ct,center\n"
    "p1,s1,baseline,fdg,FDG,PT/CT,a.nii,b.nii,A\np2,s2,baseline,fdg,FDG,PT/CT,c.nii,,B\n"
    "p3,s3,baseline,fdg,FDG,PT/CT,d.nii,,A\np3,s4,followup,fdg,FDG,PT/CT,e.nii,,A\n",
    "rois": "study,roi,lesion_uid,role,path,label,grid\ns1,a,l1,primary,m.nii,1,pet\n"
    "s1,b,l2,primary,m.nii,2,pet\ns1,n,l3,node,m.nii,3,pet\ns2,a,l4,primary,n.nii,,pet\n"
    "s3,a,l5,node,o.nii,,pet\n",
    "targets": "patient,her2,cea,stage,sex\np1,1,10,T2,F\np2,,3,T1,M\np3,0,,,\n",
}
CLINICAL = {"log": ["cea"], "ordinal": {"stage": ["T1", "T2"]}, "categorical": {"sex": ["F", "M"]}}


@pytest.fixture
def cohort(tmp_path):
    def make(**changes):
        for name, text in {**BASE, **changes}.items():
            (tmp_path / f"{name}.csv").write_text(text)
        return read_cohort(tmp_path)

    return make


def task(**changes):
    return Task(
        **{"name": "t", "kind": "binary", "target": "her2", "clinical": CLINICAL, **changes}
    )


def test_union_of_a_patients_lesions_of_the_role(cohort):
    (unit,) = select_units(cohort(), task(), labelled=True).units
    assert unit.patient == "p1"
    assert [(r.roi, r.label) for r in unit.series[0].regions] == [("a", 1), ("b", 2)]


def test_missing_label_is_missing_never_negative(cohort):
    table = select_units(cohort(), task(), labelled=True)
    reasons = table.status.set_index("unit")["reason"]
    assert reasons["p2"] == "target her2 is missing"
    assert reasons["p3"] == "no region of role primary in the rois table"
    assert table.target.tolist() == [1.0]
    open_table = select_units(cohort(), task(), labelled=False)
    assert np.isnan(open_table.target[open_table.ids.index("p2")])


def test_clinical_columns_by_kind(cohort):
    clinical = select_units(cohort(), task(), labelled=False).clinical
    assert clinical.loc["p1", "cea"] == pytest.approx(np.log(10))
    assert clinical["stage"].cat.ordered
    assert clinical.loc["p2", "stage"] == "T1"
    assert list(clinical["sex"].cat.categories) == ["F", "M"]


def test_per_lesion_units(cohort):
    lesions = cohort(
        targets="patient,lesion_uid,her2,cea,stage,sex\np1,l1,1,1,T1,F\np1,l2,0,1,T1,F\n"
    )
    table = select_units(lesions, task(unit="lesion"), labelled=True)
    assert table.ids == ["p1/l1", "p1/l2"]
    assert table.target.tolist() == [1.0, 0.0]
    assert {u.patient for u in table.units} == {"p1"}


def test_the_row_of_a_lesion_may_say_where_it_lies(cohort):
    header = "patient,lesion_uid,region,her2,cea,stage,sex\n"
    lesions = "p1,l1,lung,1,1,T1,F\np1,l2,liver,0,1,T1,F\n"
    others = "p1,,lung,0,1,T1,F\np1,,,0,1,T1,F\n"
    rois = BASE["rois"].replace("label,grid", "label,grid,region").replace(",pet\n", ",pet,lung\n")
    made = cohort(targets=header + lesions + others, rois=rois)
    table = select_units(made, task(unit="lesion"), labelled=True)
    assert dict(zip(table.ids, table.target, strict=True)) == {"p1/l1": 1.0, "p1/l2": 0.0}
    for unit, name in (("region", "p1/lung"), ("patient", "p1")):
        table = select_units(made, task(unit=unit), labelled=True)
        assert dict(zip(table.ids, table.target, strict=True)) == {name: 0.0}


@pytest.mark.parametrize("name", ["arms", "timepoints", "roles", "regions", "references"])
def test_a_task_names_everything_once(name):
    with pytest.raises(InputError, match=rf"task t: {name}: expected each name once, .*'a', 'a'"):
        task(**{name: ["a", "a"]})


@pytest.mark.parametrize(
    ("given", "what", "expected"),
    [
        ({"columns": {"ct": "age*"}}, "columns.ct", "a list of names .*'age"),  # '*' were all
        ({"columns": ["age"]}, "columns", "names with a value each"),
        ({"baselines": ["SUVmax"]}, "baselines", "names with a value each"),
        ({"clinical": ["age"]}, "clinical", "names with a value each"),
        ({"clinical": {"numeric": "age"}}, "clinical.numeric", "a list of names, .*'age'"),
        ({"clinical": {"ordinal": {"t": "T1"}}}, "clinical.ordinal.t", "a list of names .*'T1'"),
        ({"clinical": {"ordinal": ["t"]}}, "clinical.ordinal", "names with a value each"),
        ({"clinical": {"categorical": {"sex": []}}}, "clinical.categorical.sex", "at least one"),
        ({"clinical": {"categorical": {"sex": ["F", "F"]}}}, "clinical.categorical.sex", "once"),
    ],
)
def test_a_list_of_a_task_is_a_list(given, what, expected):
    with pytest.raises(InputError, match=rf"task t: {what}: expected .*{expected}"):
        task(**given)


def test_two_timepoints_are_two_series(cohort):
    made = cohort(rois=BASE["rois"] + "s4,a,l5,primary,o.nii,,pet\n")
    table = select_units(made, task(timepoints=["baseline", "followup"]), labelled=True)
    (unit,) = [u for u in table.units if u.patient == "p3"]
    assert [s.timepoint for s in unit.series] == ["baseline", "followup"]


def test_rows_of_other_levels_are_not_the_patients(cohort):
    mixed = cohort(
        targets="patient,lesion_uid,her2,cea,stage,sex\np1,,0,5,T1,F\np1,l1,1,,,\np2,,1,1,,\n"
    )
    table = select_units(mixed, task(), labelled=True)
    assert dict(zip(table.ids, table.target, strict=True)) == {"p1": 0.0, "p2": 1.0}
    assert table.clinical.loc["p1", "cea"] == pytest.approx(np.log(5))


def test_numbers_do_not_follow_a_shuffled_index(cohort, tmp_path):
    import pandas as pd

    plain = select_units(cohort(), task(), labelled=False).clinical
    targets = pd.read_csv(tmp_path / "targets.csv").sort_values("cea")
    targets.to_parquet(tmp_path / "targets.parquet")
    (tmp_path / "targets.csv").unlink()
    again = select_units(read_cohort(tmp_path), task(), labelled=False).clinical
    pd.testing.assert_frame_equal(plain, again)


def test_a_bad_value_excludes_its_unit_alone_at_prediction(cohort):
    made = cohort(targets=BASE["targets"].replace("T2", "T4a"))
    table = select_units(made, task(), labelled=False)
    assert "T4a" in table.status.set_index("unit").loc["p1", "reason"]
    assert table.ids == ["p2"]
    unread = select_units(made, task(), labelled=False, clinical_needed=False)
    assert unread.ids == ["p1", "p2"]


def test_the_group_is_a_column_of_the_studies(cohort):
    table = select_units(cohort(), task(group="center"), labelled=False)
    assert [u.group for u in table.units] == ["A", "B"]
    with pytest.raises(InputError, match="column family"):
        select_units(cohort(), task(group="family"), labelled=False)


def test_a_region_without_a_lesion_uid_is_said_to_be_left_out(cohort):
    made = cohort(rois=BASE["rois"] + "s3,z,,primary,o.nii,,pet\n")
    status = select_units(made, task(unit="lesion"), labelled=False).status
    assert "without lesion_uid" in status[status["patient"] == "p3"]["reason"].iloc[0]


def test_a_lesion_has_every_study_of_its_patient(cohort):
    """l5 is seen at baseline alone, l6 at follow-up alone; nothing is delineated is no absence."""
    made = cohort(rois=BASE["rois"] + "s4,b,l6,node,o.nii,,pet\n")
    serial = task(unit="lesion", roles=["node"], timepoints=["baseline", "followup"])
    table = select_units(made, serial, labelled=False)
    seen = {u.id: [(s.study, len(s.regions)) for s in u.series] for u in table.units}
    assert seen == {
        "p1/l3": [("s1", 1)],
        "p3/l5": [("s3", 1), ("s4", 0)],
        "p3/l6": [("s3", 0), ("s4", 1)],
    }


def test_a_study_without_a_region_is_reported_where_its_patient_has_no_unit(cohort):
    status = select_units(cohort(), task(unit="lesion", roles=["node"]), labelled=False).status
    assert status[status["unit"] == ""]["studies"].tolist() == [("s2",)]
    serial = task(unit="lesion", roles=["node"], timepoints=["baseline", "followup"])
    status = select_units(cohort(), serial, labelled=False).status
    assert status[status["unit"] == ""]["studies"].tolist() == [("s2",)]


def test_references_and_regions_of_the_task(cohort):
    made = cohort(
        rois="study,roi,role,region,path,label,grid\ns1,a,region,r0,m.nii,1,pet\n"
        "s1,b,region,r1,m.nii,2,pet\ns1,c,reference,liver,m.nii,3,pet\n"
        "s1,d,reference,blood_pool,m.nii,4,pet\n"
    )
    chosen = task(roles=["region"], regions=["r1"], references=["liver"])
    (unit,) = select_units(made, chosen, labelled=False).units
    (series,) = unit.series
    assert [(r.region, r.label) for r in series.regions] == [("r1", 2)]
    assert [(r.region, r.label) for r in series.references] == [("liver", 3)]


REFUSALS = {
    "label column absent": ({}, {"target": "vegfr2"}, "the target 'vegfr2'"),
    "label not 0 or 1": (
        {"targets": BASE["targets"].replace("p1,1", "p1,2")}, {}, "row 2, column her2.*'2'"),
    "label not a number": (
        {"targets": BASE["targets"].replace("p1,1", "p1,pos")}, {}, "column her2.*a number"),
    "clinical column absent": (
        {}, {"clinical": {"numeric": ["age"]}}, "clinical column 'age'"),
    "text for a number": (
        {"targets": BASE["targets"].replace(",10,", ",high,")}, {}, "row 2, column cea.*'high'"),
    "zero where a log is taken": (
        {"targets": BASE["targets"].replace(",10,", ",0,")}, {}, "row 2, column cea.*above 0"),
    "unknown level": (
        {"targets": BASE["targets"].replace("T2", "T5")}, {}, "row 2, column stage.*'T5'"),
    "no study of the arm": ({}, {"arms": ["fapi"]}, "arm, timepoint"),
    "no usable unit": ({}, {"roles": ["deposit"]}, "at least one usable unit"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(cohort, case):
    tables, changes, message = REFUSALS[case]
    with pytest.raises(InputError, match=message):
        select_units(cohort(**tables), task(**changes), labelled=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "binry"}, "kind: expected one of binary"),
        ({"unit": "organ"}, "unit"),
        ({"arms": "fdg"}, "arms: expected a list"),
        ({"clinical": {"numerics": ["age"]}}, "numerics"),
        ({"clinical": {"numeric": ["a"], "log": ["a"]}}, "twice"),
        ({"clinical": {"numeric": ["her2"]}}, "other than the target"),
        ({"baselines": {"SUVmax": "up"}}, "higher or lower"),
    ],
)
def test_task_is_checked_once_at_the_edge(changes, message):
    with pytest.raises(InputError, match=message):
        task(**changes)
