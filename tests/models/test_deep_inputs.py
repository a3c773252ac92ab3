"""What the deep model refuses, and what it says then."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from deep_cases import SIZE, Crops, cohort, settings, tiny
from omegaconf import OmegaConf

from petnet.errors import InputError
from petnet.models.deep import DeepModel
from petnet.models.protocol import FitContext

CONTEXT = FitContext(seed=1)


def test_missing_target_is_refused():
    train = cohort(20, 1)
    train.target[4] = np.nan
    with pytest.raises(InputError, match=r"0 or 1 .*unit-004"):
        tiny(["clinical"]).fit(train, [], CONTEXT)


def test_one_class_is_refused():
    train = replace(cohort(20, 1), target=np.ones(20))
    with pytest.raises(InputError, match="both classes"):
        tiny(["clinical"]).fit(train, [], CONTEXT)


def test_model_with_images_needs_crops():
    train = replace(cohort(20, 1), images=None)
    with pytest.raises(InputError, match="model tiny: images"):
        tiny(["image"]).fit(train, [], CONTEXT)


def test_crops_of_another_shape_are_refused_at_prediction():
    train = cohort(20, 1)
    model = tiny(["image"], epochs=1).fit(train, [], CONTEXT)
    other = replace(train, images=Crops(train.ids, np.zeros((20, 3, SIZE, SIZE, SIZE + 2))))
    with pytest.raises(InputError, match="shape of the crops"):
        model.predict(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ["image", "genome"]}, "genome"),
        ({"inputs": []}, "inputs"),
        ({"encoder": None}, "encoder"),
        ({"clinical": None}, "clinical"),
        ({"epochs": 0}, "epochs"),
        ({"deterministic": "perhaps"}, "deterministic"),
    ],
)
def test_settings_are_checked_at_once(changes, message):
    with pytest.raises(InputError, match=message):
        DeepModel(**settings(**changes))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("optimizer", {"_target_": "shutil.rmtree", "path": "/nowhere"}, "shutil.rmtree"),
        ("optimizer", {"_target_": "torch.optim.AdamW", "speed": 3}, "speed"),
        ("scheduler", {"_target_": "os.system"}, "os.system"),
        ("fusion", {"hidden": [3]}, "_target_"),
    ],
)
def test_parts_are_refused_by_name(part, value, message):
    with pytest.raises(InputError, match=message):
        tiny(["clinical"], **{part: value}).fit(cohort(20, 1), [], CONTEXT)


def test_include_takes_columns_by_pattern():
    model = tiny(["radiomics"], include=["a", "[cd]"], epochs=1).fit(cohort(20, 1), [], CONTEXT)
    assert model._encoders["radiomics"].names == ["a", "c", "d", "c missing"]
    with pytest.raises(InputError, match="matches none"):
        tiny(["radiomics"], include=["z*"]).fit(cohort(20, 1), [], CONTEXT)


def test_correlated_columns_are_dropped_when_asked():
    train = cohort(20, 1)
    train.radiomics["g"] = 2 * train.radiomics["a"]
    model = tiny(["radiomics"], max_correlation=0.99, epochs=1).fit(train, [], CONTEXT)
    assert "g" not in model._encoders["radiomics"].names


def test_task_without_clinical_columns_has_no_such_branch():
    train = cohort(20, 1)
    train = replace(train, clinical=pd.DataFrame(index=train.clinical.index))
    model = tiny(["radiomics", "clinical"], epochs=1).fit(train, [], CONTEXT)
    assert model.predict(train).shape == (20, 1)
    with pytest.raises(InputError, match="at least one"):
        tiny(["clinical"]).fit(train, [], CONTEXT)


def test_omegaconf_settings_become_plain():
    model = DeepModel(**OmegaConf.create({"top": settings()}).top)
    assert type(model.config["encoder"]["widths"]) is list
    assert type(model.config["fusion"]) is dict


def test_operation_without_deterministic_form_is_named(monkeypatch):
    from petnet.models.lightning_module import TrainingModule

    def training_step(self, batch, batch_idx):
        raise RuntimeError("max_pool3d does not have a deterministic implementation")

    monkeypatch.setattr(TrainingModule, "training_step", training_step)
    with pytest.raises(InputError, match="deterministic=warn"):
        tiny(["clinical"]).fit(cohort(20, 1), [], CONTEXT)
