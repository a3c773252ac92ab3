"""The presets of configs/features: the same objects as Hydra's, and what each promises."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from petnet.files import config_folder
from petnet.radiomics.catalogue import CATALOGUE, FAMILIES, TEXTURE_FAMILIES
from petnet.radiomics.columns import columns, columns_of
from petnet.radiomics.presets import FILTERS, TARGETS, feature_sets
from petnet.radiomics.texture import aggregations_of

FOLDER = config_folder() / "features"
NAMES = sorted(
    path.stem for path in FOLDER.glob("*.yaml") if "petnet.radiomics.maps" not in path.read_text()
    and path.stem != "maps"
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_what_hydra_makes_of_it(name):
    with initialize_config_dir(str(FOLDER.parent), version_base="1.3"):
        config = compose(overrides=[f"+features={name}"])
    made = instantiate(config.features, _convert_="all")["sets"]
    assert feature_sets(name) == tuple(made.values())
    assert feature_sets(FOLDER / f"{name}.yaml") == feature_sets(name)
    assert [one.name for one in feature_sets(name)] == list(made)


@pytest.mark.parametrize("name", NAMES)
def test_reasons_are_given_in_the_file(name):
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[[line.startswith("#") for line in lines].index(False)] == f"name: {name}"
    if name in ("core", "pet", "ct", "all", "ibsi_pet", "ibsi_ct", "filtered"):
        for one in feature_sets(name):
            assert lines[lines.index(f"  {one.name}:") - 1].startswith("  # ")


def test_training_keeps_its_columns():
    """Those of `core`, on which runs depend: whole families, without Moran and Geary."""
    names = [name for one in feature_sets("core") for name in columns(one)]
    of = {f: sum(f"_{f}_" in name for name in names) for f in ("stat", "morph", "glcm")}
    assert of == {"stat": 2 * 18, "morph": 2 * 27, "glcm": 3 * 50}
    assert len(names) == sum(of.values())
    assert not [name for name in names if "morans" in name or "gearys" in name]
    kinds = [(s.name, s.bin_width, s.bins, s.spacing_mm) for s in feature_sets("core")]
    assert kinds == [
        ("pt_bw025", 0.25, None, None),
        ("pt_64", None, 64, None),
        ("ct_bw25", 25.0, None, None),
    ]


@pytest.mark.parametrize("name", ["first_order", "lesion"])
def test_baselines_hold_no_texture(name):
    for one in feature_sets(name):
        assert TEXTURE_FAMILIES.isdisjoint(one.families)
        assert not one.autocorrelation


def test_pet_has_the_four_discretisations_in_use():
    sets = feature_sets("pet")
    assert [s.bin_width for s in sets if s.bin_width] == [0.1, 0.25, 0.5]
    assert [s.bins for s in sets if s.bins] == [64]
    assert {s.lower_bound for s in sets if s.bin_width} == {0.0}
    assert {f for s in sets for f in s.families} == set(FAMILIES)
    assert [s.bin_width for s in feature_sets("ct")] == [25.0]


@pytest.mark.parametrize("modality", ["PT", "CT"])
def test_all_has_every_feature_in_every_aggregation(modality):
    found = {
        (c.feature, c.aggregation)
        for one in feature_sets("all")
        if one.modality == modality
        for c in columns_of(one)
    }
    six = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb")
    expected = {
        (feature, aggregation)
        for feature in CATALOGUE
        for aggregation in (
            aggregations_of(feature.family, six) if feature.family in TEXTURE_FAMILIES else [None]
        )
    }
    assert found == expected


def test_ibsi_ct_is_configuration_c(reference):
    table = json.loads((reference / "ibsi1_reference_values" / "ibsi1_configs.json").read_text())
    said = table["C"]
    (one,) = feature_sets("ibsi_ct")
    assert list(one.spacing_mm) == said["interp"]["spacing"]
    assert (one.interpolation, one.mask_threshold) == ("linear", said["interp"]["pvf"])
    assert one.round_hu == (said["interp"]["round"] == "nearest_integer")
    assert list(one.resegment_range) == said["reseg"]
    assert one.resegment_sigma == said["outlier"]
    assert [one.discretisation, one.bin_width] == ["fixed_bin_size", said["texture_ih"][1]]
    assert one.lower_bound == said["reseg"][0]
    assert one.ivh_bin_width == said["ivh"][1]


def test_every_filter_may_stand_in_a_preset():
    import petnet.radiomics.filters as module
    from petnet.radiomics.filters.spec import Filter

    kinds = {kind.__name__ for kind in Filter.__args__}
    assert set(FILTERS) == kinds
    assert all(hasattr(module, name) for name in FILTERS)
    assert all(asdict(one) for one in feature_sets("filtered")[0].filters)
    assert {Path(t).suffix for t in TARGETS if "filters" in t} == {f".{name}" for name in kinds}
