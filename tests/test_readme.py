"""The commands of the README do what it says, in order, on a smaller cohort."""

import re
import shlex
from pathlib import Path

import pytest

from petnet.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
SMALL = {
    "simulate": ["simulation.patients=14", "simulation.prevalence=0.5", "workers=1"],
    "train": [
        "cv.folds=2", "cv.repeats=1", "cv.inner_folds=2", "trainer=quick", "trainer.epochs=1",
        "imaging=small",
    ],
}  # fmt: skip


def commands(block):
    """Yield the words of each petnet command, comments removed."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["petnet"]:
            yield words[1:]


def block_with(text):
    (found,) = [block for block in BLOCKS if text in block]
    return found


def test_every_verb_is_shown():
    from petnet.cli import VERBS

    assert {words[0] for block in BLOCKS for words in commands(block)} == set(VERBS)


def test_the_commands_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb, *words in commands(block_with("features=all")):
        if verb in ("predict", "diff"):
            run = next(Path("runs").glob("her2-lr-*"))
            words = [w.replace("RUN", str(run)).replace("data/new", "data/her2") for w in words]
        assert main([verb, *words, *SMALL.get(verb, [])]) == 0, (verb, words)
    assert {"features.parquet", "predictions.csv"} <= {p.name for p in tmp_path.iterdir()}
    assert len(list(Path("runs").glob("her2-*/done.json"))) == 3
    assert Path("runs/report.html").stat().st_size > 100_000


def test_the_way_from_dicom_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb, *words in commands(block_with("petnet convert")):
        few = ["simulation.patients=2", "simulation.prevalence=0.5"] if verb == "simulate" else []
        assert main([verb, *words, *few]) == 0, (verb, words)
    assert len(Path("lesions41.csv").read_text().splitlines()) == 3
    assert Path("check.html").stat().st_size > 10_000


def test_the_combined_nodal_model_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb, *words in commands(block_with("nodal_combined")):
        assert main([verb, *words, *SMALL.get(verb, [])]) == 0, (verb, words)
    assert len(list(Path("runs").glob("nodal-lr_combined-*/done.json"))) == 1


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_the_commands_for_the_real_patients(reference, tmp_path, monkeypatch):
    import subprocess
    import sys

    block = block_with("sts_cohort.py")
    monkeypatch.chdir(tmp_path)
    script = ROOT / "scripts" / "sts_cohort.py"
    (made,) = re.findall(r"python scripts/sts_cohort.py (\S+)", block)
    subprocess.run([sys.executable, script, made, "--reference", reference], check=True)
    for verb, *words in commands(block):
        quick = ["cv.repeats=1", "trainer=quick"] if verb == "train" else []
        assert main([verb, *words, *quick]) == 0
    assert Path("runs/sarcoma/report.html").is_file()


def test_the_scripts_it_names_exist():
    for name in re.findall(r"(?:bash|python) (scripts/\w+\.\w+)", README):
        assert (ROOT / name).is_file(), name


def test_no_table_is_left_to_fill():
    assert "TABLE_" not in README
