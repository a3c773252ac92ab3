"""`petnet convert`: from the scanner's DICOM to a cohort."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.ingest.conversion.job import ConvertOptions
from petnet.ingest.conversion.run import Converted, convert
from petnet.ingest.regions.rules import RegionRules
from petnet.ingest.suv.scale import SuvOptions

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write the cohort; returns the number of patients that failed, or 1 if there is no study."""
    from omegaconf import OmegaConf

    rules: Any = OmegaConf.to_container(config.regions, resolve=True)
    options = ConvertOptions(
        rules=RegionRules.from_config(rules),
        suv=SuvOptions(config.suv, config.lean_body_mass),
        tilt=config.tilt,
        keep_identifiers=config.keep_identifiers,
        same_timepoint_days=config.same_timepoint_days,
        threshold=float(config.threshold),
        split_components=config.split_components,
    )
    out = Path(config.out)
    key = None if config.key is None else Path(config.key)
    made = convert(Path(config.input), out, key, options, config.workers, config.overwrite)
    _say(made)
    studies = len(made.tables["studies"])
    if not studies:
        log.error("no study could be made; %s says why of each series", out / "excluded.csv")
        return max(made.failed, 1)
    log.info("the cohort is in %s", out)
    return made.failed


def _say(made: Converted) -> None:
    """Sum up in the log: studies, regions, exclusions by attribute, warnings."""
    tables = made.tables
    pairs = sum(row["ct"] is not None for row in tables["studies"])
    patients = len({row["patient"] for row in tables["studies"]})
    counts = (len(tables["studies"]), pairs, patients, len(tables["rois"]))
    log.info("%d studies (%d with CT) of %d patients, %d regions", *counts)
    if made.before:
        log.info("patients unchanged since the last run: %d", made.before)
    if made.gone:
        what = "they are in no table, but their images stay"
        log.warning("patients of earlier runs that are not in the input: %d; %s", made.gone, what)
    whole = Counter(row["tag"] for row in tables["excluded"] if not row["region"])
    regions = Counter(row["tag"] for row in tables["excluded"] if row["region"])
    for what, found in (("series or files", whole), ("regions", regions)):
        for tag, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
            log.info("excluded: %d %s by %s", count, what, tag)
    if tables["warnings"]:
        log.warning("%d warnings; warnings.csv names them", len(tables["warnings"]))
