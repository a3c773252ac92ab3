"""A small simulated cohort and a finished run, made once through the command line."""

from types import SimpleNamespace

import pytest
from mistake_cohort import TASK, printed, write_cohort
from quick_settings import QUICK

from petnet.cli import main


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work with spaces ü")


@pytest.fixture(scope="session")
def cohort(work):
    folder = work / "her2"
    patients = ["simulation.patients=14", "simulation.prevalence=0.5", "workers=1"]
    assert main(["simulate", f"out='{folder}'", *patients]) == 0
    return folder


@pytest.fixture(scope="session")
def train(work, cohort):
    def call(*overrides):
        common = [f"cohort='{cohort}'", f"data.cache='{work / 'cache'}'", *QUICK]
        return main(["train", *common, *overrides])

    return call


@pytest.fixture(scope="session")
def finished(work, train):
    """Two runs, by one multirun: logistic regression and fusion."""
    out = work / "runs"
    assert train("-m", "model=lr,fusion", f"out='{out}'", "trainer=quick", "trainer.epochs=1") == 0
    return {path.name.split("-")[1]: path for path in out.glob("her2-*")}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A sound cohort of 12 patients, its task, and a run of logistic regression on PET."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "configs" / "task").mkdir(parents=True)
    (folder / "configs" / "task" / "tiny.yaml").write_text(TASK)
    cohort = write_cohort(folder / "cohort", [f"Q{i:02}" for i in range(12)])
    cache = f"data.cache='{folder / 'cache'}'"
    task = ["--config-dir", folder / "configs", "task=tiny", cache]
    given = ["train", *task, *QUICK, f"cohort='{cohort}'", f"out='{folder / 'runs'}'"]
    code, text = printed(given)
    assert code == 0, text
    (run,) = (folder / "runs").glob("tiny-lr-*")
    return SimpleNamespace(cohort=cohort, task=task, cache=cache, quick=QUICK, run=run)
