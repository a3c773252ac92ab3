"""What becomes of the files of a broken series: the same, a named exclusion, or something wrong."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mutation_bases import AFFINE, PERSON, SHAPE, base

from petnet.errors import InputError
from petnet.ingest.conversion.patients import group_files
from petnet.ingest.conversion.selection import Exclusion, classify
from petnet.ingest.dicom.dicom_file import lenient
from petnet.ingest.dicom.images import load_ct, load_pet
from petnet.ingest.dicom.scan import scan_tree
from petnet.ingest.dicom.series import read_series
from petnet.ingest.dicom.series_header import read_series_header
from petnet.ingest.regions.rtstruct import read_rtstruct, structure_region
from petnet.ingest.regions.segments import read_segmentation, segment_regions
from petnet.ingest.suv.acquisition import acquisition
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions

OPTIONS = SuvOptions()
#: What must not stand in a reason: it is written where pseudonyms are.
SECRETS = (PERSON.patient_id, "Doe", "Planted", PERSON.birth_date, "1.2.826", "1.2.840")


@dataclass
class Outcome:
    """What was read: arrays by number, reasons for what was not, and what was told beside."""

    arrays: dict = field(default_factory=dict)
    affine: np.ndarray | None = None
    refused: dict = field(default_factory=dict)
    warnings: tuple = ()

    def verdict(self, base):
        """Return "same", "refused" or "wrong"."""
        if self.affine is not None and not np.allclose(self.affine, AFFINE, atol=1e-4):
            return "wrong"
        for number, array in self.arrays.items():
            truth = base.truth.get(number)
            if truth is None or array.shape != truth.shape or not _alike(array, truth, base):
                return "wrong"
        if self.arrays.keys() >= base.truth.keys():
            return "same"
        return "refused" if self.refused else "wrong"

    @property
    def tags(self):
        return " ".join(tag for tag, _ in self.refused.values())

    def leaks(self, folder):
        """Return reasons that hold what identifies someone."""
        texts = [f"{tag} {reason}" for tag, reason in self.refused.values()] + [*self.warnings]
        return [text for text in texts if any(s in text for s in (*SECRETS, str(folder)))]


def problem(mutation, name, seed):
    """Break a series, read it, and return what is not as declared; None where all is."""
    unbroken = base(name)
    with lenient():  # of what pydicom says of files that are broken already
        files = mutation.mutate(list(unbroken.files), np.random.default_rng(seed))
    if tuple(files) == unbroken.files and mutation.declared:
        return "nothing was changed"
    with TemporaryDirectory() as folder:
        for k, file in enumerate(files):
            (Path(folder) / f"{k:03d}.dcm").write_bytes(file)
        with warnings.catch_warnings(action="error"):
            outcome = read(Path(folder))
        leaks = outcome.leaks(folder)
    if leaks:
        return f"identifies someone: {leaks}"
    return _judged(mutation, mutation.expected[name], outcome, outcome.verdict(unbroken))


def _judged(mutation, expected, outcome, verdict):
    if verdict == "refused":
        if not all(tag and reason for tag, reason in outcome.refused.values()):
            return f"excluded without a reason: {outcome.refused}"
        named = not mutation.tags or any(tag in outcome.tags for tag in mutation.tags)
        if expected not in ("same", "undetectable") and not named:
            return f"excluded by {outcome.tags}, not by one of {mutation.tags}"
    allowed = {
        "same": ("same",),
        "refused": ("refused",),
        "either": ("same", "refused"),
        "warned": ("same", "refused", *(["wrong"] if outcome.warnings else [])),
        "undetectable": ("same", "refused", "wrong"),
    }[expected]
    told = (*outcome.refused.values(), *outcome.warnings)
    return None if verdict in allowed else f"declared {expected}, but was {verdict}: {told}"


def _alike(array, truth, base):
    if not base.tolerance:
        return np.array_equal(array, truth)
    return np.allclose(array, truth, rtol=1e-5, atol=base.tolerance)


def read(folder):
    """Read what lies in a folder as `petnet convert` does: the series of the most files."""
    tree = scan_tree(folder)
    groups = group_files(tree.files)
    if not groups:
        return Outcome(refused=dict(enumerate(map(_why, tree.unreadable))) or _nothing(tree))
    files = max(groups, key=len)
    header = read_series_header(files)
    use = classify(header)
    if isinstance(use, Exclusion):
        return Outcome(refused={-1: (use.tag, use.reason)})
    try:
        return {"pet": _pet, "ct": _ct, "rtstruct": _structures, "seg": _segments}[use](files)
    except InputError as error:  # as region_sources and convert_regions take it
        return Outcome(refused={-1: (error.field, _reason(error))})


def _why(unreadable):
    return unreadable.tag, unreadable.reason


def _nothing(tree):
    """No file looks like DICOM any more, as `others` counts."""
    return {-1: ("file", "no DICOM")} if tree.others else {}


def _reason(error):
    return getattr(error, "reason", None) or f"expected {error.expected}, but got {error.found}"


def _pet(files):
    series = read_series(files)
    volume, scale = load_pet(series, OPTIONS)
    scale.record(), acquisition(read_pet_header([s.header for s in series.slices]), series.header)
    told = (*scale.warnings, *series.notes)
    return Outcome({0: volume.array}, volume.affine, warnings=told)


def _ct(files):
    series = read_series(files, "correct")
    volume = load_ct(series)
    return Outcome({0: volume.array}, volume.affine, warnings=series.notes)


def _structures(files):
    outcome = Outcome()
    for structure in read_rtstruct(files[0].path).structures:
        try:
            outcome.arrays[structure.number] = structure_region(structure, SHAPE, AFFINE).mask
        except InputError as error:
            outcome.refused[structure.number, structure.name] = (error.field, _reason(error))
    return outcome


def _segments(files):
    regions = segment_regions(read_segmentation(files[0].path), SHAPE, AFFINE)
    return Outcome({region.number: region.mask for region in regions})
