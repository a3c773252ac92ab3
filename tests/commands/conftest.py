"""A small simulated cohort and a finished run, made once through the command line."""

import pytest
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
