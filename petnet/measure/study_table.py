"""The feature table of a cohort's studies: a row per region, per named part, or per study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from petnet.measure.lesion import quantities
from petnet.measure.reading import read_study
from petnet.measure.rows import Item, Rows, compute_rows, key_of
from petnet.measure.study_status import settled, status_row
from petnet.radiomics.extractor import FeatureSet, columns
from petnet.radiomics.kernels.dispatch import resolve_device
from petnet.units import ROW_COLUMNS, RowKind, Study

__all__ = ["STATUS_COLUMNS", "StudyTable", "study_columns", "study_table"]

STATUS_COLUMNS = ("study", "patient", "status", "rows", "failed", "flagged", "reason")


@dataclass(frozen=True, eq=False)
class StudyTable:
    """What became of every study.

    Attributes
    ----------
    table : DataFrame
        A row each: what names it (`ROW_COLUMNS`), its quantities and features (float64; NaN where
        a study has no PET or no CT), and `flagged`: which sets and families lie below the gate
        (`petnet.radiomics.gate`), empty if none do.
    status : DataFrame
        A row per study: study, patient, status, the number of its rows made, failed and flagged,
        reason. The status is "ok"; "partial", where some rows failed; "failed"; "excluded", where
        nothing is delineated or there is no image; "skipped", where the study is not the task's.
        A study that is "ok" has a reason where its PET or its CT is not there.
    """

    table: pd.DataFrame
    status: pd.DataFrame

    @property
    def failures(self) -> int:
        """The number of studies of which a row is missing."""
        return int(self.status["status"].isin(["partial", "failed"]).sum())


def study_columns(references: Sequence[str], sets: Sequence[FeatureSet]) -> list[str]:
    """Name the columns of quantities and features, in order."""
    own = [f"measure__{name}" for name in quantities(references)]
    return own + [column for one in sets for column in columns(one)]


def study_table(
    studies: Sequence[Study],
    kind: RowKind,
    sets: Sequence[FeatureSet] = (),
    references: Sequence[str] = (),
    device: str = "auto",
    cache: Path | None = None,
    workers: int = 2,
) -> StudyTable:
    """Compute every feature of every row.

    Parameters
    ----------
    studies : sequence of Study
        Of `select_studies` with the same `kind`.
    sets : sequence of FeatureSet
        None gives the lesion quantities alone.
    references : sequence of str
        Regions of the body that the rows' uptake is set against.
    device : {"auto", "cpu", "cuda"}
    cache : Path, optional
        Folder of the studies already computed, keyed by all that their rows depend on.
    workers : int
        Threads that read and decompress.

    Notes
    -----
    Each row is decided by itself: a region at fault is missing from the table, with its reason in
    the status of its study, and the study's other rows are there. Quantities of a row of several
    lesions are those of `burden`, its features those of their union.
    """
    folder = None if cache is None else Path(cache) / "features"
    chosen = resolve_device(device)
    modalities = {one.modality for one in sets} | {"PT"}
    items = [
        _item(s, kind, tuple(sets), tuple(references))
        for s in studies
        if not any(settled(s, modalities))
    ]
    made = compute_rows(items, sets, chosen, folder, workers)
    rows: list[dict[str, Any]] = []
    status = []
    for study in studies:
        found = made.get(study.series.study, Rows())
        for row in study.rows:
            if row.name in found.values:
                flagged = {"flagged": found.flagged[row.name]}
                rows.append(row.columns | found.values[row.name] | flagged)
        flagged_rows = sum(bool(note) for note in found.flagged.values())
        counts = {"rows": len(found.values), "flagged": flagged_rows}
        own = status_row(study, modalities, len(found.values), found.failed, found.fault)
        status.append(own | counts)
    table = _frame(rows, kind, study_columns(references, sets))
    return StudyTable(table, pd.DataFrame(status, columns=list(STATUS_COLUMNS)))


def _frame(rows: list[dict[str, Any]], kind: RowKind, features: list[str]) -> pd.DataFrame:
    """Make the table; its types depend on its columns alone, not on what was found."""
    types = {name: "Int64" if name == "label" else "str" for name in ROW_COLUMNS[kind]}
    types |= dict.fromkeys(features, "float64") | {"flagged": "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def _item(
    study: Study, kind: RowKind, sets: tuple[FeatureSet, ...], references: tuple[str, ...]
) -> Item:
    parts = [(row.name, [r.roi for r in row.regions]) for row in study.rows]
    modalities = {one.modality for one in sets}
    return Item(
        study.series.study,
        lambda: key_of((kind, parts, references), sets, [study.series], {"PT"} | modalities),
        lambda: read_study(study, references, modalities),
    )
