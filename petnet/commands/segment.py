"""`petnet segment`: delineate the lesions of a cohort by a method; a cohort folder for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.cohort import Cohort
from petnet.commands.common import build, open_cohort
from petnet.errors import InputError
from petnet.ingest.regions.rules import safe_name
from petnet.measure.segmented import StudyJob, segment_study
from petnet.measure.segmented_cohort import make_room, write_segmented
from petnet.processes import fresh_pool
from petnet.progress import track
from petnet.segmentation import Method
from petnet.segmentation.cases import Case, cases_of_file, cases_of_rois, reference_regions

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write the cohort of a method; returns the number of lesions that failed."""
    method = build(config.segmentation, "segmentation")
    if not isinstance(method, Method):
        raise InputError("settings", "segmentation", "a method of segmentation", repr(method))
    cohort = open_cohort(config)
    folder = Path(config.out) / method.key
    if folder.resolve() == cohort.root.resolve():
        raise InputError("settings", "out", "another folder than the cohort's", str(folder))
    jobs = _jobs(config, cohort, method, folder)
    make_room(folder, _settings(config, cohort, method), bool(config.overwrite))
    made = _segmented(jobs, int(config.data.workers))
    write_segmented(cohort, folder, made)
    missed = [row for one in made for row in one["status"] if row["status"] != "ok"]
    for row in missed:
        log.error("%s %s failed: %s", row["study"], row["roi"], row["reason"])
    done = sum(len(one["rois"]) for one in made)
    log.info("%s: %d lesions, %d failed; cohort in %s", method.name, done, len(missed), folder)
    return len(missed)


def _jobs(config: DictConfig, cohort: Cohort, method: Method, folder: Path) -> list[StudyJob]:
    """Return the studies that have something to segment, in the order of the table."""
    search_mm, reach_mm = (_distance(config, name) for name in ("search_mm", "reach_mm"))
    cases = _cases(config, cohort)
    references = reference_regions(cohort)
    made: list[StudyJob] = []
    files: list[str] = []
    for row in cohort.studies.to_dict("records"):
        study, pet = str(row["study"]), row["pet"]
        files.append(safe_name(study, files, "study"))
        if study in cases:
            path = cohort.path(pet) if isinstance(pet, str) else None
            found = cases[study], references.get(study, ())
            job = StudyJob(study, files[-1], path, *found, method, folder, search_mm, reach_mm)
            made.append(job)
    return made


def _settings(config: DictConfig, cohort: Cohort, method: Method) -> dict[str, Any]:
    """Return what a folder must have been made with for another run to go on in it."""
    start = "rois" if config.start == "rois" else str(Path(str(config.start)).resolve())
    return {
        "method": method.name,
        "class": type(method).__name__,
        "settings": asdict(method),
        "cohort": str(cohort.root.resolve()),
        "start": start,
        "roles": None if config.roles is None else list(config.roles),
    }


def _distance(config: DictConfig, name: str) -> float:
    value = config[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e4:
        raise InputError("settings", name, "a distance in mm, 0 to 10000", repr(value))
    return float(value)


def _cases(config: DictConfig, cohort: Cohort) -> dict[str, tuple[Case, ...]]:
    """Return the lesions that are looked for, by study."""
    if config.start == "rois":
        return cases_of_rois(cohort, None if config.roles is None else list(config.roles))
    if config.roles is not None:
        raise InputError("settings", "roles", "null with seeds of a file", f"{config.roles}")
    return cases_of_file(Path(str(config.start)), cohort)


def _segmented(jobs: Sequence[StudyJob], workers: int) -> list[dict[str, Any]]:
    if workers <= 1 or len(jobs) <= 1:
        return list(track(map(segment_study, jobs), "segment", len(jobs)))
    with fresh_pool(min(workers, len(jobs))) as pool:
        return list(track(pool.map(segment_study, jobs), "segment", len(jobs)))
