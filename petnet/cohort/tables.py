"""The cohort: three tables (studies, rois, targets), their schema, reading and checking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.cohort.reading import read_table
from petnet.errors import InputError
from petnet.files import content_hash, hash_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cohort", "read_cohort"]

STUDY_TEXT = ("patient", "study", "timepoint", "arm", "tracer", "modality", "pet", "ct")
STUDY_TEXT_OPTIONAL = ("sex", "scanner", "reconstruction", "center", "earl", "split")
STUDY_NUMBERS = ("weight_kg", "height_m", "dose_bq", "uptake_min")
ROI_TEXT = ("study", "roi", "role", "path", "grid")
ROI_TEXT_OPTIONAL = ("lesion_uid", "region", "reader", "method")
MANIFEST = ("patient", "pet", "mask")
# Columns of a manifest that say nothing of the patient; and those that change from day to day, of
# which the first value is taken.
OF_THE_STUDY = {
    *STUDY_TEXT, *STUDY_TEXT_OPTIONAL, *STUDY_NUMBERS, "mask", "role", "label", "grid",
} - {"patient", "sex", "weight_kg", "height_m"}  # fmt: skip
OF_THE_DAY = ("weight_kg", "height_m")
STUDY_DEFAULTS = {"timepoint": "baseline", "arm": "fdg", "tracer": "FDG", "modality": "PT/CT"}


@dataclass(frozen=True, eq=False)
class Cohort:
    """The tables of a cohort folder.

    Attributes
    ----------
    root : Path
        The folder; paths in the tables are relative to it.
    studies, rois, targets : pandas.DataFrame
        As DESIGN's "currency"; text columns hold str or None, numbers float64.
    """

    root: Path
    studies: pd.DataFrame
    rois: pd.DataFrame
    targets: pd.DataFrame

    def path(self, relative: str) -> Path:
        """Return the absolute path of an entry of the tables."""
        return self.root / relative

    def files(self) -> list[str]:
        """Every image and mask that the tables name, sorted, relative to `root`."""
        named = [*self.studies["pet"], *self.studies["ct"], *self.rois["path"]]
        return sorted({name for name in named if isinstance(name, str)})

    def fingerprint(self) -> str:
        """Hash of the tables and of every file they name; absent files count as absent."""
        files = {
            name: content_hash(self.path(name)) if self.path(name).is_file() else None
            for name in self.files()
        }
        tables = [t.to_json(orient="split") for t in (self.studies, self.rois, self.targets)]
        return hash_of(tables, files)


def read_cohort(folder: Path | str, allow_outside: bool = False) -> Cohort:
    """Read and check a cohort folder, or a one-file `manifest.csv`.

    Parameters
    ----------
    folder : path
        A folder with studies, rois and targets (CSV or Parquet) or with manifest.csv, or the
        manifest itself.
    allow_outside : bool
        Whether paths may leave the folder.

    Raises
    ------
    InputError
        Naming table, row and column.
    """
    folder = Path(folder)
    if folder.is_file():
        return _from_manifest(folder, allow_outside)
    if not folder.is_dir():
        raise InputError("cohort", "folder", "an existing folder or manifest file", str(folder))
    if _find(folder, "studies") is None and (folder / "manifest.csv").is_file():
        return _from_manifest(folder / "manifest.csv", allow_outside)
    paths = {}
    for name in ("studies", "rois", "targets"):
        found = _find(folder, name)
        if found is None:
            raise InputError(
                str(folder), name, f"{name}.csv or {name}.parquet, or a manifest.csv", "neither"
            )
        paths[name] = found
    tables = {name: read_table(path) for name, path in paths.items()}
    return _checked(folder, tables, {n: str(p) for n, p in paths.items()}, allow_outside)


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / f"{name}{suffix}" for suffix in (".csv", ".parquet")]
    return next((path for path in candidates if path.is_file()), None)


def _from_manifest(path: Path, allow_outside: bool) -> Cohort:
    """Expand one row per study (`patient, pet, ct, mask`, acquisition, targets) into the three."""
    import pandas as pd

    table = read_table(path)
    for column in MANIFEST:
        if column not in table:
            raise InputError(
                str(path), "columns", f"at least {', '.join(MANIFEST)}", f"no {column!r}"
            )
    nameless = [row for row, value in enumerate(table["patient"], 2) if value is None]
    if nameless:
        raise InputError(str(path), f"row {nameless[0]}, column patient", "a value", "nothing")
    for column, value in STUDY_DEFAULTS.items():
        table[column] = table[column].fillna(value) if column in table else value
    if "study" not in table:
        table["study"] = table["patient"] + "_" + table["timepoint"] + "_" + table["arm"]
    if "ct" not in table:
        table["ct"] = None
    studies = table[[c for c in (*STUDY_TEXT, *STUDY_TEXT_OPTIONAL, *STUDY_NUMBERS) if c in table]]
    rois = pd.DataFrame(
        {
            "study": table["study"],
            "roi": "lesion",
            "lesion_uid": table["patient"].str.replace("/", "_"),
            "role": table.get("role", "primary"),
            "path": table["mask"],
            "label": table.get("label", None),
            "grid": table.get("grid", "pet"),
        }
    ).dropna(subset=["path"])
    kept = [c for c in table if c not in OF_THE_STUDY]
    targets = _one_row_per_patient(str(path), table[kept])
    tables = {"studies": studies, "rois": rois, "targets": targets}
    return _checked(path.parent, tables, dict.fromkeys(tables, str(path)), allow_outside)


def _one_row_per_patient(source: str, table: pd.DataFrame) -> pd.DataFrame:
    """Bring a patient's rows together: a value may stand in any of them, but only one value."""
    known = table.groupby("patient", sort=False)
    for column in table.columns.drop("patient"):
        counts = known[column].nunique()
        if column not in OF_THE_DAY and (counts > 1).any():
            patient = counts.index[counts > 1][0]
            values = sorted(set(table.loc[table["patient"] == patient, column].dropna()))
            raise InputError(
                source, f"patient {patient}, column {column}", "one value per patient", f"{values}"
            )
    merged = known.first().reset_index().astype(object)
    return merged.where(merged.notna(), None)


def _schemas() -> dict[str, Any]:
    import pandera.pandas as pa

    def text(required: bool = True, **more: Any) -> pa.Column:
        return pa.Column(str, nullable=not required, required=required, coerce=False, **more)

    positive = pa.Check.gt(0, error="a number above 0")
    studies = {name: text() for name in ("patient", "timepoint", "arm", "tracer", "modality")}
    studies["study"] = text(unique=True)
    studies |= {name: pa.Column(str, nullable=True) for name in ("pet", "ct")}
    studies |= {name: text(required=False) for name in STUDY_TEXT_OPTIONAL}
    studies |= {
        name: pa.Column(float, positive, nullable=True, required=False, coerce=True)
        for name in STUDY_NUMBERS
    }
    rois = {name: text() for name in ("study", "roi", "role", "path")}
    rois["grid"] = text(checks=pa.Check.isin(["pet", "ct"], error="pet or ct"))
    rois |= {name: text(required=False) for name in ROI_TEXT_OPTIONAL}
    whole = pa.Check(lambda values: values % 1 == 0, error="a whole number")
    rois["label"] = pa.Column(float, [positive, whole], nullable=True, required=False, coerce=True)
    targets = {"patient": text(), "lesion_uid": text(required=False), "region": text(False)}
    return {
        "studies": pa.DataFrameSchema(studies),
        "rois": pa.DataFrameSchema(rois),
        "targets": pa.DataFrameSchema(targets),
    }


def _validate(name: str, source: str, table: pd.DataFrame, schema: Any) -> pd.DataFrame:
    import pandera.pandas as pa

    for column in schema.columns:
        if column in table and schema.columns[column].dtype.type is str:
            table[column] = table[column].map(lambda v: v if v is None or v != v else str(v))
    if table.empty:  # no value that could be wrong, but the columns must be there
        absent = [c for c, rule in schema.columns.items() if rule.required and c not in table]
        if absent:
            raise InputError(source, f"table {name}", f"a column {absent[0]!r}", f"{list(table)}")
        return table
    try:
        valid: pd.DataFrame = schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        case = errors.failure_cases.iloc[0]
        if case["check"] == "column_in_dataframe":
            raise InputError(
                source, f"table {name}", f"a column {case['failure_case']!r}", f"{list(table)}"
            ) from None
        row = "" if case["index"] is None else f", row {int(case['index']) + 2}"
        expected = {
            "not_nullable": "a value",
            "field_uniqueness": "unique values",
            "coerce_dtype('float64')": "a number",
        }.get(case["check"], str(case["check"]))
        found = "nothing" if case["check"] == "not_nullable" else repr(case["failure_case"])
        places = errors.failure_cases[["column", "index"]].dropna().drop_duplicates()
        more = len(places) - 1
        raise InputError(
            source,
            f"table {name}{row}, column {case['column']}",
            expected,
            found + (f" (and {more} more such problems)" if more > 0 else ""),
        ) from None
    return valid


def _checked(
    root: Path, tables: dict[str, pd.DataFrame], sources: dict[str, str], allow_outside: bool
) -> Cohort:
    schemas = _schemas()
    tables = {n: _validate(n, sources[n], t.copy(), schemas[n]) for n, t in tables.items()}
    studies, rois, targets = tables["studies"], tables["rois"], tables["targets"]
    if studies.empty:
        raise InputError(sources["studies"], "table studies", "at least one row", "none")
    _check_known(sources["rois"], "rois", "study", rois["study"], studies["study"])
    _check_known(sources["targets"], "targets", "patient", targets["patient"], studies["patient"])
    _check_targets_unique(sources["targets"], targets)
    _check_split(sources["studies"], studies)
    _check_series(sources["studies"], studies)
    _check_masks(sources["rois"], studies, rois)
    for name, table in (("rois", rois), ("targets", targets)):
        _check_no_slash(sources[name], name, table)
    if not allow_outside:
        named = [("studies", "pet"), ("studies", "ct"), ("rois", "path")]
        for name, column in named:
            _check_inside(root, sources[name], name, column, tables[name])
    return Cohort(root, studies, rois, targets)


def _check_known(
    source: str, table: str, column: str, values: Iterable[str], known: Iterable[str]
) -> None:
    known = set(known)
    for row, value in enumerate(values, 2):
        if value not in known:
            raise InputError(
                source,
                f"table {table}, row {row}, column {column}",
                f"a {column} of the studies table",
                repr(value),
            )


def _check_targets_unique(source: str, targets: pd.DataFrame) -> None:
    keys = [c for c in ("patient", "lesion_uid", "region") if c in targets]
    doubled = targets[targets.duplicated(keys, keep=False)]
    if len(doubled):
        raise InputError(
            source,
            f"table targets, row {int(doubled.index[1]) + 2}, columns {', '.join(keys)}",
            "one row per unit",
            f"{doubled.iloc[1][keys].tolist()} twice",
        )


def _check_series(source: str, studies: pd.DataFrame) -> None:
    keys = ["patient", "timepoint", "arm"]
    doubled = studies[studies.duplicated(keys)]
    if len(doubled):
        raise InputError(
            source,
            f"table studies, row {int(doubled.index[0]) + 2}, columns {', '.join(keys)}",
            "one study per patient, timepoint and arm",
            f"{doubled.iloc[0][keys].tolist()} twice",
        )


def _check_masks(source: str, studies: pd.DataFrame, rois: pd.DataFrame) -> None:
    """Refuse an image in the place of a mask, and a region that is told twice."""
    images = {Path(p) for p in (*studies["pet"], *studies["ct"]) if isinstance(p, str)}
    for row, path in enumerate(rois["path"], 2):
        if Path(path) in images:
            raise InputError(
                source,
                f"table rois, row {row}, column path",
                "a mask",
                f"{path!r}, which the studies table names as an image",
            )
    doubled = rois[rois.duplicated()]
    if len(doubled):
        raise InputError(
            source,
            f"table rois, row {int(doubled.index[0]) + 2}",
            "one row per region",
            f"the same row twice (study {doubled.iloc[0]['study']})",
        )


def _check_no_slash(source: str, name: str, table: pd.DataFrame) -> None:
    """A unit is named `patient/part`: the part must not hold the separator."""
    for column in ("lesion_uid", "region"):
        for row, value in enumerate(table.get(column, ()), 2):
            if isinstance(value, str) and "/" in value:
                raise InputError(
                    source, f"table {name}, row {row}, column {column}", "no '/'", repr(value)
                )


def _check_split(source: str, studies: pd.DataFrame) -> None:
    if "split" not in studies:
        return
    for patient, splits in studies.groupby("patient")["split"]:
        if len(set(splits)) > 1:
            raise InputError(
                source,
                f"table studies, patient {patient}, column split",
                "one split per patient",
                f"{sorted(map(str, splits.unique()))}",
            )


def _check_inside(root: Path, source: str, table: str, column: str, frame: pd.DataFrame) -> None:
    base = root.resolve()
    for row, value in enumerate(frame[column], 2):
        if isinstance(value, str) and not (root / value).resolve().is_relative_to(base):
            raise InputError(
                source,
                f"table {table}, row {row}, column {column}",
                f"a path inside {root}",
                repr(value),
                "Set data.allow_outside=true if this is meant",
            )
