"""`petnet check`: look at every image, mask and table row of a cohort."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from petnet.commands.common import open_cohort, with_suffix
from petnet.errors import InputError
from petnet.files import write_csv
from petnet.ingest.quality import Checked, Finding, check_cohort
from petnet.reporting.check_page import write_check_page

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Print what is not sound, write findings and page; returns the number of errors."""
    cohort = open_cohort(config)
    checked = check_cohort(cohort, int(config.data.workers), draw=bool(config.out))
    for finding in checked.findings:
        if finding.severity in ("warning", "error"):
            region = f" {finding.region}" if finding.region else ""
            print(f"{finding.severity}: {finding.study}: {finding.what}{region}: {finding.text}")
    counts = Counter(finding.severity for finding in checked.findings)
    summary = f"{counts['error']} errors, {counts['warning']} warnings"
    looked_at = f"{len(checked.studies)} studies, {len(checked.findings)} checks"
    print(f"{looked_at}: {summary}, {counts['not assessable']} not assessable")
    if config.out:
        _write(Path(config.out), checked, cohort.root.resolve().name)
    return counts["error"]


def _write(out: Path, checked: Checked, cohort: str) -> None:
    page = with_suffix(out, ".html")
    if page == out:
        raise InputError("settings", "out", "the name of a CSV file", repr(str(out)))
    columns = [field.name for field in fields(Finding)]
    write_csv(out, pd.DataFrame([asdict(f) for f in checked.findings], columns=columns))
    write_check_page(page, checked, cohort)
    log.info("the page is %s", page)
