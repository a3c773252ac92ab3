import csv
import html
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pages_read import Page, cells, drawn_points, numbers_in, row_of, rows_in
from report_runs import (
    NASTY,
    make_run,
    one_division,
    summed_up,
    two_lesions_each,
    write_features,
)
from sklearn.metrics import roc_auc_score

from petnet.errors import InputError
from petnet.reporting.comparison import entries_of
from petnet.reporting.report import write_report
from petnet.reporting.run_files import read_run
from petnet.reporting.summary import against, verdict
from petnet.reporting.wording import Words

SECTIONS = (
    "summary", "cohort", "models", "roc", "calibration", "decision", "distribution", "images",
    "configuration",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    first = make_run(root / "her2-lr-aaaaaaaaaa")
    write_features(first)
    second = make_run(root / "her2-fusion-bbbbbbbbbb", "fusion", seed=2, strength=1.6)
    shutil.rmtree(second / "gallery")
    return first, second


@pytest.fixture(scope="module")
def text(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "deep" / "report.html"
    assert write_report(runs, out) == out
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture
def run(runs, tmp_path):
    return shutil.copytree(runs[0], tmp_path / runs[0].name)


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def out_of_fold(run):
    """Truth and mean score of every unit, by name of the model: read here without petnet."""
    found = {}
    for name, column in (("predictions", "probability"), ("baselines", "score")):
        for row in rows_of(run / f"{name}.csv"):
            sign = -1 if row.get("direction") == "lower" else 1
            scores = found.setdefault(row["model"], {}).setdefault(row["unit"], [])
            scores.append((int(row["truth"]), sign * float(row[column])))
    return {
        model: np.array([np.mean(rows, axis=0) for rows in units.values()]).T
        for model, units in found.items()
    }


def test_every_section_is_there_and_is_linked(page):
    ids = {a.get("id") for tag, a in page.tags if tag == "section"}
    assert ids == set(SECTIONS)
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    assert {f"#{name}" for name in SECTIONS} <= links


def test_ids_are_unique_and_references_resolve(page, text):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', text):
        assert reference in ids


def test_numbers_are_those_of_metrics_json(runs, text):
    for run, names in ((runs[0], ("lr", "SUVmax", "MTV41", "TLG41")), (runs[1], ("fusion",))):
        entries = {e["name"]: e for e in json.loads((run / "metrics.json").read_text())["models"]}
        for name in names:
            auc, conditional = entries[name]["headline"], entries[name]["conditional"]
            numbers, row = row_of(text, name)
            wanted = [auc[k] for k in ("value", "low", "high")]
            assert numbers == [*wanted, conditional["low"], conditional["high"]]
            assert f">{auc['value']:.2f}</data>" in row
            assert f'<td class="n">{entries[name]["n"]}</td>' in row
            repeats = [f'<data value="{a!r}">' for a in entries[name]["per_repeat"]]
            assert all(r in text for r in repeats)
    assert '<data value="0.2345">0.234</data>' in text  # Brier
    assert '<data value="-0.123">−0.12</data>' in text  # in the large
    assert "0.6789" not in text  # the intercept fitted with the slope is not at its best at 0
    assert "slope held at 1; 0 is ideal" in text
    assert "at 1, Wald" in text


def test_paired_comparisons_are_those_of_metrics_json(text):
    rows = [row for row in cells(text, "versus") if row[0].strip() == "fusion"]
    assert [row[1:] for row in rows] == [
        ["SUVmax", "47", "0.08", "−0.03 to 0.20", "0.165"],
        ["MTV41", "48", "0.31", "0.20 to 0.40", "&lt;0.001"],
        ["TLG41", "48", "0.50", "–", "–"],
    ]
    assert '<data value="0.1645">' in text
    assert "p unadjusted" in text
    assert "the paired comparison below" in text or "add nothing" in text


def test_pooled_figures_are_named_so(run, text, tmp_path):
    roc = text.split('<section id="roc"')[1].split("</section>")[0]
    assert roc.count("pooled over folds; biased low</span>") == 2  # models, not parameters
    models = text.split('<section id="models"')[1].split("</section>")[0]
    assert models.count("pooled over folds; biased low") == 2  # interval, paired comparison
    assert "a label" in models
    made = write_report([summed_up(run)], tmp_path / "o.html").read_text()
    assert "pooled over folds; biased low; conditional on the fitted models" in made
    assert "mean over 3 repeats of value and standard error" in made
    assert "averaged over 3 repeats" in made
    assert "computed in each repeat and averaged" in made


REFITTED = "with the model fitted anew, could have given at the stated level"


def test_a_report_of_one_division_claims_no_cross_validation(run, tmp_path):
    text = write_report([one_division(run)], tmp_path / "o.html").read_text()
    Page(text)
    assert "one fixed division, 12 test patients" in text
    assert "takes the fitted model as given" in text
    assert REFITTED not in text
    for absent in (
        "-fold cross-validation", "Cross-validation speaks", "averaged over", "pooled over folds",
        "Conditional interval", "AUC of each repeat", "each repeat", 'class="conditional"',
    ):  # fmt: skip
        assert absent not in text
    (entry, *_) = json.loads((run / "metrics.json").read_text())["models"]
    numbers, row = row_of(text, "lr")
    assert numbers == [entry["headline"][k] for k in ("value", "low", "high")]
    assert '<td class="n">12</td>' in row
    assert "test patients in the smaller class" in text
    assert "DeLong, logit; conditional on the fitted models" in text


def test_a_report_of_folds_says_what_its_intervals_cover(text):
    assert REFITTED in text
    assert "4-fold cross-validation, repeated 3 times" in text
    assert "takes the fitted model as given" not in text


def test_an_interval_of_unnamed_method_is_not_explained(run, tmp_path):
    path = run / "metrics.json"
    metrics = json.loads(path.read_text())
    for entry in metrics["models"]:
        entry["headline"]["method"] = ""
    path.write_text(json.dumps(metrics))
    text = write_report([run], tmp_path / "o.html").read_text()
    assert "does not say how the interval" in text
    assert REFITTED not in text


def test_a_report_of_lesions_keeps_patients_whole(run, tmp_path):
    text = write_report([two_lesions_each(run)], tmp_path / "o.html").read_text()
    Page(text)
    assert "bootstrap of patients, logit; conditional on the fitted models" in text
    assert "DeLong, logit" not in text
    assert "Units treated as independent" in text
    assert "Wald; mean over 3 repeats of value and standard error" in text
    assert "units treated as independent." in text
    assert 'id="versus"' not in text
    assert "DeLong&#39;s paired test would take as independent" in text


def edited(run, *aucs):
    """The entries of a run whose AUCs (value, low, high) are replaced."""
    path = run / "metrics.json"
    metrics = json.loads(path.read_text())
    for entry, (value, low, high) in zip(metrics["models"], aucs, strict=False):
        entry["headline"].update(value=value, low=low, high=high)
    path.write_text(json.dumps(metrics))
    return entries_of([read_run(run)])


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        ((0.6, 0.4, 0.8), "0.60 (95 % interval 0.40 to 0.80). The interval includes 0.5"),
        ((0.6, 0.5, 0.8), "0.60 (95 % interval 0.50 to 0.80). The interval includes 0.5"),
        ((0.7, 0.6, 0.8), "0.70 (95 % interval 0.60 to 0.80). The interval lies above 0.5"),
        ((0.3, 0.2, 0.4), "0.30 (95 % interval 0.20 to 0.40). The interval lies below 0.5"),
        ((0.7, None, None), "0.70; no interval could be computed"),
    ],
)
def test_the_verdict_follows_the_interval(run, auc, said):
    assert said in verdict(edited(run, auc)[0], Words())


@pytest.mark.parametrize(
    ("model", "said"), [(0.7, "less than any"), (0.6, "add nothing"), (0.5, "add nothing")]
)
def test_the_best_single_parameter_is_named(run, model, said):
    values = (model, 0.6, 0.4, 0.3)
    (sentence,) = against(edited(run, *((v, 0.1, 0.9) for v in values)), Words())
    assert "SUVmax" in sentence
    assert "0.60" in sentence
    assert said in sentence


def test_decisions_are_those_of_metrics_json(runs, text):
    (entry, *_) = json.loads((runs[0] / "metrics.json").read_text())["models"]
    (row, _) = rows_in(text, "decision-figures")
    wanted = [entry["decision"][k] for k in ("sensitivity", "specificity", "ppv", "accuracy")]
    for cell, estimate in zip(row[1:], wanted, strict=True):
        known = [estimate[k] for k in ("value", "low", "high") if estimate[k] is not None]
        assert numbers_in(cell) == known
    section = text.split('<section id="decision"')[1].split("</section>")[0]
    assert "NPV" not in section
    assert "Rule: positive above the training share" in text


def test_area_of_the_drawn_roc_is_the_auc_of_sklearn(runs, text):
    scores = out_of_fold(runs[0]) | {"fusion": out_of_fold(runs[1])["fusion"]}
    for key, name in (("m0", "lr"), ("m1", "fusion"), ("b0", "SUVmax"), ("b2", "TLG41")):
        x, y = drawn_points(text, f"roc-{key}")
        area = np.trapezoid(y, x)
        expected = roc_auc_score(*scores[name])
        assert area == pytest.approx(expected, abs=1e-5)
        assert f"area of this curve {expected:.2f}" in text


def test_counts_of_the_cohort_add_up(runs, text):
    units = rows_of(runs[0] / "units.csv")
    rows = {r[0]: r[1:] for r in cells(text, "characteristics")}
    for sex in "FM":
        counts = [int(c.split()[0]) for c in rows[sex][:4]]
        assert counts[0] == sum(counts[1:]) == sum(u["sex"] == sex for u in units)
    assert rows["cea"][-1].split()[0] == str(sum(u["cea"] == "" for u in units))
    ages = [float(u["age"]) for u in units if u["truth"] == "1"]
    assert rows["age"][1].split()[0] == f"{np.median(ages):.3g}"
    centres = np.array([[int(c) for c in r[1:]] for r in cells(text, "centres")])
    assert centres.sum(axis=0).tolist() == [49, 16, 32, 1]
    flow = np.array([[int(c) for c in r[1:]] for r in cells(text, "flow")])
    assert flow.sum() == len(rows_of(runs[0] / "status.csv"))
    reasons = cells(text, "reasons")
    assert sum(int(r[-1]) for r in reasons) == flow[:, 1:].sum() == 2
    assert "PET and CT do not overlap" in [r[0] for r in reasons]


def test_features_are_summed_up_without_a_line_per_column(text):
    assert cells(text, "features") == [
        ["basic", "original", "3"], ["basic", "wavelet", "3"], ["measure", "", "1"],
    ]  # fmt: skip
    assert "7 features of 48 patients" in text
    assert "&#34;bins&#34;: 32" in text
    assert "LFYI" not in text


def test_features_of_many_parts_are_counted_once_per_set(run, tmp_path):
    import pandas as pd

    names = [f"{arm}__r{k}__basic__original_glcm_f{i}_3d" for arm in ("fdg", "fapi")
             for k in range(13) for i in range(2)]  # fmt: skip
    names += [f"delta__fdg__r{k}__measure__short_axis_mm" for k in range(13)]
    pd.DataFrame(0.0, index=["a"], columns=names).to_parquet(run / "features.parquet")
    text = write_report([run], tmp_path / "o.html").read_text()
    assert cells(text, "features") == [
        ["basic", "original", "26", "52"], ["measure", "", "13", "13"],
    ]  # fmt: skip


def test_text_from_files_is_escaped(page, text):
    assert NASTY not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert "a note &amp; more" in text


def test_hostile_names_are_text_everywhere(run, tmp_path):
    hostile = '"><img src=x onerror=alert(1)>$x'
    for name in ("predictions.csv", "units.csv"):
        path = run / name
        quoted = hostile.replace('"', '""')
        text = path.read_text().replace(",lr,", f',"{quoted}",')
        path.write_text(text.replace(",age,", f",{hostile[2:]},"))
    for name in ("provenance.json", "metrics.json"):
        path = run / name
        path.write_text(path.read_text().replace('"lr"', json.dumps(hostile)))
    page = Page(write_report([run], tmp_path / "o.html").read_text())
    assert not [tag for tag, _ in page.tags if tag in ("img", "script")]
    assert not [a for _, a in page.tags if "onerror" in a]


def test_nothing_is_loaded_from_outside(page, text):
    for _, attributes in page.tags:
        for key in {"src", "href", "xlink:href", "srcset", "action", "data"} & attributes.keys():
            assert attributes[key].startswith(("#", "data:"))
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_picture_and_chart_has_a_text(page):
    drawings = [a for tag, a in page.tags if tag == "svg" and a.get("aria-hidden") != "true"]
    assert len(drawings) > 60
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_patients_shown_are_the_most_wrong_highest_and_lowest(runs, text):
    case = r'<article class="case"><header><h3>(.*?)</h3>.*?<span class="why">(.*?)</span>'
    shown = re.findall(case, text, re.S)
    shown = [(html.unescape(name), why) for name, why in shown]
    means = {}
    for row in rows_of(runs[0] / "predictions.csv"):
        means.setdefault(row["unit"], []).append(float(row["probability"]))
    assert len(shown) == len({name for name, _ in shown}) == 12
    high = [np.mean(means[u]) for u, why in shown if why.startswith("highest")]
    low = [np.mean(means[u]) for u, why in shown if why.startswith("lowest")]
    assert len(high) == len(low) == 4
    assert min(high) > max(low)
    assert high == sorted(high, reverse=True)
    assert low == sorted(low)


def test_same_inputs_give_the_same_bytes_in_another_process(runs, text, tmp_path):
    code = (
        "import sys; from pathlib import Path; from petnet.reporting.report import write_report;"
        "write_report([Path(p) for p in sys.argv[2:]], Path(sys.argv[1]))"
    )
    out = tmp_path / "again.html"
    command = [sys.executable, "-c", code, str(out), *map(str, runs)]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "5", "PATH": ""})
    assert out.read_text(encoding="utf-8") == text


def test_runs_on_other_splits_are_refused_naming_both(runs, tmp_path):
    other = make_run(tmp_path / "her2-cnn-cccccccccc", "cnn", split_seed=1, gallery=False)
    with pytest.raises(InputError, match="splits_hash") as error:
        write_report([runs[0], other], tmp_path / "o.html")
    assert runs[0].name in str(error.value)
    assert other.name in str(error.value)
    assert not (tmp_path / "o.html").exists()


def test_runs_of_another_task_are_refused(runs, run, tmp_path):
    path = run / "provenance.json"
    path.write_text(path.read_text().replace('"her2_positive"', '"vegfr2"'))
    with pytest.raises(InputError, match=r"task: expected her2 .*another her2"):
        write_report([runs[0], run], tmp_path / "o.html")


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "provenance.json", "splits.csv", "units.csv", "status.csv", "predictions.csv",
     "baselines.csv", "metrics.json"],
)  # fmt: skip
def test_a_missing_file_is_named(run, tmp_path, name):
    (run / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        write_report([run], tmp_path / "o.html")


def test_what_is_optional_may_be_absent(run, tmp_path):
    shutil.rmtree(run / "gallery")
    (run / "features.parquet").unlink()
    (run / "baselines.csv").write_text(
        "unit,patient,model,repeat,fold,score,truth,direction\n"
    )  # fmt: skip
    text = write_report([run], tmp_path / "o.html").read_text()
    Page(text)
    assert "no gallery folder" in text
    assert "no features.parquet" in text
    assert "Single parameters, no model" not in text


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("predictions.csv", "P-003,P-003,lr,0", "P-777,P-777,lr,0", "held-out rows of splits.csv"),
        ("units.csv", "unit,patient,center", "unit,patient,centre", "columns: .*no center"),
        ("baselines.csv", "higher", "sideways", "direction of SUVmax"),
        ("metrics.json", '"lr"', '"svm"', "an entry named 'lr'"),
        ("metrics.json", '"models"', "models", "expected JSON"),
        ("metrics.json", '"difference"', '"other"', r"versus\[0\]: expected an object with name"),
        ("provenance.json", '"splits_hash"', '"splits"', "splits_hash: expected an entry"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(run, tmp_path, name, old, new, said):
    path = run / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=said) as error:
        write_report([run], tmp_path / "o.html")
    assert name in str(error.value)


def test_warnings_stand_on_the_page(runs, run, tmp_path):
    path = run / "provenance.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"permute": 3, "data_fingerprint": "other"}))
    lines = (run / "predictions.csv").read_text().splitlines(keepends=True)
    (run / "predictions.csv").write_text("".join(lines[:-2]))
    text = write_report([runs[1], run], tmp_path / "o.html").read_text()
    assert "trained on permuted labels (3)" in text
    assert "lr: 2 of 144 held-out rows have no prediction" in text
    assert "fingerprints are not the same" in text


def test_two_runs_of_one_model_are_told_apart(runs, run, tmp_path):
    twin = run.rename(tmp_path / "her2-lr-dddddddddd")
    text = write_report([runs[0], twin], tmp_path / "o.html").read_text()
    assert 'data-model="lr (aaaaaaaaaa)"' in text
    assert 'data-model="lr (dddddddddd)"' in text


def test_no_run_and_no_such_language_are_refused(run, tmp_path):
    with pytest.raises(InputError, match="at least one run folder"):
        write_report([], tmp_path / "o.html")
    with pytest.raises(InputError, match="language"):
        write_report([run], tmp_path / "o.html", language="tlh")
