"""An interrupted training ends like one that was not, and no broken checkpoint is used."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from deep_cases import cohort, tiny

from petnet.models.lightning_module import TrainingModule
from petnet.models.protocol import FitContext


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Interrupted(Exception):
    pass


def interrupt(monkeypatch, epoch, step):
    """Raise in the middle of an epoch, after as many steps."""
    whole = TrainingModule.training_step

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (epoch, step):
            raise Interrupted
        return whole(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


@pytest.fixture(scope="module")
def train():
    return cohort(40, 1, blob=0.3, radiomics=0.5, clinical=0.5)


@pytest.fixture(scope="module")
def uninterrupted(train):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = tiny().fit(train, [], FitContext(seed=9))
    torch.set_num_threads(threads)
    return model


@pytest.mark.parametrize(("epoch", "step"), [(3, 2), (1, 0), (5, 4)])
def test_interrupted_and_resumed_equals_uninterrupted(
    train, uninterrupted, tmp_path, monkeypatch, caplog, epoch, step
):
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, step)
        with pytest.raises(Interrupted):
            tiny().fit(train, [], FitContext(seed=9, workdir=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
    torch.rand(17)  # a resumed process has another history of random numbers
    with caplog.at_level(logging.INFO):
        resumed = tiny().fit(train, [], FitContext(seed=9, workdir=tmp_path))
    assert f"resuming after epoch {epoch}" in caplog.text
    np.testing.assert_array_equal(resumed.predict(train), uninterrupted.predict(train))
    assert resumed.history == uninterrupted.history


def test_interrupted_adam_with_cosine_equals_uninterrupted(train, tmp_path, monkeypatch):
    def model():
        return tiny(
            ["image", "clinical"],
            optimizer={"_target_": "torch.optim.AdamW", "lr": 1e-2},
            scheduler={"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR"},
        )

    whole = model().fit(train, [], FitContext(seed=9))
    with monkeypatch.context() as patch:
        interrupt(patch, 3, 1)
        with pytest.raises(Interrupted):
            model().fit(train, [], FitContext(seed=9, workdir=tmp_path))
    resumed = model().fit(train, [], FitContext(seed=9, workdir=tmp_path))
    np.testing.assert_array_equal(resumed.predict(train), whole.predict(train))


def test_finished_checkpoint_gives_the_same_model_without_training(
    train, uninterrupted, tmp_path, monkeypatch
):
    context = FitContext(seed=9, workdir=tmp_path)
    first = tiny().fit(train, [], context)
    interrupt(monkeypatch, 0, 0)
    again = tiny().fit(train, [], context)
    for model in (first, again):
        np.testing.assert_array_equal(model.predict(train), uninterrupted.predict(train))
        assert model.history == uninterrupted.history


@pytest.fixture
def finished(train, tmp_path):
    tiny(["clinical"], epochs=2).fit(train, [], FitContext(seed=9, workdir=tmp_path))
    return tmp_path / "last.ckpt"


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path(os.environ["PETNET_TEST_PAYLOAD"]),))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "bits", "other", "foreign"])
def test_broken_checkpoint_is_discarded_with_a_warning(
    train, finished, monkeypatch, caplog, damage
):
    whole = finished.read_bytes()
    mark = finished.with_name("ran")
    monkeypatch.setenv("PETNET_TEST_PAYLOAD", str(mark))
    middle = len(whole) // 2
    content = {
        "truncated": whole[:middle],
        "empty": b"",
        "text": b"not a checkpoint",
        "bits": whole[:middle]
        + bytes(b ^ 255 for b in whole[middle : middle + 400])
        + whole[middle + 400 :],
        "foreign": pickle.dumps(Payload()),
    }
    if damage == "other":
        torch.save({"state_dict": {}}, finished)
    else:
        finished.write_bytes(content[damage])
    model = tiny(["clinical"], epochs=2)
    model.fit(train, [], FitContext(seed=9, workdir=finished.parent))
    assert "training starts again" in caplog.text
    assert not mark.exists()
    fresh = tiny(["clinical"], epochs=2).fit(train, [], FitContext(seed=9))
    np.testing.assert_array_equal(model.predict(train), fresh.predict(train))


@pytest.mark.parametrize("change", ["seed", "settings", "units", "values"])
def test_checkpoint_of_another_fit_is_not_resumed(train, finished, caplog, change):
    units = train.take(range(30)) if change == "units" else train
    if change == "values":
        units = cohort(40, 2)
    model = tiny(["clinical"], epochs=2, clip=None if change == "settings" else 1.0)
    seed = 10 if change == "seed" else 9
    model.fit(units, [], FitContext(seed=seed, workdir=finished.parent))
    assert "another model, seed or set of units" in caplog.text


SCRIPT = """
import sys, torch, numpy as np
from pathlib import Path
from deep_cases import cohort, tiny
from petnet.models.protocol import FitContext
torch.set_num_threads(1)
train = cohort(40, 1, blob=0.3)
model = tiny(epochs=40).fit(train, [], FitContext(9, Path(sys.argv[1])))
np.save(sys.argv[2], model.predict(train))
"""


@pytest.mark.full
def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    here = Path(__file__).parent
    root = here.parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{root}"}

    def start(name):
        arguments = [
            sys.executable,
            "-c",
            SCRIPT,
            str(tmp_path / name),
            str(tmp_path / f"{name}.npy"),
        ]
        return subprocess.Popen(arguments, env=environment)

    assert start("whole").wait(300) == 0
    for delay_s in (0.3, 0.7):
        process = start("killed")
        checkpoint = tmp_path / "killed" / "last.ckpt"
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed").wait(300) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
