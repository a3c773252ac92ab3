"""SIGKILL in the middle of `petnet train`, then the same command: the same predictions."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from conftest import QUICK

from petnet.evaluation.audit import artefacts

SETTINGS = [*QUICK, "model=fusion", "trainer=quick", "trainer.epochs=3", "cv.repeats=2"]


def command(cohort, work, out):
    return [
        sys.executable, "-m", "petnet.cli", "train", f"cohort='{cohort}'", f"out='{out}'",
        f"data.cache='{work / 'cache'}'", *SETTINGS,
    ]  # fmt: skip


def run_folder(out):
    (path,) = out.glob("her2-fusion-*")
    return path


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_killed_training_ends_as_an_uninterrupted_one(cohort, work):
    whole = work / "whole"
    start = time.monotonic()
    subprocess.run(command(cohort, work, whole), check=True, capture_output=True)
    seconds = time.monotonic() - start
    killed, moments = work / "killed", random.Random(7)
    kills = 0
    for _ in range(10):
        process = subprocess.Popen(
            command(cohort, work, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(moments.uniform(0.3, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if (killed.exists() and list(killed.glob("*/done.json"))) or kills == 4:
            break
    assert kills >= 1
    subprocess.run(command(cohort, work, killed), check=True, capture_output=True)
    one, other = run_folder(whole), run_folder(killed)
    assert one.name == other.name
    pd.testing.assert_frame_equal(
        pd.read_csv(one / "predictions.csv"), pd.read_csv(other / "predictions.csv")
    )
    for fold in sorted((one / "folds").iterdir()):
        assert artefacts(fold / "model") == artefacts(other / "folds" / fold.name / "model")
    assert not list(other.rglob(".tmp-*"))
