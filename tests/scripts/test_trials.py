"""The trials on known truth: every row of planted.yaml reaches the command line as it is meant."""

import importlib.util
import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from petnet.cli import config_folder

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "trials.py"


@pytest.fixture
def trials():
    spec = importlib.util.spec_from_file_location("trials", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(trials, monkeypatch):
    """Compose what the trials ask for in place of doing it; each finds more than the last."""
    made = []

    def petnet(arguments):
        verb, *overrides = arguments
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = compose(verb, overrides)
        out = Path(config.out)
        out.mkdir(parents=True, exist_ok=True)
        if verb == "simulate":
            simulator = instantiate(config.simulation, _convert_="all")
            (out / "cohort.json").write_text(json.dumps(simulator.facts()))
        else:
            run = out / f"run{len(made)}"
            run.mkdir()
            (run / "done.json").write_text("{}")
            found = {"headline": {"value": 0.9 + 1e-5 * len(made) ** 2}}
            (run / "metrics.json").write_text(json.dumps({"models": [found]}))
        made.append((verb, config))
        return 0

    monkeypatch.setattr(trials, "petnet", petnet)
    return made


def test_each_row_is_a_run_of_its_own_on_its_simulation(trials, asked, tmp_path):
    with pytest.raises(SystemExit):
        trials.planted(tmp_path, [1, 2], 4, None)
    read, rows = trials.tasks_of(None)
    runs = [config for verb, config in asked if verb == "train"]
    assert len({config.out for config in runs}) == len(runs) == 2 * len(rows)
    for config, (simulation, _, overrides) in zip(runs[::2], rows.values(), strict=True):
        assert Path(config.cohort).name == f"{simulation}-1"
        asked_for = [o.split("=")[1] for o in overrides if o.startswith("task=")]
        assert config.task.name in (asked_for or ["nodal"])
    assert {name for pair in read["gains"].values() for name in pair} <= set(rows)


def test_a_name_that_no_row_has_is_refused(trials, tmp_path):
    with pytest.raises(SystemExit, match=r"--models: expected some of .*, but got \['typo'\]"):
        trials.planted(tmp_path, [1], 4, ["typo"])
