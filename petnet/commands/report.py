"""`petnet report`: draw one or several runs into a self-contained HTML page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from petnet.evaluation.run_folder import find_runs
from petnet.reporting.report import write_report

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


def run(config: DictConfig) -> int:
    """Write the page; returns the number of failures, which is 0."""
    given = [config.run] if isinstance(config.run, str) else list(config.run)
    folders = [Path(path) for path in given]
    out = Path(config.out) if config.out else folders[0] / "report.html"
    log.info("the report is in %s", write_report(find_runs(folders), out))
    return 0
