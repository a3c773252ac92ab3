"""The columns of the studies table that a PET header fills."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from petnet.ingest.dicom.elements import items_of, text_of
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.body_size import height_m, sex, weight_kg
from petnet.ingest.suv.half_life import half_life_s
from petnet.ingest.suv.injection import dose_bq, injected_at
from petnet.ingest.suv.moments import timeline
from petnet.ingest.suv.pet_header import PetHeader
from petnet.ingest.suv.values import Ledger

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["acquisition"]

MANUFACTURER, MODEL = 0x00080070, 0x00081090
METHOD, KERNEL = 0x00541103, 0x00181210  # ReconstructionMethod, ConvolutionKernel
ALGORITHMS = 0x00189315  # ReconstructionAlgorithm of Enhanced PET
ITERATIONS, SUBSETS = 0x00189739, 0x00189740
RECONSTRUCTIONS = 0x00189749  # PETReconstructionSequence


def acquisition(header: PetHeader, dataset: Dataset) -> dict[str, float | str | None]:
    """Return what the studies table says of a PET acquisition.

    Parameters
    ----------
    header : PetHeader
        Of the series.
    dataset : pydicom.Dataset
        Header of one of its slices.

    Returns
    -------
    dict
        weight_kg, height_m, dose_bq (at injection), uptake_min (injection to the start of the
        acquisition): float, NaN where the header does not say it, or nothing plausible; sex (M, F
        or O), scanner (manufacturer and model), reconstruction (method and kernel): str, or None.
    """
    return {
        "weight_kg": _known(lambda ledger: weight_kg(header, ledger)),
        "height_m": _known(lambda ledger: height_m(header, ledger)),
        "sex": _sex(header),
        "dose_bq": _known(lambda ledger: dose_bq(header, ledger)),
        "uptake_min": _known(lambda ledger: _uptake_min(header, ledger)),
        "scanner": _joined(dataset, MANUFACTURER, MODEL),
        "reconstruction": _reconstruction(dataset),
    }


def _known(value: Callable[[Ledger], float]) -> float:
    try:
        return value(Ledger())
    except Refused:  # unknown in the table; where SUV needs it, the series is refused by name
        return math.nan


def _sex(header: PetHeader) -> str | None:
    try:
        return sex(header, Ledger())
    except Refused:
        return None


def _uptake_min(header: PetHeader, ledger: Ledger) -> float:
    times = timeline(header)
    injected = injected_at(header, times, half_life_s(header, ledger), ledger)
    start = times.scan if times.start is None else times.start
    return math.nan if start is None else (start - injected) / 60.0


def _joined(dataset: Dataset, *tags: int) -> str | None:
    texts = [text for tag in tags if (text := text_of(dataset, tag))]
    return " ".join(" ".join(texts).replace("\\", " ").split()) or None


def _reconstruction(dataset: Dataset) -> str | None:
    """Return method and kernel; of Enhanced PET algorithm, iterations and subsets."""
    classic = _joined(dataset, METHOD, KERNEL)
    if classic:
        return classic
    group = next(iter(items_of(dataset, RECONSTRUCTIONS)), dataset)
    algorithm = _joined(group, ALGORITHMS)
    iterations, subsets = text_of(group, ITERATIONS), text_of(group, SUBSETS)
    counts = f"{iterations}i{subsets}s" if iterations and subsets else ""
    return f"{algorithm or ''} {counts}".strip() or None
