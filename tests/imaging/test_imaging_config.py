from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from petnet.errors import InputError
from petnet.imaging.config import ImagingConfig, Window

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("name", sorted(p.stem for p in (CONFIGS / "imaging").glob("*.yaml")))
@pytest.mark.parametrize("convert", ["none", "all"])
def test_every_yaml_is_composed_and_built(name, convert):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = instantiate(compose(f"imaging/{name}").imaging, _convert_=convert)
    assert isinstance(config, ImagingConfig)
    assert type(config.crop_shape) is tuple
    assert config.pet_window("FDG") == Window(0.0, 20.0, "asinh", 2.5)
    assert config.geometry_hash() != ImagingConfig(spacing_mm=3.0).geometry_hash()
    if name == "default":
        assert config.geometry_hash() == ImagingConfig().geometry_hash()
        assert config.ct_window == ImagingConfig().ct_window


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("spacing_mm", 0, "spacing_mm: expected a number above 0, but got 0"),
        ("spacing_mm", "4", "spacing_mm: expected a finite number, but got '4'"),
        ("crop_shape", [32, 32], "crop_shape: expected three whole numbers"),
        ("crop_shape", 32, "crop_shape: expected three whole numbers"),
        ("crop_shape", [32, 32, 0.5], "crop_shape: expected three whole numbers"),
        ("channels", ["pet", "mri"], "channels: expected some of"),
        ("channels", ["pet", "pet"], "channels: expected some of"),
        ("channels", "pet", "channels: expected some of"),
        ("pet_windows", {}, "pet_windows: expected a window by tracer"),
        ("pet_windows", {"FDG": {"low": 0}}, r"pet_windows\.FDG: expected low and high"),
        ("ct_window", {"low": 5, "high": 1}, r"high: expected more than low \(5\), but got 1"),
        ("ct_window", {"low": 0, "high": 1, "curve": "log"}, "curve: expected one of"),
        ("ct_window", [0, 1], "ct_window: expected low, high"),
        ("ct_outside_hu", float("nan"), "ct_outside_hu: expected a finite number"),
    ],
)
def test_input_errors_say_what_was_expected(field, value, message):
    with pytest.raises(InputError, match=message):
        ImagingConfig(**{field: value})


def test_an_unknown_tracer_is_named_with_those_that_are_known():
    config = ImagingConfig(pet_windows={"FDG": Window(0, 20), "FAPI": Window(0, 20)})
    assert config.pet_window("fapi") == Window(0, 20)
    with pytest.raises(InputError, match="tracer 'DOTATATE', but got windows for FAPI, FDG only"):
        config.pet_window("DOTATATE")
