"""Every YAML under configs/ composes, and every `_target_` in it can be built."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.cli import VERBS, config_folder

FOLDER = config_folder()
GROUPS = sorted(
    (path.parent.name, path.stem) for path in FOLDER.glob("*/*.yaml") if path.parent.name != "hydra"
)
VERB_OF = {"simulation": "simulate", "segmentation": "segment", "regions": "convert"}
# Choices that ask the task for something that the default task does not have.
TASK_OF = {"lr_metabolic": "nodal", "lr_ct": "nodal"}
GIVEN = {
    "simulate": ["out=x"], "convert": ["input=x", "out=y"], "check": ["cohort=x"],
    "extract": ["cohort=x"], "train": ["cohort=x"],
    "predict": ["cohort=x", "run=x"], "report": ["run=x"],
    "segment": ["cohort=x", "out=y"], "diff": ["runs=[x,y]"], "selftest": [],
}  # fmt: skip


def composed(verb, *overrides):
    with initialize_config_dir(str(FOLDER), version_base="1.3"):
        return compose(verb, overrides=[*GIVEN[verb], *overrides])


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_config_without_gaps(verb):
    assert OmegaConf.missing_keys(composed(verb)) == set()


@pytest.mark.parametrize(("group", "choice"), GROUPS)
def test_each_choice_composes_and_builds(group, choice):
    task = [f"task={TASK_OF[choice]}"] if choice in TASK_OF else []
    config = composed(VERB_OF.get(group, "train"), f"{group}={choice}", *task)
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    if "_target_" in (config.get(group) or {}):
        assert instantiate(config[group], _convert_="all") is not None
    for part in (config.get("features") or {}).get("sets", {}).values():
        assert instantiate(part).name


def test_no_yaml_is_out_of_reach():
    top = {path.stem for path in FOLDER.glob("*.yaml")}
    assert top == {*VERBS, "config"}
    deeper = {str(p.relative_to(FOLDER)) for p in FOLDER.glob("*/*/*.yaml")}
    assert deeper == {"hydra/job_logging/petnet.yaml"}
