"""A cohort of elliptic bodies with a lesion and a liver, and one fault planted in each spoiled one.

Made of NumPy and nibabel alone: PET on 6 mm voxels stored from left to right, CT on 5 mm voxels
stored as DICOM is, from right to left and from front to back.
"""

import json

import nibabel as nib
import numpy as np

PET_MM, CT_MM = 6.0, 5.0
BODY_MM = (160.0, 110.0)
LIVER_MM, LIVER_RADIUS_MM = (70.0, 10.0, 20.0), 25.0
WHOLE_MM = 450.0  # half the length of a whole body

STUDY = {
    "timepoint": "baseline", "arm": "fdg", "tracer": "FDG", "modality": "PT/CT", "center": "A",
    "weight_kg": 70, "height_m": 1.75, "sex": "F", "dose_bq": 2.5e8, "uptake_min": 62,
    "scanner": "S", "reconstruction": "OSEM", "earl": "EARL1",
}  # fmt: skip


def axes(half_mm, step, signs):
    """Return shape and affine of a grid around 0 that reaches `half_mm` each way."""
    count = [int(2 * h / step) for h in half_mm]
    affine = np.diag([*(step * np.array(signs)), 1.0])
    affine[:3, 3] = -np.array(signs) * step * (np.array(count) - 1) / 2
    return tuple(count), affine


def world(shape, affine):
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


def ball(at, centre, radius):
    return ((at - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) < radius**2


def body(at, whole):
    """Return an elliptic trunk, or an ellipsoid that tapers to both ends of the field."""
    x, y, z = at[0] / BODY_MM[0], at[1] / BODY_MM[1], at[2] / (WHOLE_MM + 30)
    return x**2 + y**2 + (z**2 if whole else 0) < 1


def save(path, array, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


class Phantom:
    """One study; its fields are changed before it is written."""

    def __init__(self, name, number, whole=False):
        rng = np.random.default_rng(number)
        self.name, self.row, self.sidecar = name, {**STUDY, "patient": name, "study": name}, None
        length = WHOLE_MM if whole else 90.0
        shape, self.pet_affine = axes((204, 156, length), PET_MM, (1, 1, 1))
        at = world(shape, self.pet_affine)
        inside = body(at, whole)
        self.centre = np.array([-50.0, 0.0, 0.0]) + rng.uniform(-12, 12, 3)
        self.radius = 17 + rng.uniform(0, 4)
        self.lesion, self.liver = (
            ball(at, self.centre, self.radius),
            ball(at, LIVER_MM, LIVER_RADIUS_MM),
        )
        self.at = at
        self.suv = np.where(inside, 0.85, 0.0) + rng.uniform(0, 0.05, shape)
        self.suv[self.liver], self.suv[self.lesion] = 2.2, 6.0
        shape, self.ct_affine = axes((216, 168, length + 12), CT_MM, (-1, -1, 1))
        place = world(shape, self.ct_affine)
        table = (np.abs(place[0]) < 180) & (np.abs(place[1] + 124) < 3)  # its shell, below the back
        self.hu = np.where(body(place, whole), 40.0, -1000.0) + rng.uniform(-10, 10, shape)
        self.hu[table] = 100
        self.ct_lesion = ball(place, self.centre, self.radius)
        self.place = place
        self.regions = ["lesion"]
        litres = inside.sum() * PET_MM**3 / 1e6
        if whole:
            self.row["weight_kg"] = round(litres, 1)  # the field holds it all

    def write(self, folder):
        images = folder / "images" / self.name
        save(images / "pet.nii", self.suv.astype(np.float32), self.pet_affine)
        save(images / "ct.nii", self.hu.astype(np.int16), self.ct_affine)
        save(images / "lesion.nii", self.lesion.astype(np.uint8), self.pet_affine)
        save(images / "liver.nii", self.liver.astype(np.uint8), self.pet_affine)
        save(images / "ct_lesion.nii", self.ct_lesion.astype(np.uint8), self.ct_affine)
        if self.sidecar is not None:
            (images / "pet.json").write_text(json.dumps(self.sidecar))

    def rois(self):
        path, uid = f"images/{self.name}", f"{self.name}-L1"
        rows = [
            f"{self.name},lesion,{uid},primary,,{path}/lesion.nii,pet",
            f"{self.name},lesion on CT,{uid},primary,,{path}/ct_lesion.nii,ct",
            f"{self.name},liver,,reference,liver,{path}/liver.nii,pet",
        ]
        if "twice" in self.regions:
            rows.append(f"{self.name},second,{self.name}-L2,node,,{path}/lesion.nii,pet")
        return rows if self.regions else []


def write_phantoms(folder, phantoms):
    """Write images and tables."""
    rows = []
    for phantom in phantoms:
        phantom.write(folder)
        images = f"images/{phantom.name}"
        rows.append({**phantom.row, "pet": f"{images}/pet.nii", "ct": f"{images}/ct.nii"})
    columns = list(rows[0])
    lines = [",".join(columns), *(",".join(str(r[c]) for c in columns) for r in rows)]
    (folder / "studies.csv").write_text("\n".join(lines) + "\n")
    rois = [row for p in phantoms for row in p.rois()]
    head = "study,roi,lesion_uid,role,region,path,grid"
    (folder / "rois.csv").write_text("\n".join([head, *rois]) + "\n")
    patients = dict.fromkeys(p.row["patient"] for p in phantoms)
    (folder / "targets.csv").write_text("\n".join(["patient", *patients]) + "\n")
    return folder


def moved(affine, shift_mm):
    made = affine.copy()
    made[:3, 3] += shift_mm
    return made
