"""`petnet extract` of cohorts in another kind of SUV than that by body weight."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from dicom_trees import examination, write_study

from petnet.cli import main

BODY_MASS_INDEX = 70 / 1.70**2
LEAN_KG = 9270 * 70 / (6680 + 216 * BODY_MASS_INDEX)  # Janmahasatian, men


def convert(tree, out, suv):
    assert main(["convert", f"input='{tree}'", f"out='{out}'", f"suv={suv}", "workers=1"]) == 0


def extract(cohort, out, *more):
    given = [f"cohort='{cohort}'", f"out='{out}'", f"data.cache='{cohort.parent / 'cache'}'"]
    return main(["extract", *given, "task=null", "rows=lesion", *more])


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """The same two patients in SUVbw and in SUVlbm."""
    folder = tmp_path_factory.mktemp("kinds")
    for number, name in enumerate("AB"):
        visit = examination(name)
        visit = replace(visit, person=replace(visit.person, sex="M"))
        write_study(folder / "tree" / name, visit, seed=number)
    for suv in ("SUVbw", "SUVlbm"):
        convert(folder / "tree", folder / suv, suv)
    return folder


@pytest.mark.parametrize("suv", ["SUVbw", "SUVlbm"])
def test_provenance_says_the_kind_of_suv(suv, cohorts, tmp_path):
    assert extract(cohorts / suv, tmp_path / "x.csv", "features=glcm_only") == 0
    quantities, *sets = json.loads((tmp_path / "x.provenance.json").read_text())
    units = {name: column["unit"] for name, column in quantities["columns"].items()}
    assert units["measure__SUVmax"] == units["measure__SUVmean"] == suv
    assert (units["measure__TLG41"], units["measure__MTV41"]) == (f"{suv}·ml", "ml")
    assert all("SUV" not in c["unit"] for one in sets for c in one["columns"].values())


def test_analytic_ratio_of_lean_to_body_weight(cohorts, tmp_path):
    """Each value of SUVlbm is that of SUVbw times lean mass over weight; volumes are the same."""
    found = {}
    for suv in ("SUVbw", "SUVlbm"):
        assert extract(cohorts / suv, tmp_path / f"{suv}.csv", "features=glcm_only") == 0
        found[suv] = pd.read_csv(tmp_path / f"{suv}.csv")
    ratio = LEAN_KG / 70
    for name in ("SUVmax", "SUVmean", "TLG41"):
        expected = (found["SUVbw"][f"measure__{name}"] * ratio).tolist()
        assert found["SUVlbm"][f"measure__{name}"].tolist() == pytest.approx(expected, rel=1e-5)
    for name in ("MTV41", "volume_ml"):
        column = f"measure__{name}"
        assert found["SUVlbm"][column].tolist() == found["SUVbw"][column].tolist()


def test_maps_say_the_kind_of_suv(cohorts, tmp_path):
    assert extract(cohorts / "SUVlbm", tmp_path / "m.csv", "features=maps") == 0
    described = json.loads((tmp_path / "m.provenance.json").read_text())
    units = {one["unit"] for part in described for one in part["maps"].values()}
    assert "SUVlbm" in units
    assert "SUV" not in units
    for path in (tmp_path / "m").glob("*/maps.json"):
        assert json.loads(path.read_text())["settings"] == described


@pytest.mark.parametrize("features", ["glcm_only", "maps"])
def test_several_kinds_in_one_table_are_refused(features, cohorts, tmp_path, capfd):
    mixed = tmp_path / "mixed"
    convert(cohorts / "tree", mixed, "SUVbw")
    (path,) = mixed.glob("images/P0002/*_pet.json")
    content = json.loads(path.read_text())
    content["suv"]["unit"] = "SUVlbm"
    path.write_text(json.dumps(content))
    assert extract(mixed, tmp_path / "x.csv", f"features={features}") == 2
    said = capfd.readouterr().err
    assert "expected one kind of SUV in all images, but got SUVbw in 1, SUVlbm in 1" in said
    assert not (tmp_path / "x.csv").exists()
