"""Turn the soft-tissue-sarcoma reference data into a petnet cohort folder.

    python scripts/sts_cohort.py OUT [--reference DIR]

36 patients with FDG PET/CT before treatment, the outlined tumour, and whether lung metastases
appeared. DIR holds the folder `sts`; without it PETNET_REFERENCE is used, else
`../shared/reference` seen from the project. OUT appears whole or not at all, and a second call on
a complete OUT does nothing. Exit code 2: something is missing or in the way.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from petnet.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SOURCE = """\
Soft-tissue sarcoma, FDG PET/CT before treatment, with the outlined tumour and lung metastasis.

Vallières M, Freeman CR, Skamene SR, El Naqa I. A radiomics model from joint FDG-PET and MRI
texture features for the prediction of lung metastases in soft-tissue sarcomas of the extremities.
Data: The Cancer Imaging Archive, doi 10.7937/K9/TCIA.2015.7GO2GSKS; images as cropped and converted
to NIfTI in theibsi/data_sets, outcomes from mvallieres/radiomics. Licence: CC BY 3.0
(https://creativecommons.org/licenses/by/3.0/). Changed here: files renamed, tables added.
"""
STUDIES = [
    "patient",
    "study",
    "timepoint",
    "arm",
    "tracer",
    "modality",
    "pet",
    "ct",
    "weight_kg",
    "height_m",
    "sex",
    "dose_bq",
    "uptake_min",
    "scanner",
    "reconstruction",
    "center",
    "split",
]
ROIS = ["study", "roi", "lesion_uid", "role", "region", "path", "label", "grid", "reader", "method"]
TARGETS = ["patient", "lung_metastasis", "sex", "age", "weight_kg", "height_m"]

Row = dict[str, str]


def read_labels(sts: Path) -> list[Row]:
    """Return the rows of labels.csv, refusing a folder or columns that are not there."""
    path = sts / "labels.csv"
    if not path.is_file():
        raise InputError(
            str(sts),
            "sarcoma reference data",
            "a folder with labels.csv and STS_*/",
            "no labels.csv",
            "Set PETNET_REFERENCE or give --reference",
        )
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    needed = {"patient_id", *TARGETS[1:], "manufacturer", "model"}
    if not rows or not needed <= set(rows[0]):
        found = sorted(rows[0]) if rows else "no rows"
        raise InputError(str(path), "columns", f"{sorted(needed)}", f"{found}")
    return rows


def collect(sts: Path, labels: Sequence[Row]) -> tuple[dict[str, list[Row]], dict[str, Path]]:
    """Return the rows of the three tables, and which file goes where in the cohort.

    Ten patients have CT on its own grid with a tumour outline of its own. That outline is the
    region `gtv_ct` of role `primary_ct`, so that it can be compared with the PET outline and is
    not taken for a second tumour.
    """
    tables: dict[str, list[Row]] = {"studies": [], "rois": [], "targets": []}
    files: dict[str, Path] = {}
    for row in labels:
        patient = row["patient_id"]
        study = f"{patient}_baseline_fdg"
        source, folder = sts / patient, f"images/{patient}"
        own_ct = (source / "CT_image.nii.gz").is_file()
        chosen = {
            "pet": "PET_image",
            "ct": "CT_image" if own_ct else "CT_petgrid",
            "gtv": "PET_mask",
        } | ({"gtv_ct": "CT_mask"} if own_ct else {})
        path = {name: f"{folder}/{name}.nii.gz" for name in chosen}
        files |= {path[name]: source / f"{stem}.nii.gz" for name, stem in chosen.items()}
        common = {"patient": patient, **{k: row[k] for k in ("sex", "weight_kg", "height_m")}}
        tables["studies"].append(
            common
            | {"study": study, "timepoint": "baseline", "arm": "fdg", "tracer": "FDG"}
            | {"modality": "PT/CT", "pet": path["pet"], "ct": path["ct"], "center": "TCIA"}
            | {"scanner": f"{row['manufacturer']} {row['model']}"}
        )
        lesion = {"study": study, "lesion_uid": f"{patient}_gtv", "label": "1", "method": "manual"}
        for roi, role, grid in (("gtv", "primary", "pet"), ("gtv_ct", "primary_ct", "ct")):
            if roi in path:
                tables["rois"].append(
                    lesion | {"roi": roi, "role": role, "grid": grid, "path": path[roi]}
                )
        tables["targets"].append(common | {k: row[k] for k in ("lung_metastasis", "age")})
    missing = [str(p) for p in files.values() if not p.is_file()]
    if missing:
        raise InputError(
            str(sts), "images", f"{len(files)} files", f"{len(missing)} missing: {missing[0]}"
        )
    return tables, files


def as_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as CSV text; absent columns stay empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def is_complete(out: Path, texts: Mapping[str, str], files: Mapping[str, Path]) -> bool:
    """Tell whether `out` already holds exactly these texts, and images of the right size."""
    return all(
        (out / name).is_file() and (out / name).read_text(encoding="utf-8") == text
        for name, text in texts.items()
    ) and all(
        (out / name).is_file() and (out / name).stat().st_size == source.stat().st_size
        for name, source in files.items()
    )


def write(out: Path, texts: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """Write everything beside `out`, then rename.

    Images are copied, not linked: a link would let a change in the cohort reach the reference.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, source in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, temporary / name)
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make(out: Path, reference: Path) -> str:
    """Make the cohort unless it is there; return what to tell the user.

    Raises
    ------
    InputError
        The reference data is missing or not whole, or `out` holds something else.
    """
    sts = reference / "sts"
    labels = read_labels(sts)
    tables, files = collect(sts, labels)
    columns = {"studies": STUDIES, "rois": ROIS, "targets": TARGETS}
    texts = {f"{name}.csv": as_csv(columns[name], rows) for name, rows in tables.items()}
    texts["SOURCE.txt"] = SOURCE
    done = is_complete(out, texts, files)
    if not done:
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise InputError(
                str(out), "folder", "a new or empty one, or this cohort whole", "something else"
            )
        write(out, texts, files)
    positive = sum(row["lung_metastasis"] == "1" for row in tables["targets"])
    own_ct = sum(row["grid"] == "ct" for row in tables["rois"])
    return (
        f"{out}: {'already complete' if done else 'written'}\n"
        f"{len(labels)} patients, {positive} with lung metastasis; "
        f"{own_ct} with CT on its own grid and a CT outline\n{SOURCE}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    default = os.environ.get("PETNET_REFERENCE") or ROOT.parent / "shared" / "reference"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="cohort folder to make")
    parser.add_argument(
        "--reference", type=Path, default=Path(default), metavar="DIR", help="holds the folder sts"
    )
    asked = parser.parse_args(arguments)
    try:
        print(make(asked.out, asked.reference), end="")
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
