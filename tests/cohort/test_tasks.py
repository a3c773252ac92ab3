"""The tasks under configs/task read the tables that the simulators draw; no image is made."""

from collections import Counter
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.cli import config_folder
from petnet.cohort import read_cohort
from petnet.measure.layout import table_columns, with_changes
from petnet.simulation.tables import COLUMNS, csv_text
from petnet.units import select_units

PATIENTS = 40
SIMULATION = {
    "her2": "her2",
    "her2_vegfr2": "her2",
    "her2_response": "her2_serial",
    "her2_response_binary": "her2_serial",
    "her2_survival": "her2",
    "nodal": "nodal",
    "peritoneal": "peritoneal",
    "peritoneal_regions": "peritoneal",
    "benign_malignant": "lesions",
}


def composed(verb, *overrides):
    given = "cohort=x" if verb == "train" else "out=x"
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose(verb, overrides=[given, *overrides])


def task_of(name):
    return instantiate(composed("train", f"task={name}").task, _convert_="all")


def drawn_rows(cohort, index):
    """Table rows of one patient; of measured volumes only the number matters here."""
    patient = cohort.draw(index)
    kind = type(cohort).__name__
    if kind == "NodalCohort":
        return cohort.rows(patient, "images", 10.0)
    if kind == "PeritonealCohort":
        return cohort.rows(patient, "images")
    if kind == "LesionCohort":
        return cohort.rows(patient, dict.fromkeys((le.uid for le in patient.lesions), 5.0))
    return cohort.rows(patient, [30.0, 20.0])


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    made = {}
    for name in sorted(set(SIMULATION.values())):
        config = composed("simulate", f"simulation={name}", f"simulation.patients={PATIENTS}")
        simulator = instantiate(config.simulation, _convert_="all")
        parts = [drawn_rows(simulator, i) for i in range(PATIENTS)]
        folder = tmp_path_factory.mktemp(name)
        for table in ("studies", "rois", "targets"):
            rows = [row for part in parts for row in part[table]]
            (folder / f"{table}.csv").write_text(csv_text(rows, COLUMNS.get(table)))
        made[name] = read_cohort(folder)
    return made


@pytest.mark.parametrize("name", SIMULATION)
def test_each_task_reads_its_cohort(cohorts, name):
    """Training reads strictly: a word that is no level, or a column that is absent, is an error."""
    task, cohort = task_of(name), cohorts[SIMULATION[name]]
    table = select_units(cohort, task, labelled=True)
    assert task.name == name
    assert not task.outcome.lacking(table.target)
    assert len(table.units) > 0.85 * (len(cohort.targets) if task.unit == "lesion" else PATIENTS)
    for column in table.clinical:
        assert table.clinical[column].notna().mean() > 0.5, column
        if table.clinical[column].dtype == "category":
            used = set(table.clinical[column].dropna())
            assert used == set(table.clinical[column].cat.categories), column
    roles = Counter(r.role for u in table.units for s in u.series for r in s.regions)
    assert set(roles) == set(task.roles)
    regions = {r.region for u in table.units for s in u.series for r in s.references}
    assert regions == set(task.references)


@pytest.mark.parametrize("name", SIMULATION)
def test_each_single_parameter_is_a_column(name):
    """The last part is the quantity; every other part stands before `measure`."""
    task = task_of(name)
    empty = pd.DataFrame(columns=table_columns(task, []), dtype=float)
    columns = list(with_changes(empty, task))
    assert task.baselines
    for key in task.baselines:
        *wanted, quantity = key.split("__")
        found = []
        for column in columns:
            *prefix, _, last = column.split("__")
            parts = {*prefix, *(p for part in prefix for p in part.split("_"))}
            if (
                last == quantity
                and set(wanted) <= parts
                and ("delta" in wanted) == ("delta" in parts)
            ):
                found.append(column)
        assert found, key


def test_sets_of_columns_of_the_combined_nodal_model(cohorts):
    config = composed("train", "experiment=nodal_combined")
    assert (config.task.name, config.model.name) == ("nodal", "lr_combined")
    assert not config.features.sets
    chosen = OmegaConf.to_container(config.model.include, resolve=True)
    task = task_of("nodal")
    assert [tuple(c) for c in chosen] == [task.columns["metabolic"], task.columns["ct"]]
    columns = [*table_columns(task, []), *task.clinical.columns]
    matched = {
        name: {c for c in columns for p in patterns if fnmatchcase(c, p)}
        for name, patterns in task.columns.items()
    }
    assert matched["metabolic"] == set(table_columns(task, []))
    assert matched["ct"] == {
        "ct_size_mm", "ct_density_hu", "density_type", "spiculation", "pleural_indentation",
    }  # fmt: skip
    assert matched["clinical"] == {"age", "sex", "smoking", "cea"}
    assert not matched["metabolic"] & matched["ct"]


def test_response_as_steps_and_as_yes_or_no_are_one_column(cohorts):
    steps = select_units(cohorts["her2_serial"], task_of("her2_response"), labelled=True)
    either = select_units(cohorts["her2_serial"], task_of("her2_response_binary"), labelled=True)
    assert steps.ids == either.ids
    np.testing.assert_array_equal(either.target, steps.target >= 2)  # PD, SD, PR, CR


def test_single_arms_and_lesions_of_one_patient(cohorts):
    lesions = select_units(cohorts["lesions"], task_of("benign_malignant"), labelled=True)
    assert Counter(u.group for u in lesions.units).most_common(1)[0][1] > 1
    arms = {len(u.series) for u in lesions.units}
    assert arms == {1, 2}
    spread = select_units(cohorts["peritoneal"], task_of("peritoneal_regions"), labelled=True)
    assert {len(u.series) for u in spread.units} == {1, 2}
    assert all(len(s.regions) == 13 for u in spread.units for s in u.series)
    assert np.isnan(spread.target).any()  # surgery did not reach every region
