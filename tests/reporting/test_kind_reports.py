"""The report of every kind of task but the binary one, against libraries and plain counting."""

import html
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from kind_runs import OUTCOMES, make_kind_run
from pages_read import Page, cells, drawn_points, numbers_in, row_of, rows_in
from report_runs import gallery_arrays
from sklearn.metrics import confusion_matrix, roc_auc_score
from statsmodels.duration.survfunc import SurvfuncRight

from petnet.errors import InputError
from petnet.reporting.report import write_report

KINDS = list(OUTCOMES)
SECTIONS = {
    "multiclass": ["confusion", "classes", "roc"],
    "ordinal": ["confusion", "classes", "roc", "expected"],
    "multilabel": ["labels"],
    "survival": ["survival"],
}
MEASURE = {
    "multiclass": "M (Hand &amp; Till)",
    "ordinal": "C-index",
    "multilabel": "Macro AUC",
    "survival": "C-index",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("kinds")
    made = {}
    for kind in KINDS:
        first = make_kind_run(root / kind / f"{kind}-lr-aaaaaaaaaa", kind)
        (first / "gallery").mkdir()
        for k in range(0, 60, 3):
            arrays = gallery_arrays(np.random.default_rng(k))
            np.savez(first / "gallery" / f"Q-{k:03d}.npz", **arrays)
        second = make_kind_run(root / kind / f"{kind}-fusion-bbbbbbbbbb", kind, "fusion", seed=3)
        made[kind] = [first, second]
    return made


@pytest.fixture(scope="module")
def texts(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages")
    return {k: write_report(r, out / f"{k}.html").read_text("utf-8") for k, r in runs.items()}


def metrics_of(run):
    models = json.loads((run / "metrics.json").read_text())["models"]
    return {entry["name"]: entry for entry in models}


def units_of(run):
    """Mean prediction, truth and decisions by unit, in plain pandas."""
    table = pd.read_csv(run / "predictions.csv", keep_default_na=False, na_values=[""])
    scores = [c for c in table if c.startswith(("probability", "risk"))]
    truth = [c for c in table if c.startswith(("truth", "time", "event"))]
    return table.groupby("unit").agg(
        dict.fromkeys(scores, "mean") | dict.fromkeys(truth, "first") | {"repeat": "size"}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_sections_and_headlines_are_those_of_the_kind(kind, runs, texts):
    text, page = texts[kind], Page(texts[kind])
    ids = [a.get("id") for tag, a in page.tags if tag == "section"]
    own = SECTIONS[kind]
    assert ids == ["summary", "cohort", "models", *own, "images", "configuration"]
    every = [a["id"] for _, a in page.tags if "id" in a]
    assert len(every) == len(set(every))
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', text):
        assert reference in every
    assert f'<th scope="col" class="n">{MEASURE[kind]}</th>'.lower() in text.lower()
    assert f"{MEASURE[kind]} of lr" in text
    for run, name in zip(runs[kind], ("lr", "fusion"), strict=True):
        entry = metrics_of(run)[name]
        wanted = [entry["headline"][k] for k in ("value", "low", "high")]
        wanted += [entry["conditional"][k] for k in ("low", "high")]
        assert row_of(text, name)[0] == wanted
    assert "training data: lr 0.93, fusion 0.93" in text


@pytest.mark.parametrize("kind", KINDS)
def test_only_binary_words_are_left_out(kind, texts):
    assert 'id="calibration"' not in texts[kind]
    if kind != "multilabel":
        body = texts[kind].split('<section id="summary"')[1].split('<section id="images"')[0]
        body = re.sub("<[^>]+>", " ", re.sub(r'aria-label="[^"]*"', "", body))
        assert "positive" not in body.lower()


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_have_texts_and_nothing_comes_from_outside(kind, texts):
    page = Page(texts[kind])
    drawings = [a for tag, a in page.tags if tag == "svg" and a.get("aria-hidden") != "true"]
    assert len(drawings) > 10
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
    assert "http:" not in texts[kind]
    assert "<adeno>" not in texts[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_same_runs_give_the_same_bytes(kind, runs, texts, tmp_path):
    assert write_report(runs[kind], tmp_path / "o.html").read_text("utf-8") == texts[kind]


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_confusion_is_that_of_sklearn_over_repeats(kind, runs, texts):
    labels = list(OUTCOMES[kind].labels)
    table = pd.read_csv(runs[kind][0] / "predictions.csv", dtype=str)
    expected = confusion_matrix(table["truth"], table["decision"], labels=labels) / 2
    shown = rows_in(texts[kind], "confusion-m0")
    for row, counts, label in zip(shown, expected, labels, strict=True):
        assert label in html.unescape(row[0])
        for cell, count in zip(row[1:-1], counts, strict=True):
            number, share = re.sub("<[^>]+>", " ", cell).split(maxsplit=1)
            assert float(number) == count
            assert share.strip() == f"{100 * count / counts.sum():.0f} %"
        assert re.sub("<[^>]+>", "", row[-1]) == f"{counts.sum():.0f}"
    marked = [[" right" in cell for cell in row[1:-1]] for row in shown]
    assert marked == np.eye(len(labels), dtype=bool).tolist()


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_figures_of_classes_are_those_of_metrics_json(kind, runs, texts):
    entry = metrics_of(runs[kind][0])["lr"]
    names = ["accuracy", "balanced_accuracy", "kappa_quadratic", "brier", "log_loss"]
    row = rows_in(texts[kind], "class-figures")[0]
    shown = [numbers_in(cell)[0] for cell in row[1:]]
    known = [entry.get(name) for name in names]
    values = [v["value"] if isinstance(v, dict) else v for v in known if v is not None]
    assert shown == values
    assert ("kappa" in texts[kind]) == (kind == "ordinal")
    rows = rows_in(texts[kind], "class-table")[: len(entry["per_class"])]
    for cell, wanted in zip(rows, entry["per_class"], strict=True):
        assert wanted["label"] in html.unescape(cell[1])
        assert numbers_in(cell[3]) == [wanted["auc"]["value"]]


def test_curves_of_classes_have_the_area_of_sklearn(runs, texts):
    for kind in ("multiclass", "ordinal"):
        units, labels = units_of(runs[kind][0]), list(OUTCOMES[kind].labels)
        p = units[[f"probability_{label}" for label in labels]].to_numpy()
        code = np.array([labels.index(t) for t in units["truth"]])
        cuts = range(len(labels)) if kind == "multiclass" else range(len(labels) - 1)
        for k in cuts:
            truth, score = code == k, p[:, k]
            if kind == "ordinal":
                truth, score = code > k, p[:, k + 1 :].sum(axis=1)
            x, y = drawn_points(texts[kind], f"roc-m0-{k}")
            assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(truth, score), abs=1e-5)
    assert texts["ordinal"].count("Above ") >= 3
    assert "Squamous against the rest" in texts["multiclass"]


def test_questions_of_one_model_stand_side_by_side(runs, tmp_path):
    text = write_report(runs["ordinal"][:1], tmp_path / "o.html").read_text()
    section = text.split('<section id="roc"')[1].split("</section>")[0]
    assert "<h3>" not in section
    assert section.count('<div class="panels">') == 1
    assert re.findall(r"above \w+(?=</b>)", section) == ["above PD", "above SD", "above PR"]


def test_medians_of_the_expected_class_are_those_of_the_predictions(runs, texts):
    units, labels = units_of(runs["ordinal"][0]), list(OUTCOMES["ordinal"].labels)
    expected = sum(k * units[f"probability_{label}"] for k, label in enumerate(labels))
    (alt,) = re.findall(r'aria-label="Expected class of lr ([^"]+)"', texts["ordinal"])
    for label in labels:
        part = expected[units["truth"] == label]
        assert f"{label} {part.median():.2f} of {len(part)}" in alt


def test_labels_are_those_of_metrics_json(runs, texts):
    shown = rows_in(texts["multilabel"], "label-table")
    wanted = [
        metrics_of(run)[name]["per_label"][k]
        for k in range(3)
        for run, name in zip(runs["multilabel"], ("lr", "fusion"), strict=True)
    ]
    for row, label in zip(shown, wanted, strict=True):
        own = [re.sub("<[^>]+>", "", cell) for cell in row[-7:]]
        assert own[1:3] == [str(label["n"]), str(label["positive"])]
        estimate = label["headline"]
        assert numbers_in(row[-4]) == [estimate["value"]]
        assert numbers_in(row[-3]) == [estimate["low"], estimate["high"]]
        assert numbers_in(row[-2]) == [label["brier"]]
    table = pd.read_csv(runs["multilabel"][0] / "units.csv")
    assert wanted[0]["n"] == table["truth_r0"].notna().sum() < len(table)


def test_survival_curves_are_those_of_statsmodels(runs, texts):
    table = pd.read_csv(runs["survival"][0] / "predictions.csv")
    share = table.groupby("unit")["decision"].mean()
    first = table.groupby("unit").first()
    for group, rows in enumerate((first[share < 0.5], first[share >= 0.5])):
        expected = SurvfuncRight(rows["time"], rows["event"].astype(int))
        x, y = drawn_points(texts["survival"], "survival-m0", f"curve{group}")
        latest = first["time"].max() * 1.02
        time, survival = x * latest, y * 1.02
        for at, value in zip(expected.surv_times, expected.surv_prob, strict=True):
            after = survival[np.abs(time - at) < 1e-3].min()
            assert after == pytest.approx(value, abs=1e-4)
        assert np.ptp(time) == pytest.approx(rows["time"].max(), abs=1e-3)


def test_numbers_at_risk_are_counted(runs, texts):
    table = pd.read_csv(runs["survival"][0] / "predictions.csv")
    high = table.groupby("unit")["decision"].mean() >= 0.5
    time = table.groupby("unit")["time"].first()
    chart = re.search(r'<svg[^>]*aria-label="Kaplan-Meier curves of lr.*?</svg>',
                      texts["survival"], re.S).group(0)  # fmt: skip
    words = re.findall(r"<text[^>]*>([^<]*)</text>", chart)
    ticks = [float(w) for w in words[: words.index("os_months")]]
    after = words[words.index("at risk") + 1 :]
    n = len(ticks)
    for k, part in enumerate((~high, high)):
        row = after[k * (n + 1) : (k + 1) * (n + 1)]
        assert row[0] == ("low risk", "high risk")[k]
        assert [int(w) for w in row[1:]] == [int((time[part] >= t).sum()) for t in ticks]


def test_risk_groups_are_those_of_metrics_json(runs, texts):
    entry = metrics_of(runs["survival"][0])["lr"]
    groups = entry["risk_groups"]
    shown = cells(texts["survival"], "risk-groups")[:2]
    assert [row[1:4] for row in shown] == [
        [g["name"], str(g["n"]), str(g["events"])] for g in groups["groups"]
    ]
    row = rows_in(texts["survival"], "survival-figures")[0]
    ratio = groups["hazard_ratio"]
    assert numbers_in(row[1]) == [ratio[k] for k in ("value", "low", "high")]
    assert numbers_in(row[2]) == [groups["logrank_p"]]
    assert numbers_in(row[4]) == [entry["median_follow_up"]]
    assert groups["rule"] in html.unescape(texts["survival"])


def test_units_shown_are_the_ends_of_the_ranking(runs, texts):
    units = units_of(runs["survival"][0])
    risk = units["risk"][[u for u in units.index if int(u[2:]) % 3 == 0]]
    case = r'<article class="case"><header><h3>(.*?)</h3>.*?<span class="why">(.*?)</span>'
    shown = re.findall(case, texts["survival"], re.S)
    order = risk.sort_values(ascending=False).index.tolist()
    assert shown == [(u, "highest risk") for u in order[:4]] + [
        (u, "lowest risk") for u in order[::-1][:4]
    ]
    units, labels = units_of(runs["ordinal"][0]), list(OUTCOMES["ordinal"].labels)
    expected = sum(k * units[f"probability_{label}"] for k, label in enumerate(labels))
    error = (expected - units["truth"].map(labels.index)).abs()
    error = error[[u for u in units.index if int(u[2:]) % 3 == 0]]
    shown = [u for u, why in re.findall(case, texts["ordinal"], re.S) if why.startswith("furthest")]
    assert shown == error[error > 0.5].sort_values(ascending=False).index[:4].tolist()


@pytest.fixture
def run(request, runs, tmp_path):
    source = runs[request.param][0]
    folder = shutil.copytree(source, tmp_path / source.name)
    shutil.rmtree(folder / "gallery")
    return folder


def emptied(value):
    """The same figures, all null."""
    if isinstance(value, dict):
        kept = ("name", "measure", "label", "labels", "rule", "method")
        return {k: v if k in kept else emptied(v) for k, v in value.items()}
    if isinstance(value, list):
        return [emptied(v) for v in value]
    return None


@pytest.mark.parametrize("run", KINDS, indirect=True)
@pytest.mark.parametrize("null", ["numbers", "parts"])
def test_null_figures_are_dashes(run, null, tmp_path):
    path = run / "metrics.json"
    entries = json.loads(path.read_text())["models"]
    common = ("name", "measure")
    if null == "numbers":
        entries = [emptied(entry) for entry in entries]
    else:
        entries = [{k: v if k in common else None for k, v in e.items()} for e in entries]
    path.write_text(json.dumps({"models": entries}))
    text = write_report([run], tmp_path / "o.html").read_text()
    Page(text)
    assert "could not be computed" in text
    assert "NaN" not in text
    assert not re.search(r"(?<![\w-])nan(?![\w-])", re.sub("<[^>]+>", " ", text))


@pytest.mark.parametrize("run", KINDS, indirect=True)
def test_without_any_answer_the_page_is_whole(run, tmp_path):
    for name in ("predictions.csv", "units.csv", "baselines.csv"):
        table = pd.read_csv(run / name, dtype=str)
        for column in table.columns:
            if column.startswith("truth") or column in ("time", "event"):
                table[column] = ""
        table.to_csv(run / name, index=False)
    text = write_report([run], tmp_path / "o.html").read_text()
    Page(text)
    assert "unknown for 60" in text


@pytest.mark.parametrize("run", ["multiclass", "ordinal"], indirect=True)
def test_a_class_without_units_is_said(run, tmp_path):
    table = pd.read_csv(run / "predictions.csv", dtype=str)
    last = list(OUTCOMES[run.name.split("-")[0]].labels)[-1]
    gone = set(table.loc[table["truth"] == last, "unit"])
    for name in ("predictions.csv", "units.csv", "splits.csv", "baselines.csv"):
        table = pd.read_csv(run / name, dtype=str)
        table[~table["unit"].isin(gone)].to_csv(run / name, index=False)
    text = write_report([run], tmp_path / "o.html").read_text()
    Page(text)
    assert "only one class is known" in text
    assert "With 0 patients in the smallest class" in text


@pytest.mark.parametrize("run", ["survival"], indirect=True)
def test_one_risk_group_has_one_curve(run, tmp_path):
    table = pd.read_csv(run / "predictions.csv")
    table.assign(decision=1).to_csv(run / "predictions.csv", index=False)
    text = write_report([run], tmp_path / "o.html").read_text()
    assert 'id="survival-m0-curve0"' in text
    assert 'id="survival-m0-curve1"' not in text


@pytest.mark.parametrize(
    ("run", "name", "old", "new", "said"),
    [
        ("ordinal", "predictions.csv", ",SD", ",XX", "one of .*PD"),
        ("ordinal", "metrics.json", '"PD", "SD",', '"PD",', "3 rows and columns"),
        ("survival", "units.csv", "center,time", "center,months", "no time"),
        ("survival", "predictions.csv", "risk", "hazard", "no risk"),
        ("multilabel", "predictions.csv", "decision_r1", "decided_r1", "no decision_r1"),
        ("multilabel", "baselines.csv", ",r2", ",r9", "one of .*r0"),
        ("multiclass", "provenance.json", 'd": "multiclass"', 'd": "fuzzy"', "one of binary"),
        ("multiclass", "metrics.json", '"headline"', '"auc"', "headline: expected"),
    ],
    indirect=["run"],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said(run, name, old, new, said, tmp_path):
    path = run / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=said) as error:
        write_report([run], tmp_path / "o.html")
    assert name in str(error.value)


def test_lesions_are_called_lesions(tmp_path):
    run = make_kind_run(tmp_path / "ordinal-lr-cccccccccc", "ordinal", unit="lesion")
    text = write_report([run], tmp_path / "o.html").read_text()
    assert "60 lesions with a known answer" in text
    assert "15 lesions in the smallest class" in text
    assert "had not seen the patient" in text


def test_two_regions_of_a_patient_are_regions(tmp_path):
    run = make_kind_run(tmp_path / "survival-lr-dddddddddd", "survival", unit="region")
    text = write_report([run], tmp_path / "o.html").read_text()
    assert "60 regions with known follow-up" in text
