"""Whole trees with broken files through `petnet convert`: an account of each file, no defect."""

import csv
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pytest
from mutated import SECRETS
from mutation_bases import AFFINE, CT, ENHANCED, PET, REGIONS, base, masks
from mutations import TABLE

from petnet.cli import main
from petnet.ingest.dicom.dicom_file import lenient

TREES = 200


def kinds_of(generator):
    """Draw two PET series, a CT and two files of regions."""
    pet = generator.choice([*PET, ENHANCED], size=2, replace=False)
    seg = generator.choice(REGIONS[1:])
    return [str(name) for name in (*pet, generator.choice([*CT]), "rtstruct", seg)]


def write_tree(folder, seed):
    """Write a patient's files, one to three of the series broken; return what was done."""
    generator = np.random.default_rng(seed)
    names = kinds_of(generator)
    broken = {names[k] for k in generator.integers(len(names), size=int(generator.integers(1, 4)))}
    said = []
    for name in names:
        files = list(base(name).files)
        if name in broken:
            mine = [mutation for mutation in TABLE if name in mutation.expected]
            mutation = mine[int(generator.integers(len(mine)))]
            said.append(f"{name}: {mutation.name}")
            with lenient():
                files = mutation.mutate(files, generator)
        (folder / name).mkdir(parents=True)
        for k, file in enumerate(files):
            (folder / name / f"{k:03d}.dcm").write_bytes(file)
    write_masks(folder / names[0], generator)
    return said


def write_masks(folder, generator):
    """Write a mask of NIfTI, its bytes changed in every second tree."""
    path = folder / "lesion.nii"
    nib.save(nib.Nifti1Image(masks()[1].astype(np.uint8), AFFINE), path)
    data = bytearray(path.read_bytes())
    if generator.integers(2):
        for at in generator.integers(352, size=5):  # of the header
            data[at] = int(generator.integers(256))
    path.write_bytes(data)


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def faults_of(tree, out, code):
    """Return what is wrong with a conversion."""
    if code not in (0, 1):
        return [f"exit code {code}"]
    series, excluded = rows(out / "series.csv"), rows(out / "excluded.csv")
    faults = []
    files = sum(path.is_file() for path in tree.rglob("*"))
    if sum(int(row["files"]) for row in series) != files:
        faults.append(f"{files} files, but {[(r['series'], r['files']) for r in series]}")
    if len({row["series"] for row in series}) != len(series):
        faults.append("a series twice")
    faults += [f"nothing said of {r['series']}" for r in series if not (r["used_as"] or r["tag"])]
    faults += [f"defect: {r['reason']}" for r in excluded if r["tag"] == "conversion"]
    faults += [path.read_text() for path in out.with_name("out-key").rglob("defects/*.txt")]
    for path in out.rglob("*"):
        text = path.read_bytes() if path.is_file() and path.suffix != ".gz" else b""
        faults += [f"{secret} in {path.name}" for secret in SECRETS if secret.encode() in text]
    return faults


def convert_tree(seed):
    with TemporaryDirectory() as folder:
        tree, out = Path(folder) / "in", Path(folder) / "out"
        said = write_tree(tree, seed)
        try:
            code = main(["convert", f"input='{tree}'", f"out='{out}'", "workers=1"])
            faults = faults_of(tree, out, code)
        except Exception as error:
            faults = [f"{type(error).__name__}: {error}"]
        return [f"seed {seed}, {said}: {fault}" for fault in faults]


@pytest.mark.parametrize("seed", range(3))
def test_a_tree_with_broken_files(seed):
    assert convert_tree(seed) == []


@pytest.mark.full
def test_hundreds_of_trees_with_broken_files():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(convert_tree, range(TREES), chunksize=10))
    assert [fault for faults in found for fault in faults] == []
