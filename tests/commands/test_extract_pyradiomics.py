"""A parameter file of PyRadiomics through the command line: for extract, train and predict."""

import json

import pandas as pd
import pytest

from petnet.cli import main

PARAMETERS = """
imageType:
  Original: {}
  LoG:
    sigma: [3.0]
featureClass:
  firstorder: [Mean, Kurtosis]
  glcm: [Contrast]
setting:
  binWidth: 0.25
  additionalInfo: false
"""
COLUMNS = [
    f"{image}_{name}"
    for image in ("original", "log-sigma-3-0-mm-3D")
    for name in ("firstorder_Kurtosis", "firstorder_Mean", "glcm_Contrast")
]


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMETERS, encoding="utf-8")
    return path, ["features=pyradiomics", f"features.parameters='{path}'", "features.modality=PT"]


def test_extract_has_the_columns_and_definitions(work, cohort, asked, tmp_path):
    out = tmp_path / "table.csv"
    given = [f"cohort='{cohort}'", f"out='{out}'", f"data.cache='{work / 'cache'}'", *asked[1]]
    assert main(["extract", *given]) == 0
    table = pd.read_csv(out)
    found = [name.split("__")[-1] for name in table if "measure__" not in name and "__" in name]
    assert sorted(found) == sorted(COLUMNS)
    described = json.loads(out.with_suffix(".provenance.json").read_text())
    assert "firstorder_Kurtosis" in json.dumps(described)


def test_a_run_holds_what_the_file_said(work, cohort, train, asked, tmp_path):
    path, features = asked
    runs = tmp_path / "runs"
    assert train("model=lr", *features, f"out='{runs}'") == 0
    path.unlink()  # predict asks the run alone
    (run,) = runs.glob("her2-lr-*")
    out = tmp_path / "new.csv"
    given = [f"run='{run}'", f"cohort='{cohort}'", f"out='{out}'", f"data.cache='{work / 'cache'}'"]
    assert main(["predict", *given]) == 0
    assert len(pd.read_csv(out)) > 0


def test_a_file_that_cannot_be_followed_is_a_mistake(cohort, asked, tmp_path, capsys):
    path, features = asked
    path.write_text(PARAMETERS.replace("LoG:", "LBP2D:").replace("sigma: [3.0]", "radius: 1"))
    assert main(["extract", f"cohort='{cohort}'", f"out='{tmp_path / 't.csv'}'", *features]) == 2
    said = capsys.readouterr().err
    assert "params.yaml" in said
    assert "LBP2D" in said
    path.unlink()
    assert main(["extract", f"cohort='{cohort}'", f"out='{tmp_path / 't.csv'}'", *features]) == 2
    assert "params.yaml" in capsys.readouterr().err
