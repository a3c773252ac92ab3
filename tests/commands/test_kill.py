"""SIGKILL in the middle of `petnet train`, then the same command: the same predictions."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from quick_settings import QUICK

from petnet.evaluation.audit import artefacts

SETTINGS = [*QUICK, "model=fusion", "trainer=quick", "trainer.epochs=6", "cv.repeats=2"]


def command(cohort, folder):
    """A run with a cache of its own, so that nothing comes from an earlier one."""
    return [
        sys.executable, "-m", "petnet.cli", "train", f"cohort='{cohort}'",
        f"out='{folder / 'runs'}'", f"data.cache='{folder / 'cache'}'", *SETTINGS,
    ]  # fmt: skip


def run_folder(folder):
    (path,) = (folder / "runs").glob("her2-fusion-*")
    return path


def wait_for(process, found, seconds=300.0):
    end = time.monotonic() + seconds
    while not found() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert process.poll() is None, "the process ended before it could be killed"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_killed_training_ends_as_an_uninterrupted_one(cohort, work):
    whole, killed = work / "whole", work / "killed"
    subprocess.run(command(cohort, whole), check=True, capture_output=True)
    moments = random.Random(7)
    for pattern in ("*/folds/r0f0/work/last.ckpt", "*/folds/r0f1/work/last.ckpt",
                    "*/folds/r1f0/predictions.csv", "*/folds/r1f1/work/last.ckpt"):  # fmt: skip
        process = subprocess.Popen(
            command(cohort, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(process, lambda p=pattern: list((killed / "runs").glob(p)))
        time.sleep(moments.uniform(0.0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not list((killed / "runs").glob("*/done.json"))
    subprocess.run(command(cohort, killed), check=True, capture_output=True)
    one, other = run_folder(whole), run_folder(killed)
    assert one.name == other.name
    assert "resuming after epoch" in (other / "log.txt").read_text()
    pd.testing.assert_frame_equal(
        pd.read_csv(one / "predictions.csv"), pd.read_csv(other / "predictions.csv")
    )
    for fold in sorted((one / "folds").iterdir()):
        assert artefacts(fold / "model") == artefacts(other / "folds" / fold.name / "model")
    assert not list(other.rglob(".tmp-*"))
