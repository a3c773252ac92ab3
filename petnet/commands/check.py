"""`petnet check`: look at every image, mask and table row of a cohort."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from petnet.commands.common import open_cohort
from petnet.files import write_csv
from petnet.ingest.quality import check_study
from petnet.progress import track

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Print and write the findings; returns the number of errors."""
    cohort = open_cohort(config)
    studies = cohort.studies.to_dict("records")
    findings = [
        finding
        for study in track(studies, "studies", len(studies))
        for finding in check_study(cohort, {str(k): v for k, v in study.items()})
    ]
    table = pd.DataFrame([asdict(f) for f in findings])
    for row in table[table["severity"] != "ok"].to_dict("records"):
        print(f"{row['severity']}: {row['study']}: {row['what']}: {row['text']}")
    counts = table["severity"].value_counts()
    errors, warnings = int(counts.get("error", 0)), int(counts.get("warning", 0))
    print(f"{len(studies)} studies, {len(table)} checks: {errors} errors, {warnings} warnings")
    if config.out:
        write_csv(Path(config.out), table)
    return errors
