"""Other libraries beside petnet: whose feature is whose, what differs, and who is faster."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
LIBRARIES = ("MIRP", "PICTOLOGICS")


@pytest.fixture(scope="module", autouse=True)
def _scripts_on_path():
    for folder in (SCRIPTS / "peers", SCRIPTS):
        sys.path.insert(0, str(folder))
    yield
    for folder in (SCRIPTS / "peers", SCRIPTS):
        sys.path.remove(str(folder))


@pytest.fixture
def runs():
    import peer_runs

    return peer_runs


@pytest.fixture
def table():
    import peer_differences

    return peer_differences


@pytest.fixture
def ball(tmp_path):
    """A small case whose features are known in closed form: two intensities in a block."""
    from bench_cases import Case

    from petnet.volume import Volume, write_volume

    values = np.zeros((8, 7, 6), dtype=np.float32)
    values[2:6, 2:5, 2:4] = 1.0
    values[4:6, 2:5, 2:4] = 3.0
    mask = (values > 0).astype(np.uint8)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image, region = tmp_path / "image.nii", tmp_path / "mask.nii"
    write_volume(image, Volume(values, affine, "SUVbw", "PT"))
    write_volume(region, Volume(mask, affine, "label", "MASK"), np.uint8)
    return Case("block", image, region, 24)


def feature(name, code, family, value=1.0, aggregation=None):
    return {
        "name": name,
        "code": code,
        "family": family,
        "aggregation": aggregation,
        "value": value,
    }


# --- what is asked, and what is kept


def test_answers_are_kept_for_the_version_that_gave_them(monkeypatch, tmp_path):
    import peers

    asked = []

    class Fake:
        name, version = "mirp", "1"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def ask(self, do, **_):
            asked.append(do)
            if do == "about":
                return {"name": "MIRP", "version": Fake.version}
            value = float(Fake.version)
            return {"features": [[feature("a", "RNU0", "morph", value)]], "seconds": 1.0}

    monkeypatch.setattr(peers, "start", lambda *_: Fake())
    study = tmp_path / "STS_001"
    for Fake.version, expected in (("1", 4), ("1", 0), ("2", 4)):
        asked.clear()
        answers = peers._answers("mirp", "python", [study], tmp_path / "answers", {})
        assert len(asked) == 1 + expected  # two settings, each opened and run
        for found in answers.values():
            assert list(found["STS_001"].values()) == [float(Fake.version)]


# --- whose feature is whose


def test_features_are_matched_by_code(runs):
    own = [
        feature("morph_volume", "RNU0", "morph", 3.0),
        feature("cm_sum_entr_d1_3d_avg_fbn_n64", "P6QZ1", "glcm", 2.0, "3D_avg"),
        feature("ivh_v10", "NK6P", "ivh", None),
        feature("morph_max_2d_diam_z", "", "morph"),
    ]
    found = runs.keyed("mirp", own)
    assert found["morph", "volume_mesh", None] == 3.0
    assert found["glcm", "sum_entropy", "3D_avg"] == 2.0
    assert np.isnan(found["ivh", "volume_at_intensity_fraction_10", None])
    assert len(found) == 3


def test_a_code_that_is_another_features_is_not_believed(runs):
    """GPMT is the 10th percentile's code; Pictologics gives it to the 90th."""
    own = [
        feature("10th_discretised_intensity_percentile_1PR", "1PR", "ih", 10.0),
        feature("90th_discretised_intensity_percentile_GPMT", "GPMT", "ih", 90.0),
        feature("small_zone_emphasis_P001", "P001", "glszm", 5.0, "3D"),
    ]
    assert runs.keyed("pictologics", own) == {
        ("ih", "10th_discretised_intensity_percentile", None): 10.0,
        ("ih", "90th_discretised_intensity_percentile", None): 90.0,
        ("glszm", "small_zone_emphasis", "3D"): 5.0,
    }


@pytest.mark.parametrize(
    "own",
    [
        [feature("a", "RNU0", "morph"), feature("b", "RNU0", "morph")],
        [feature("a", "RNU0", "glcm")],
        [feature("volume_at_intensity_fraction_0.50", "BC2M", "ivh")],
    ],
    ids=["twice", "another family", "code of two features"],
)
def test_doubtful_matches_are_refused(runs, own):
    with pytest.raises(RuntimeError):
        runs.keyed("pictologics", own)


def test_what_pyradiomics_shares_is_in_the_catalogue():
    from pyradiomics_runner import CLASSES, SAME

    from petnet.radiomics.catalogue import CATALOGUE

    family_of = {one.code: one.family for one in CATALOGUE}
    for name, (code, aggregation) in SAME.items():
        assert CLASSES[family_of[code]] == name.split("_")[0]
        assert (aggregation is None) == (family_of[code] in ("stat", "morph"))


def test_relative_difference(runs):
    nan = float("nan")
    assert runs.relative_difference(2.0, 1.0) == 0.5
    assert runs.relative_difference(-1e-13, 1e-13) == 0
    assert runs.relative_difference(nan, nan) == 0
    assert runs.relative_difference(nan, 1.0) == float("inf")


# --- what counts as a difference


def test_every_explanation_is_in_the_documentation(table):
    from petnet.radiomics.catalogue import CATALOGUE

    text = (ROOT / "docs" / "peers.md").read_text("utf-8")
    code = {(one.family, one.name): one.code for one in CATALOGUE}
    rows = {
        match[1]: line for line in text.splitlines() if (match := re.match(r"\| \[([^]]+)\]", line))
    }
    assert set(rows) == {one.reason for one in table.EXPLAINED}
    for one in table.EXPLAINED:
        assert f"### {one.reason}\n" in text
        assert one.library in rows[one.reason].lower()
        assert all(code[feature] in rows[one.reason] for feature in one.features)


def test_an_explanation_has_bounds(table):
    """A box larger than another library's, or a percentile far off, is a defect of petnet's."""
    box = ("morph", "volume_density_ombb", None)
    tenth = ("stat", "10th_intensity_percentile", None)
    mean = ("stat", "mean_intensity", None)
    assert not table.unexplained("mirp", {box: 0.50}, {box: 0.45})
    assert table.unexplained("mirp", {box: 0.45}, {box: 0.50}) == {box: (0.45, 0.50)}
    assert not table.unexplained("pictologics", {tenth: 1.0}, {tenth: 1.1})
    assert table.unexplained("pictologics", {tenth: 1.0}, {tenth: 2.0})
    assert table.unexplained("mirp", {tenth: 1.0}, {tenth: 1.1})
    assert table.unexplained("mirp", {mean: 1.0}, {mean: 1.0002})
    assert not table.unexplained("mirp", {mean: 1.0}, {mean: 1.00009})


def test_the_worst_study_without_a_reason_is_shown():
    from peers import differences, page

    box, mean = ("morph", "volume_density_ombb", None), ("stat", "mean_intensity", None)
    ours = {"STS_001": {box: 0.5, mean: 1.0}, "STS_002": {box: 0.4, mean: 1.0}}
    theirs = {"STS_001": {box: 0.4, mean: 1.0}, "STS_002": {box: 0.41, mean: 1.0}}
    found = {one.key: one for one in differences("mirp", "bins_64", ours, theirs)}
    assert found[mean].above == found[mean].unexplained == 0
    assert (found[box].above, found[box].unexplained, found[box].study) == (2, 1, "STS_002")
    text = page(list(found.values()), {"mirp": {"name": "MIRP", "version": "2"}}, 2)
    assert "| MIRP 2 | bins_64 | 2 | 1 | 0 | 1 |" in text
    assert "**not in 1**" in text
    assert "mean_intensity" not in text


# --- the conversation


@pytest.fixture(scope="module")
def conversation():
    from peer_runs import start

    with start("petnet", PETNET_BENCH_DEVICE="cpu") as runner:
        yield runner


SETTINGS = {
    "families": ["stat", "morph", "ih", "glcm"],
    "bins": 2,
    "ivh_bins": 2,
    "aggregations": ["avg", "comb"],
    "autocorrelation": False,
}


def test_a_runner_answers_analytic(conversation, runs, ball):
    assert conversation.ask(do="about")["name"] == "petnet"
    conversation.ask(**ball.request())
    answer = conversation.ask(do="run", cases=["block"], settings=SETTINGS, features=True)
    found = runs.keyed("petnet", answer["features"][0])
    assert answer["seconds"] > 0
    assert found["stat", "mean_intensity", None] == 2.0
    assert found["stat", "intensity_variance", None] == 1.0
    assert found["morph", "volume_voxel_counting", None] == 24 * 8
    assert found["ih", "discretised_intensity_entropy", None] == 1.0
    assert ("glcm", "contrast", "3D_avg") in found
    assert ("glcm", "contrast", "3D_comb") in found


def test_a_runner_goes_on_after_an_error(conversation, ball):
    with pytest.raises(RuntimeError, match="petnet: KeyError"):
        conversation.ask(do="run", cases=["nowhere"], settings=SETTINGS)
    conversation.ask(**ball.request())
    wrong = SETTINGS | {"families": ["colour"]}
    with pytest.raises(RuntimeError, match="families"):
        conversation.ask(do="run", cases=["block"], settings=wrong)
    assert conversation.ask(do="about")["name"] == "petnet"


def test_a_process_that_ends_says_why(runs, monkeypatch, tmp_path):
    (tmp_path / "petnet_runner.py").write_text("raise SystemExit('no such library')")
    monkeypatch.setattr(runs, "RUNNERS", tmp_path)
    with runs.start("petnet") as runner, pytest.raises(RuntimeError, match="no such library"):
        runner.ask(do="about")


def test_an_interpreter_that_is_not_there_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPTS / "peers.py", "agreement", tmp_path, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--mirp PYTHON" in done.stderr


# --- the benchmark


def test_cases_are_what_they_say(tmp_path):
    import bench_cases

    cube = next(bench_cases.single_cases(tmp_path, None))
    assert abs(cube.voxels - 64**3 / 2) < 64
    lesions = bench_cases.batch(tmp_path, None)
    assert len({case.name for case in lesions}) == 64
    assert all(600 < case.voxels < 1100 for case in lesions)
    values, labels = bench_cases._labels((120, 120, 120), 4.0)
    assert values.shape == labels.shape
    assert set(np.unique(labels)) == set(range(301))


def test_real_lesions_are_small(reference, tmp_path):
    import bench_cases

    lesions = bench_cases.batch(tmp_path, reference)
    assert len({(case.image, case.flip) for case in lesions}) == 64
    assert max(case.voxels for case in lesions) < 5000
    assert [case.voxels for case in bench_cases.single_cases(tmp_path, reference)][2:] == [
        817,
        20222,
        234198,
    ]


class Pretended:
    """A runner that takes the seconds and gives the features it is told to."""

    def __init__(self, name, seconds, value=1.0):
        self.name, self.seconds, self.value, self.asked = name, seconds, value, 0

    def ask(self, **request):
        self.asked += 1
        one = feature("mean_intensity", "Q4LE", "stat", self.value)
        return {"seconds": self.seconds, "features": [[one]]}


def test_works_take_turns_and_differences_are_noticed():
    from bench_texture import Work, check_equal, in_turns, measure

    quick, slow = Pretended("petnet", 0.01), Pretended("mirp", 3.0)
    works = [Work(quick, ("a",), {}), Work(slow, ("a",), {})]
    seconds = in_turns(works, budget_s=1.0)
    assert len(seconds["petnet"]) == 15
    assert len(seconds["mirp"]) == 1
    row = measure("all", "a", 1, works, 1.0)
    assert row.seconds == {"petnet": 0.01, "mirp": 3.0}
    assert row.shared == 1
    slow.value = 1.001
    with pytest.raises(RuntimeError, match="1 of 1 features differ between petnet and mirp"):
        check_equal(works)


def test_the_page_holds_ratios():
    from bench_report import page
    from bench_texture import Row

    seconds, least = {"petnet": 0.5, "pictologics": 1.0}, {"petnet": 0.25, "pictologics": 1.0}
    row = Row("all features", "128^3", 10, seconds, least, {}, 174)
    libraries = {"petnet": {"name": "petnet", "version": "1", "threads": 2, "device": "cpu"}}
    where = {"processor": "P", "cores": 2, "python": "3", "date": "2026-01-01"}
    text = page([row], {"machine": where, "libraries": libraries})
    assert "| 128^3 | 10 | 0.5 | 1 | 2.00 (4.00) | 174 |" in text
    assert "petnet 1 (2 threads, cpu)" in text


@pytest.mark.full
def test_petnet_is_measured_alone(tmp_path):
    """The command of the documentation, with what takes minutes left out."""
    command = ["bench_texture.py", "--quick", "--seconds", "0.01", "--reference", "", "--out"]
    subprocess.run([sys.executable, SCRIPTS / command[0], *command[1:], tmp_path], check=True)
    rows = json.loads((tmp_path / "bench.json").read_text("utf-8"))["rows"]
    assert {row["case"] for row in rows} >= {"64^3", "128^3", "64 lesions"}
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())


@pytest.mark.full
@pytest.mark.parametrize("library", LIBRARIES)
def test_agreement_with_mirp_and_pictologics(reference, tmp_path, library):
    """Asked for by PETNET_MIRP and PETNET_PICTOLOGICS, the interpreters of their environments."""
    python = os.environ.get(f"PETNET_{library}")
    if not python:
        pytest.skip(f"PETNET_{library} is not set")
    command = [SCRIPTS / "peers.py", "agreement", reference / "sts", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, *command, f"--{library.lower()}", python], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
