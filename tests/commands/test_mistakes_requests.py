"""Mistakes in what is asked for, and where it is to go: one line, exit code 2, nothing left behind.

The environment's own mistakes are here too: no room, no GPU, a run folder that is not what it was.
"""

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from mistake_cohort import printed

TASKS = "benign_malignant, her2, her2_response"
# arguments, fragments of the one message: setting, expected, found, nearest name
REQUESTS = [
    (["trian"], ["trian", "expected a verb", "did you mean 'train'"]),
    (["train"], ["cohort", "expected a value", "none", "petnet train cohort=..."]),
    (["predict", "cohort=x"], ["settings: run", "expected a value", "none"]),
    (["train", "cohort=x", "task=her3"], ["settings: task", TASKS, "'her3'", "mean 'her2'?"]),
    (["train", "cohort=x", "model=fusoin"], ["settings: model", "cnn", "'fusoin'", "'fusion'?"]),
    (["extract", "cohort=x", "features=corre"], ["features", "glcm_only", "'corre'", "'core'?"]),
    (["train", "-m", "cohort=x", "model=lr,fusoin"], ["model", "cnn", "'fusoin'", "'fusion'?"]),
    (["train", "-m", "cohort=x", "task=her2,her3"], ["task", TASKS, "'her3'", "mean 'her2'?"]),
    (["train", "cohort=x", "experiment=quick"], ["experiment", "'quick'", "mean 'quickstart'?"]),
    (["train", "cohrt=x"], ["cohrt", "one of cohort, cv", "Did you mean 'cohort'?"]),
    (["train", "cohort=x", "modell=lr"], ["modell", "one of", "Did you mean 'model'?"]),
    (["train", "cohort=x", "cv.fold=3"], ["cv.fold", "folds, inner_folds", "'cv.folds'?"]),
    (["train", "cohort=x", "-m", "cv.fold=3,4"], ["cv.fold", "folds", "'cv.folds'?"]),
    (["train", "cohort=x", "model.gird.C=1"], ["model.gird.C", "grid", "mean 'model.grid'"]),
    (["train", "cohort=x", "folds=3"], ["folds", "Did you mean 'cv.folds'?"]),
    (["train", "cohort=x", "model=fusion", "trainer.epoch=3"], ["epoch", "'trainer.epochs'?"]),
    (["train", "cohort=x", "data.cache.x=3"], ["data.cache.x", "no setting below data.cache"]),
    (["train", "cohort=x", "~modl"], ["modl", "one of", "Did you mean 'model'?"]),
    (["train", "cohort=x", "+task=her2"], ["task appears more than once"]),
    (["train", "cohort=x", "task=3"], ["task=3", "group=name", "int"]),
    (["extract", "cohort=x", "-m", "task=null,her2"], ["task=null,her2", "group=name"]),
    (["extract", "cohort=x", "task=none"], ["settings: task", "or null", "'none'"]),
    (
        ["extract", "cohort=x", "features.sets.pt_64.spacing_mm=[2,2,2]"],
        ["'spacing_mm'", "added by +features.sets.pt_64.spacing_mm="],
    ),
    (["train", "cohort=x", "x=[1"], ["x=[1", "key=value", "no viable alternative"]),
    (["train", "cohort='x"], ["cohort='x", "key=value", "quote that is not closed"]),
    (["train", "x"], ["command line: x", "key=value", "no equals sign"]),
    (["train", "cohort=x", "--multrun"], ["--multrun", "unrecognized", "mean '--multirun'"]),
    (["train", "cohort=x", "--config-dir", "nowhere"], ["configs that exist", "nowhere"]),
    (["train", "cohort=x", "--config-name", "trian"], ["configs that exist", "'trian'"]),
    (["train", "cohort=${x}"], ["cohort", "worked out", "key 'x' not found"]),
    (["train", "cohort=x", "seed=abc"], ["seed", "whole number of 0 or more", "'abc'"]),
    (["train", "cohort=x", "seed=-1"], ["seed", "whole number of 0 or more", "-1"]),
    (["train", "cohort=x", "seed=1.5"], ["seed", "whole number", "1.5"]),
    (["train", "cohort=x", "seed=true"], ["seed", "whole number", "True"]),
    (["train", "cohort=x", "seed=null"], ["seed", "whole number", "None"]),
    (["train", "cohort=x", "cv.folds=0"], ["cv.folds", "whole number of 2 or more", "got 0"]),
    (["train", "cohort=x", "cv.folds=2.5"], ["cv.folds", "whole number of 2 or more", "2.5"]),
    (["train", "cohort=x", "cv.repeats=0"], ["cv.repeats", "whole number of 1 or more", "got 0"]),
    (["train", "cohort=x", "-m", "cv.folds=-3"], ["cv.folds", "whole number", "-3"]),
    (["train", "cohort=x", "data.workers=many"], ["data.workers", "whole number", "'many'"]),
    (["train", "cohort=x", "data.allow_outside=si"], ["allow_outside", "true or false", "'si'"]),
    (["train", "cohort=x", "device=gpu"], ["device", "one of auto, cpu, cuda", "'gpu'"]),
    (["train", "cohort=x", "permute=yes"], ["permute", "whole number", "'yes'"]),
    (["train", "cohort=x", "features=core", "task=null"], ["command line: task=null: ", "name"]),
    (["train", "cohort=x", "trainer.epochs=abc"], ["trainer.epochs", "of 1 or more", "'abc'"]),
    (["train", "cohort=x", "trainer.batch_size=0"], ["batch_size", "of 1 or more", "got 0"]),
    (["train", "cohort=x", "trainer.precision=32"], ["trainer.precision", "32-true", "got 32"]),
    (["train", "cohort=x", "model.max_correlation=2"], ["max_correlation", "up to 1", "got 2"]),
    (["train", "cohort=x", "model.max_correlation=a"], ["max_correlation", "a number", "'a'"]),
    (["train", "cohort=x", "model.grid.C=[]"], ["model.grid", "a list of values", "{'C': []}"]),
    (["train", "cohort=x", "model.resampler.k_neighbors=0"], ["neighbors", "of 1 or more", "0"]),
    (["train", "cohort="], ["cohort", "a path", "''"]),
    (["train", "cohort=null"], ["cohort", "a path", "None"]),
    (["train", "cohort=2023"], ["cohort", "a path", "2023", "quotes"]),
    (["train", "cohort=x", "out="], ["out", "a path", "''"]),
    (["train", "cohort=x", "data.cache="], ["data.cache", "a path", "''"]),
    (["report", "run=[]"], ["run", "at least one path", "empty list"]),
    (["report", "run=x", "out=7"], ["out", "a path", "7", "quotes"]),
    (["simulate", "out=x", "workers=0"], ["workers", "whole number of 1 or more", "got 0"]),
    (["extract", "cohort=x", "out=a.xlsx"], ["out", ".parquet or .csv", "a.xlsx"]),
    (["check", "cohort=nowhere"], ["cohort: folder", "existing folder or manifest", "nowhere"]),
    (["predict", "run=nowhere", "cohort=x"], ["nowhere", "made by petnet train", "config.yaml"]),
    (["report", "run=nowhere"], ["nowhere", "a run folder or a folder of finished runs", "none"]),
    (["diff", "a"], ["runs", "two run folders", "1: ['a']"]),
]  # fmt: skip


def only_message(text, verb):
    """Return the one line that is not of the log, whose lines begin with the time."""
    lines = [line for line in text.splitlines() if not re.match(r"\d\d:\d\d:\d\d |\[\d{4}-", line)]
    assert len(lines) == 1, text
    assert lines[0].startswith("petnet: " if verb == "trian" else f"petnet {verb}: ")
    return lines[0]


@pytest.mark.parametrize(("arguments", "words"), REQUESTS, ids=lambda value: " ".join(value)[:60])
def test_a_mistake_in_the_request(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = printed(arguments)
    assert code == 2, text
    message = only_message(text, arguments[0])
    for word in words:
        assert word in message
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left] == (["multirun.yaml"] if left and "-m" in arguments else [])


def test_debug_shows_where_a_request_failed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert printed(["train", "cohort=x", "cv.fold=3", "debug=true"])[1].count("Traceback") > 0


def test_the_exit_code_and_the_message_of_a_process(tmp_path):
    """As a shell sees it: nothing on standard output, one line on standard error."""
    command = [sys.executable, "-m", "petnet.cli", "train", "cohort=x", "task=her3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'her2'?" in only_message(done.stderr, "train")


# -------------------------------------------------------------------- where it is to go


def sound(verb, tiny, to):
    """Return a request that is sound, but for where its output goes."""
    cohort, run = f"cohort='{tiny.cohort}'", f"run='{tiny.run}'"
    name = {"extract": "table.csv", "predict": "new.csv", "check": "findings.csv"}.get(verb)
    out = f"out='{to / (name or 'report.html')}'"
    return {
        "check": ["check", cohort, out],
        "extract": ["extract", *tiny.task, cohort, out, "features=glcm_only"],
        "train": ["train", *tiny.task, *tiny.quick, cohort, f"out='{to}'"],
        "predict": ["predict", run, cohort, tiny.cache, out],
        "report": ["report", run, out],
        "diff": ["diff", f"runs=['{tiny.run}','{tiny.run}']", out],
        "simulate": ["simulate", f"out='{to}'", "simulation.patients=2"],
    }[verb]


WRITERS = ("check", "extract", "train", "predict", "report", "diff", "simulate")


@pytest.mark.parametrize("verb", WRITERS)
def test_an_output_below_a_file(verb, tiny, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, text = printed(sound(verb, tiny, tmp_path / "file" / "below"))
    assert code == 2, text
    assert f"out: expected a folder, but got {tmp_path / 'file'} is a file" in only_message(
        text, verb
    )
    assert (tmp_path / "file").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc on this platform")
@pytest.mark.parametrize("verb", WRITERS)
def test_an_output_where_nobody_may_write(verb, tiny, tmp_path):
    """Not even root may write into /proc: permissions of a folder would not stop it."""
    code, text = printed(sound(verb, tiny, type(tmp_path)("/proc/self/below")))
    assert code == 2, text
    message = only_message(text, verb)
    assert "/proc/self/below" in message
    assert "out: expected a folder that can be written, but got " in message


@pytest.mark.parametrize("verb", ["check", "extract", "predict", "report", "diff"])
def test_a_folder_where_a_file_is_wanted(verb, tiny, tmp_path):
    folder = tmp_path / "table.csv"
    folder.mkdir()
    given = [a for a in sound(verb, tiny, tmp_path) if not str(a).startswith("out=")]
    code, text = printed([*given, f"out='{folder}'"])
    assert code == 2, text
    assert "out: expected the name of a file, but got a folder" in only_message(text, verb)
    assert list(tmp_path.rglob("*")) == [folder]


def test_a_file_where_a_folder_is_wanted(tiny, tmp_path):
    image = next(tiny.cohort.rglob("pet.nii.gz"))
    cases = {
        "check": ([f"cohort='{image}'"], ["pet.nii.gz", "CSV text", "gzip"]),
        "report": ([f"run='{image}'"], ["pet.nii.gz", "run folder"]),
        "predict": ([f"run='{image}'", "cohort=x"], ["pet.nii.gz", "run folder"]),
        "train": ([*tiny.task, f"cohort='{tiny.cohort}'", f"data.cache='{image}'"], ["data.cache"]),
    }
    for verb, (arguments, words) in cases.items():
        code, text = printed([verb, *arguments, f"out='{tmp_path / 'out'}'"])
        assert code == 2, text
        message = only_message(text, verb)
        assert all(word in message for word in words), message
    assert list(tmp_path.iterdir()) == []


FILLER = "somebody else's"


@contextmanager
def limit_of_files(folder, room):
    """Let no file grow beyond `room` bytes: what a quota does, and needs no rights to arrange."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield os.strerror(errno.EFBIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder, room):
    """Mount a file system of `room` bytes, less what is no whole page, and a file of one page."""
    page = resource.getpagesize()
    size = page * (1 + room // page)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        (folder / FILLER).write_bytes(bytes(page))
        yield os.strerror(errno.ENOSPC)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# verb: room in bytes that its outputs do not fit into
ROOM = {"check": 500, "extract": 2**13, "predict": 500, "report": 2**14, "diff": 16}


@pytest.mark.parametrize("cramped", [limit_of_files, small_disk])
@pytest.mark.parametrize("verb", ROOM)
def test_a_full_disk(verb, cramped, tiny, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    given = sound(verb, tiny, full)
    with cramped(full, ROOM[verb]) as reason:
        code, text = printed(given)
        assert code == 2, text
        lines = [line for line in text.splitlines() if line.startswith(f"petnet {verb}: ")]
        assert len(lines) == 1
        assert f"{full}/" in lines[0]
        words = f"file: expected one that can be written, with room for it, but got {reason}"
        assert words in lines[0]
        assert "Traceback" not in text
        assert {path.name for path in full.iterdir()} <= {FILLER}


@pytest.mark.parametrize("cramped", [limit_of_files, small_disk])
def test_a_training_without_room_goes_on_when_there_is_room_again(cramped, tiny, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    given = sound("train", tiny, full)
    with cramped(full, 2**15) as reason:
        code, text = printed(given)
        assert code == 2, text
        assert reason in only_message(text, "train")
        (run,) = full.glob("tiny-*")
        assert not (run / "done.json").exists()
        assert not list(run.rglob(".tmp-*"))
        kept = tmp_path / "kept"
        shutil.copytree(run, kept / run.name)
    code, text = printed(sound("train", tiny, kept))
    assert code == 0, text
    (finished,) = kept.iterdir()
    assert finished.name == tiny.run.name
    for name in ("predictions.csv", "metrics.json"):
        assert (finished / name).read_bytes() == (tiny.run / name).read_bytes()


# -------------------------------------------------------------------- the machine and the run


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("verb", ["extract", "train", "predict"])
def test_cuda_without_a_gpu(verb, tiny, tmp_path):
    code, text = printed([*sound(verb, tiny, tmp_path), "device=cuda"])
    assert code == 2, text
    message = only_message(text, verb)
    for word in ("device", "expected a CUDA device", "none that can be used", "device=cpu"):
        assert word in message
    assert list(tmp_path.iterdir()) == []


DAMAGE = {
    "done.json": ['{"format": 99, "failures": 0}', "expected 2, but got 99. Train again"],
    "config.yaml": ["\0", "the settings of a run"],
    "provenance.json": ["{", "JSON"],
    "units.csv": ["", "the units of a run"],
    "inputs.csv": ["", "unit, file, hash"],
    "folds/r0f0/fold.json": ["[]", "the base rates of a fold"],
    "folds/r0f1/model/class.json": ['{"class": "os:system"}', "one of", "os:system"],
    "folds/r0f1/model/model.json": ["{}", "format"],
    "folds/r0f1/model/estimator.skops": ["no archive", "a saved model", "not a zip file"],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_run_folder_that_is_not_what_it_was(name, tiny, tmp_path):
    content, *words = DAMAGE[name]
    damaged = tmp_path / "run"
    shutil.copytree(tiny.run, damaged)
    given = ["predict", f"run='{damaged}'", f"cohort='{tiny.cohort}'", tiny.cache]
    for spoil in (lambda path: path.write_text(content), lambda path: path.unlink()):
        spoil(damaged / name)
        code, text = printed([*given, f"out='{tmp_path / 'new.csv'}'"])
        assert code == 2, text
        message = only_message(text, "predict")
        assert str(damaged) in message
        if (damaged / name).exists():
            assert all(word in message for word in words), message
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("part", ["folds/r0f1", "folds/r0f1/model", "folds"])
def test_a_run_folder_that_lacks_the_model_of_a_fold(part, tiny, tmp_path):
    """The rest of the ensemble would be another model."""
    damaged = tmp_path / "run"
    shutil.copytree(tiny.run, damaged)
    shutil.rmtree(damaged / part)
    given = ["predict", f"run='{damaged}'", f"cohort='{tiny.cohort}'", tiny.cache]
    code, text = printed([*given, f"out='{tmp_path / 'new.csv'}'"])
    assert code == 2, text
    message = only_message(text, "predict")
    assert "expected the models of its 2 folds" in message
    assert "r0f1" in message
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
