"""Quality control of a cohort: what is looked at, and what is said of it."""

from petnet.ingest.quality.cohort import CentreRow
from petnet.ingest.quality.finding import CHECKS, COHORT, SEVERITIES, Drawing, Finding, Severity
from petnet.ingest.quality.run import Checked, check_cohort
from petnet.ingest.quality.study import Looked, check_study, look_at
from petnet.ingest.quality.values import (
    check_defined,
    implausible_hu,
    implausible_range,
    implausible_suv,
)

__all__ = [
    "CHECKS",
    "COHORT",
    "SEVERITIES",
    "CentreRow",
    "Checked",
    "Drawing",
    "Finding",
    "Looked",
    "Severity",
    "check_cohort",
    "check_defined",
    "check_study",
    "implausible_hu",
    "implausible_range",
    "implausible_suv",
    "look_at",
]
