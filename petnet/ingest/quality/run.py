"""A whole cohort: every study by itself, then all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from petnet.cohort import Cohort
from petnet.ingest.quality.cohort import CentreRow, centre_rows, comparability, copies
from petnet.ingest.quality.finding import CHECKS, COHORT, Finding
from petnet.ingest.quality.study import Looked, look_at
from petnet.progress import track

__all__ = ["Checked", "check_cohort"]


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found in a cohort.

    Attributes
    ----------
    studies : tuple of Looked
        In the order of the studies table.
    findings : tuple of Finding
        By study, those about all studies first; within a study in the order of `CHECKS`.
    centres : tuple of CentreRow
    """

    studies: tuple[Looked, ...]
    findings: tuple[Finding, ...]
    centres: tuple[CentreRow, ...]


def check_cohort(cohort: Cohort, workers: int = 1, draw: bool = True) -> Checked:
    """Look at every study and compare them.

    Parameters
    ----------
    workers : int
        Threads; each holds the images of one study at a time.
    draw : bool
        Whether pictures are wanted.
    """
    looked = tuple(_all_studies(cohort, workers, draw))
    centres = tuple(centre_rows(looked))
    findings = [*comparability(centres), *copies(looked)]
    findings += [finding for one in looked for finding in one.findings]
    order = {str(one.study["study"]): place for place, one in enumerate(looked)} | {COHORT: -1}
    checks = list(CHECKS)
    findings.sort(key=lambda f: (order[f.study], checks.index(f.what)))
    return Checked(looked, tuple(findings), centres)


def _all_studies(cohort: Cohort, workers: int, draw: bool) -> Iterator[Looked]:
    rois: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for roi in cohort.rois.to_dict("records"):
        rois[roi["study"]].append({str(k): v for k, v in roi.items()})
    studies = [{str(k): v for k, v in row.items()} for row in cohort.studies.to_dict("records")]

    def look(study: dict[str, Any]) -> Looked:
        return look_at(cohort, study, rois[study["study"]], draw)

    with ThreadPoolExecutor(workers) as pool:
        yield from track(pool.map(look, studies), "studies", len(studies))
