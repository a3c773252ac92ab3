"""`petnet convert` killed at any moment, with all its processes, then finished.

Oracle: a run that nobody killed, byte by byte, and the tree itself, read by pydicom alone.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from dicom_trees import (
    AFFINE,
    LESION,
    NODE,
    contents,
    examination,
    named,
    pet_volume,
    rows,
    write_study,
)
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from petnet.cli import main
from petnet.simulation.dicom.extras import write_capture, write_dose_report, write_mip
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.segments import write_seg

NOT_CORRECTED, NOT_WEIGHED = PetStyle(attenuation_corrected=False), PetStyle(weighed=False)


def write_tree(tree, patients):
    """Patients of whom every third was seen twice, with what else scanners and people leave."""
    for number in range(patients):
        patient = f"id {number:02d}"
        folder = tree / patient
        for visit in range(2 if number % 3 == 2 else 1):
            seen = examination(patient, day=90 * visit, tracer="FAPI" if number % 5 == 4 else "FDG")
            pet = write_study(folder / str(visit), seen, ct=number % 4 != 3, seed=number)
        if number % 4 == 0:
            write_pet(folder / "nac", pet_volume(), seen, NOT_CORRECTED, named(4, "NAC"))
            write_mip(folder / "mip", pet_volume(), seen)
        if number % 4 == 1:
            write_seg(folder / "seg.dcm", {"GTV": NODE, "PTV": LESION}, seen, pet)
            write_capture(folder / "picture", pet_volume(), seen)
        if number % 4 == 2:
            write_dose_report(folder / "dose", seen)
            mask = nib.Nifti1Image(NODE.array.astype(np.uint8), AFFINE)
            nib.save(mask, folder / "1" / "spot.nii.gz" if number % 3 == 2 else folder / "spot.nii")
    late = examination("id 00", day=30)
    write_pet(tree / "id 00" / "unweighed", pet_volume(7), late, NOT_WEIGHED)
    (tree / "id 01" / "cut.dcm").write_bytes(bytes(128) + b"DICM" + b"\2\0\0\0UL")
    (tree / "empty.dcm").write_bytes(b"")
    (tree / "notes.txt").write_text("of no use")


def series_in(tree):
    """Series of the tree by patient, and how many files each has; and other files by name."""
    series, others = Counter(), []
    for path in sorted(p for p in tree.rglob("*") if p.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True)
            series[str(header.PatientID), str(header.SeriesInstanceUID)] += 1
        except (InvalidDicomError, EOFError, AttributeError):
            others.append(path.relative_to(tree).as_posix())
    return series, others


def assert_account_is_complete(tree, out, key):
    """Every series, mask and broken file has one row, and either a use or a reason."""
    series, others = series_in(tree)
    ids = {row["patient"]: row["PatientID"] for row in rows(key / "patients.csv")}
    table = rows(out / "series.csv")
    assert max(Counter(row["series"] for row in table).values()) == 1
    told = {row["series"]: row for row in table}
    by_uid = {row["series"]: row for row in rows(key / "series.csv")}
    files = {row["file"]: row["path"] for row in rows(key / "files.csv")}
    assert set(told) == set(by_uid) | set(files)
    assert series == {
        (ids[row["patient"]], row["SeriesInstanceUID"]): int(told[name]["files"])
        for name, row in by_uid.items()
    }
    assert sorted(files.values()) == [name for name in others if name != "notes.txt"]
    excluded = Counter(row["series"] for row in rows(out / "excluded.csv") if not row["region"])
    for name, row in told.items():
        assert bool(row["used_as"]) != bool(row["tag"] and row["reason"]), name
        assert excluded[name] == (0 if row["used_as"] else 1), name


def command(tree, out, *more):
    given = [f"input='{tree}'", f"out='{out}'", *more]
    return [sys.executable, "-m", "petnet.cli", "convert", *given]


def kill_after(wait_s, *given):
    """Start a conversion and kill it with its workers; tells whether it was still at work."""
    process = subprocess.Popen(
        command(*given), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    time.sleep(wait_s)
    os.killpg(process.pid, signal.SIGKILL)  # its own group, and not yet waited for
    said, _ = process.communicate()
    assert b"Traceback" not in said, said
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def convert(tree, out):
    assert main(command(tree, out, "workers=1")[3:]) == 0


def kill_and_finish(tmp_path, patients, kills, seed):
    tree, whole, out = tmp_path / "in", tmp_path / "whole", tmp_path / "out"
    write_tree(tree, patients)
    start = time.monotonic()
    subprocess.run(command(tree, whole), check=True, capture_output=True)
    took_s = time.monotonic() - start
    chance, made, again = random.Random(seed), 0, False
    moments = [(k + chance.random()) / kills * took_s for k in range(kills)]
    chance.shuffle(moments)
    while made < kills:  # one that is done before its moment does not count: all is done again
        hit = kill_after(moments[made], tree, out, f"overwrite={str(again).lower()}")
        made, again = made + hit, not hit
        if not hit:
            moments[made] *= chance.random()
    convert(tree, out)
    assert contents(out) == contents(whole)
    assert contents(tmp_path / "out-key") == contents(tmp_path / "whole-key")
    assert_account_is_complete(tree, out, tmp_path / "out-key")
    return out


def test_three_kills_leave_no_trace(tmp_path):
    kill_and_finish(tmp_path, patients=2, kills=3, seed=1)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_twenty_kills_of_twenty_studies_leave_no_trace(tmp_path):
    out = kill_and_finish(tmp_path, patients=15, kills=20, seed=20)
    assert len(rows(out / "studies.csv")) == 20


# Kills the whole group in the middle of the n-th file that is written: half of it is there
TORN = """
import os, signal, sys
from petnet.cli import main
left, replace = int(sys.argv[1]), os.replace
def torn(source, target):
    global left
    if left == 0:
        os.truncate(source, os.path.getsize(source) // 2)
        os.killpg(0, signal.SIGKILL)
    left -= 1
    replace(source, target)
os.replace = torn
sys.exit(main(sys.argv[2:]))
"""


def tear(after, tree, out):
    """Kill a conversion in the middle of its n-th file; tells whether it came so far."""
    given = [sys.executable, "-c", TORN, str(after), *command(tree, out, "workers=1")[3:]]
    done = subprocess.run(given, start_new_session=True, capture_output=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_kill_within_each_file_in_turn_leaves_no_trace(tmp_path):
    """Key, images, label maps, sidecars, records and tables, each torn once, each from nothing."""
    tree, whole = tmp_path / "in", tmp_path / "whole"
    write_tree(tree, 2)
    convert(tree, whole)
    written = len(contents(whole)) + len(contents(tmp_path / "whole-key"))
    for after in range(written + 1):
        out = tmp_path / f"out{after}"
        assert tear(after, tree, out) == (after < written)
        halves = [*out.rglob(".tmp-*"), *tmp_path.glob(f"{out.name}-key/**/.tmp-*")]
        assert len(halves) == (after < written)
        convert(tree, out)
        assert contents(out) == contents(whole), after
        assert contents(tmp_path / f"{out.name}-key") == contents(tmp_path / "whole-key"), after
        shutil.rmtree(out)
