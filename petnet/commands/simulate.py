"""`petnet simulate`: write a simulated cohort with known truth."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from petnet.commands.common import build

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write the cohort; returns the number of failures, which is 0."""
    out = Path(config.out)
    cohort = build(config.simulation, "simulation")
    if config.format == "dicom":
        from petnet.simulation.dicom.tree import DicomCohort

        cohort = DicomCohort(cohort)
    cohort.write(out, workers=config.workers, overwrite=config.overwrite)
    log.info("the cohort is in %s", out)
    return 0
