"""Encoders, branches and settings."""

from pathlib import Path

import pytest
import torch
from deep_cases import cohort, tiny
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn

from petnet.errors import InputError
from petnet.models.deep import DeepModel
from petnet.models.encoders import MonaiEncoder, SmallResNet
from petnet.models.fusion import Concatenation, TableBranch
from petnet.models.network import InputSizes, build_network
from petnet.models.parts import build
from petnet.models.protocol import FitContext

CONFIGS = Path(__file__).parents[2] / "configs"
RESNET10 = {
    "_target_": "monai.networks.nets.resnet10",
    "spatial_dims": 3,
    "conv1_t_size": 3,
    "feed_forward": False,
    "widen_factor": 0.125,
}
NETS = {
    "resnet10": (RESNET10, 64, 12),
    "densenet121": (
        {
            "_target_": "monai.networks.nets.DenseNet121",
            "spatial_dims": 3,
            "out_channels": 20,
            "init_features": 4,
            "growth_rate": 2,
        },
        20,
        32,
    ),
    "efficientnet": (
        {
            "_target_": "monai.networks.nets.EfficientNetBN",
            "model_name": "efficientnet-b0",
            "pretrained": False,
            "spatial_dims": 3,
            "num_classes": 12,
        },
        12,
        32,
    ),
    "maps": (
        {
            "_target_": "monai.networks.nets.ResNetFeatures",
            "model_name": "resnet10",
            "pretrained": False,
        },
        512,
        16,
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_monai_networks_by_settings(name):
    net, features, size = NETS[name]
    encoder = MonaiEncoder(net, in_channels=2, shape=(size,) * 3, group_norm=4)
    assert encoder.features == features
    assert encoder(torch.zeros(1, 2, size, size, size)).shape == (1, features)
    assert not any(isinstance(m, nn.BatchNorm3d) for m in encoder.modules())
    assert encoder.training


def test_monai_network_keeps_its_normalisation_when_not_asked():
    encoder = MonaiEncoder(RESNET10, in_channels=2, shape=(12, 12, 12))
    assert any(isinstance(m, nn.BatchNorm3d) for m in encoder.modules())


def test_crops_that_a_network_cannot_take_are_named():
    net = {
        "_target_": "monai.networks.nets.DenseNet121",
        "spatial_dims": 3,
        "out_channels": 8,
        "init_features": 4,
        "growth_rate": 2,
    }
    with pytest.raises(InputError, match=r"not \(8, 8, 8\)"):
        MonaiEncoder(net, in_channels=2, shape=(8, 8, 8))


def test_monai_encoder_trains_in_the_model():
    encoder = {"_target_": "petnet.models.encoders.MonaiEncoder", "group_norm": 4, "net": RESNET10}
    train = cohort(16, 1)
    model = tiny(["image"], encoder=encoder, epochs=1).fit(train, [], FitContext(seed=1))
    assert model.predict(train).shape == (16, 1)


def test_small_resnet_takes_any_shape():
    encoder = SmallResNet(3, widths=(4, 6), groups=4)
    assert encoder.features == 6
    assert encoder(torch.zeros(2, 3, 9, 12, 14)).shape == (2, 6)


def test_concatenation_starts_undecided():
    fusion = Concatenation({"a": 3, "b": 2}, outputs=2, hidden=[5])
    logits = fusion({"b": torch.randn(4, 2), "a": torch.randn(4, 3)})
    assert torch.equal(logits, torch.zeros(4, 2))


def test_table_branch_widths():
    assert TableBranch(7).features == 7
    branch = TableBranch(7, hidden=[5, 3], dropout=0.1)
    assert branch(torch.zeros(2, 7)).shape == (2, 3)


def test_partial_and_given_arguments():
    half = build({"_target_": "torch.nn.Linear", "_partial_": True, "in_features": 3})
    assert half(out_features=2).weight.shape == (2, 3)
    full = build({"_target_": "torch.nn.Linear", "in_features": 3}, in_features=9, out_features=2)
    assert full.in_features == 3


@pytest.mark.parametrize("name", ["cnn", "fusion"])
@pytest.mark.parametrize("size", [24, 32])
def test_models_of_the_configs_are_built(name, size):
    with initialize_config_dir(str(CONFIGS), version_base=None):
        config = compose("train", [f"model={name}", "trainer=quick"])
    model = instantiate(config.model)
    assert isinstance(model, DeepModel)
    assert model.settings.epochs == config.trainer.epochs
    tables = name == "fusion"
    sizes = InputSizes(("pet", "ct", "mask"), (size,) * 3, 9 * tables, 4 * tables)
    network = build_network(model.config, sizes, outputs=1)
    batch = {
        "image": torch.zeros(2, 3, size, size, size),
        "radiomics": torch.zeros(2, 9),
        "clinical": torch.zeros(2, 4),
    }
    assert network(batch).shape == (2, 1)
