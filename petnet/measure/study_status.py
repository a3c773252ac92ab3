"""What became of a study: the words that tables and maps of features have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from petnet.units import Study

__all__ = ["settled", "status_row"]

IMAGES = {"PT": "PET", "CT": "CT"}


def settled(study: Study, modalities: Collection[str]) -> tuple[str, str]:
    """Return status and reason of a study that is not read; two empty strings for one that is.

    Parameters
    ----------
    modalities : collection of {"PT", "CT"}
        Of the images that something is wanted of.
    """
    if study.skipped:
        return "skipped", study.skipped
    if not study.rows and not study.unnamed:
        return "excluded", "nothing delineated"
    if not study.rows:
        return "failed", _unnamed(study)
    if len(absent := _absent(study, modalities)) == len(set(modalities)):
        return "excluded", _said(absent)
    return "", ""


def status_row(
    study: Study,
    modalities: Collection[str],
    made: int,
    failed: Mapping[str, str],
    fault: str,
) -> dict[str, Any]:
    """Return study, patient, status, the number of rows that failed, and the reason.

    Parameters
    ----------
    made : int
        How many rows or maps there are.
    failed : mapping of str to str
        Why rows could not be made, by their name.
    fault : str
        Why nothing of the study could be read.

    Returns
    -------
    dict
        The reason of a study that is whole says which of the images is not there, if any: what is
        computed of that image is empty.
    """
    state, reason = settled(study, modalities)
    lost = 0
    if not state:
        lost = (len(study.rows) if fault else len(failed)) + len(study.unnamed)
        state = "failed" if lost and not made else "partial" if lost else "ok"
        reasons = [f"{name}: {why}" if name else why for name, why in failed.items()]
        reasons += [_unnamed(study)] if study.unnamed else []
        absent = _absent(study, modalities)
        reason = fault or "; ".join([*reasons, *([_said(absent)] if absent else [])])
    elif state == "failed":
        lost = len(study.unnamed)
    return {
        "study": study.series.study,
        "patient": study.patient,
        "status": state,
        "failed": lost,
        "reason": reason,
    }


def _absent(study: Study, modalities: Collection[str]) -> list[str]:
    there = {"PT": study.series.pet, "CT": study.series.ct}
    return [name for kind, name in IMAGES.items() if kind in modalities and there[kind] is None]


def _said(absent: Collection[str]) -> str:
    return f"no {' and no '.join(absent)} in the studies table"


def _unnamed(study: Study) -> str:
    return f"without a region in the rois table: {', '.join(study.unnamed)}"
