"""A tiny sound cohort, made of NumPy and nibabel alone, and the ways to spoil one study of it."""

import gzip
import shutil
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import nibabel as nib
import numpy as np

from petnet.cli import main

SHAPE = (20, 20, 20)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
GRID = np.indices(SHAPE) - 9.5
RADIUS = np.sqrt((GRID**2).sum(axis=0))
LESION = RADIUS < 3.3
TASK = """\
_target_: petnet.task.Task
name: tiny
kind: binary
target: label
roles: [primary]
clinical: {numeric: [age], log: [marker], categorical: {sex: [F, M]}}
baselines: {SUVmax: higher}
"""


def printed(arguments):
    """Run the command line; return its exit code and everything that it printed."""
    text = StringIO()
    with redirect_stdout(text), redirect_stderr(text):
        code = main([str(argument) for argument in arguments])
    return code, text.getvalue()


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def write_study(folder, number):
    """Write PET (SUV), CT (HU) and mask of one patient."""
    rng = np.random.default_rng(number)
    suv = np.where(LESION, 5.0 + number / 10, 1.0) + rng.uniform(0, 0.5, SHAPE)
    hu = np.where(RADIUS < 9, 40.0, -1000.0) + rng.uniform(-10, 10, SHAPE)
    save(folder / "pet.nii.gz", suv.astype(np.float32))
    save(folder / "ct.nii.gz", hu.astype(np.int16))
    save(folder / "mask.nii.gz", LESION.astype(np.uint8))


def rows(patients):
    """Return the lines of the three tables."""
    studies = ["patient,study,timepoint,arm,tracer,modality,pet,ct,center,split"]
    rois = ["study,roi,lesion_uid,role,path,label,grid"]
    targets = ["patient,label,age,marker,sex"]
    for i, p in enumerate(patients):
        images, split = f"images/{p}", "train" if i % 3 else "test"
        studies.append(
            f"{p},{p}-1,baseline,fdg,FDG,PT/CT,{images}/pet.nii.gz,{images}/ct.nii.gz,A,{split}"
        )
        rois.append(f"{p}-1,lesion,{p}-L1,primary,{images}/mask.nii.gz,1,pet")
        targets.append(f"{p},{i // 2 % 2},{50 + i},{1.5 + i},{'FM'[i % 2]}")
    return {"studies": studies, "rois": rois, "targets": targets}


def write_tables(folder, tables):
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_cohort(folder, names):
    """Write a cohort of the given patients."""
    for number, name in enumerate(names):
        write_study(folder / "images" / name, number)
    write_tables(folder, rows(names))
    return folder


def edit(folder, table, old, new):
    """Replace a text that must occur in a table."""
    path = folder / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} not in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


# ------------------------------------------------------------------ one spoiled study each


def array_of(study, name):
    return np.asarray(nib.load(study / f"{name}.nii.gz").dataobj)


def plain(study, name):
    """Return the bytes of the uncompressed file."""
    return gzip.decompress((study / f"{name}.nii.gz").read_bytes())


def patch(study, name, **fields):
    """Write header fields as they are, without the mending that nibabel does."""
    data = plain(study, name)
    header = nib.Nifti1Header(data[:348], check=False)
    for key, value in fields.items():
        header[key] = value
    spoiled = header.binaryblock + data[348:]
    (study / f"{name}.nii.gz").write_bytes(gzip.compress(spoiled))


def truncate_gz(study, name="pet"):
    path = study / f"{name}.nii.gz"
    path.write_bytes(path.read_bytes()[:-2000])


def truncate_nii(study, cohort):
    (study / "pet.nii").write_bytes(plain(study, "pet")[:-4000])
    (study / "pet.nii.gz").unlink()
    edit(cohort, "studies", f"/{study.name}/pet.nii.gz", f"/{study.name}/pet.nii")


def with_voxel(study, name, where, value):
    array = array_of(study, name).astype(np.float32)
    array[where] = value
    save(study / f"{name}.nii.gz", array)


def rescale(study, name, slope, intercept=0.0, dtype=np.float32):
    save(study / f"{name}.nii.gz", (array_of(study, name) * slope + intercept).astype(dtype))


def move(study, name, affine):
    save(study / f"{name}.nii.gz", array_of(study, name), affine)


def sheared():
    affine = AFFINE.copy()
    affine[0, 1] = 0.4
    return affine


def shifted():
    affine = AFFINE.copy()
    affine[0, 3] = 3.0
    return affine


def colour(study):
    array = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(study / "pet.nii.gz", array)


def mgh(study):
    nib.save(nib.MGHImage(array_of(study, "pet"), AFFINE), study / "pet.mgz")
    shutil.move(study / "pet.mgz", study / "pet.nii.gz")
