"""The crops that are meant for a task hold its lesions: extents of what was drawn, no image."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from petnet.cli import config_folder
from petnet.simulation.lesion import AXIS_RATIOS, ball_radius_mm
from petnet.simulation.nodal import NodalCohort

REACH = max(AXIS_RATIOS)


def extent_mm(patient):
    """(3,): box around the primary and the nodes, each a ball of its longest half-axis."""
    forms = [patient.primary, *(node.form for node in patient.nodes)]
    centers = np.array([form.center for form in forms]) * patient.anatomy.scale
    reach = np.array([REACH * ball_radius_mm(form.volume_ml) for form in forms])[:, None]
    return (centers + reach).max(axis=0) - (centers - reach).min(axis=0)


@pytest.mark.parametrize("asked", ["imaging=chest", "experiment=all_tasks"])
def test_the_chest_holds_a_primary_and_its_nodes(asked):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        imaging = compose("train", ["cohort=x", "task=nodal", asked]).imaging
    cohort = NodalCohort(patients=150, seed=3)
    extents = np.array([extent_mm(cohort.draw(i)) for i in range(150)])
    assert (extents <= imaging.spacing_mm * np.array(imaging.crop_shape)).all()
    assert extents.max() > 150  # so that a crop around one lesion would not do
