"""What lies below a folder: DICOM files under any name, masks, and what cannot be read."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petnet.errors import InputError
from petnet.ingest.dicom.dicom_file import (
    BROKEN,
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    Head,
    lenient,
    parse_head,
)
from petnet.ingest.dicom.header_values import text
from petnet.ingest.dicom.header_walk import Unusual, walk, walk_meta
from petnet.ingest.records import FoundFile, Tree, UnreadableFile
from petnet.ingest.refusal import tag_name
from petnet.processes import fresh_pool

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["check_is_folder", "scan_tree"]

Found = FoundFile | UnreadableFile | Path | None
Watch = Callable[[Iterable[Found], int], Iterable[Found]]
MASK_NAMES = (".nii", ".nii.gz", ".nrrd", ".nhdr")
DICOM_NAMES = (".dcm", ".dicom", ".dic")
DICOMDIR = "1.2.840.10008.1.3.10"
LAST_TAG = 0x00200052  # FrameOfReferenceUID; what is looked for lies before it
FIRST_BYTES = 2**13
WANTED = (0x00080016, 0x00080018, 0x00080060, 0x00100020, 0x0020000D, 0x0020000E, LAST_TAG)
CHUNK = 64  # files that a worker takes at a time
WORTH_A_PROCESS = 1000  # files: starting another takes about as long as reading so many
UID = re.compile(r"[\x21-\x7e]{1,128}")


def scan_tree(root: Path, workers: int = 1, watch: Watch | None = None) -> Tree:
    """Look at every file below a folder, at any depth and under any name.

    A file is DICOM if it has the prefix "DICM" or begins, without one, with an element of the
    group 0002 or 0008. Files whose names begin with a dot, and folders likewise, are passed over
    (macOS leaves "._*" beside every file); links are followed, but nothing is looked at twice.

    Parameters
    ----------
    root : Path
    workers : int
        Processes that read headers; the result does not depend on it.
    watch : callable, optional
        Takes what is found, one by one, and how much there is; passes it through. For a progress
        bar: ``lambda found, total: track(found, "headers", total)``.

    Returns
    -------
    Tree

    Raises
    ------
    InputError
        `root` is no folder.
    """
    root = Path(root)
    check_is_folder(root)
    paths, closed = _walk(root)
    looked: Iterable[Found] = _look(paths, workers)
    if watch is not None:
        looked = watch(looked, len(paths))
    files: list[FoundFile] = []
    unreadable, masks, others = closed, [], 0
    for one in looked:
        match one:
            case FoundFile():
                files.append(one)
            case UnreadableFile():
                unreadable.append(one)
            case Path():
                masks.append(one)
            case None:
                others += 1
    unreadable.sort(key=lambda one: one.path)
    return Tree(root, tuple(files), tuple(unreadable), tuple(masks), others)


def check_is_folder(root: Path) -> None:
    """Refuse what is no folder.

    Raises
    ------
    InputError
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        raise InputError(str(root), "input", "a folder", found)


def _walk(root: Path) -> tuple[list[Path], list[UnreadableFile]]:
    """Return the files below a folder, sorted, and the folders and links that lead nowhere.

    Links come last, so that a file has the path under which it really lies wherever it has one
    below `root`, and so that a link back up ends there.
    """
    files: list[Path] = []
    closed: list[UnreadableFile] = []
    seen: set[tuple[int, int]] = set()
    folders: list[Path] = [root]
    links: list[Path] = []
    while folders or links:
        path = folders.pop() if folders else links.pop(0)
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if not stat.S_ISDIR(status.st_mode):
                files.append(path)
                continue
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            reason = f"expected one that can be opened, but got: {error.strerror}"
            closed.append(UnreadableFile(path, "file or folder", reason))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                links.append(Path(entry.path))
            elif entry.is_dir():
                folders.append(Path(entry.path))
            else:
                files.append(Path(entry.path))
                seen.add((status.st_dev, entry.inode()))
    return sorted(files), closed


def _look(paths: list[Path], workers: int) -> Iterator[Found]:
    """Look at files in their order."""
    workers = min(workers, 1 + len(paths) // WORTH_A_PROCESS)
    if workers <= 1:
        yield from map(_look_at, paths)
        return
    with fresh_pool(workers) as pool:
        yield from pool.map(_look_at, paths, chunksize=CHUNK)


def _look_at(path: Path) -> Found:
    """Return a DICOM file, a mask's path, None for anything else, or what is wrong with it."""
    name = path.name.lower()
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return None
        if name.endswith(MASK_NAMES):
            return path
        with path.open("rb", buffering=0) as file:
            head = file.read(FIRST_BYTES)
            with contextlib.suppress(Unusual):
                return _walk_through(path, head)
            if not _begins_as_dicom(head):
                reason = "expected DICOM as its name says, but got other content"
                of_name = name.endswith(DICOM_NAMES)
                return UnreadableFile(path, "file", reason) if of_name else None
            file.seek(0)
            with lenient():
                return _identify(path, parse_head(file, LAST_TAG.__lt__, FIRST_BYTES))
    except BROKEN as error:
        kind = error.strerror if isinstance(error, OSError) else None
        reason = f"expected a DICOM header, but got: {kind or type(error).__name__}"
        return UnreadableFile(path, "file", reason)


def _walk_through(path: Path, head: bytes) -> FoundFile:
    """Identify a file that is made as usual, from its first bytes."""
    syntax, at = walk_meta(head)
    if syntax == DEFLATED:
        raise Unusual
    implicit, order = syntax == IMPLICIT_LITTLE, ">" if syntax == EXPLICIT_BIG else "<"
    written = {}
    for tag, _, start, end in walk(head, at, implicit, order, LAST_TAG + 1):
        if tag in WANTED:
            written[tag] = head[start:end].decode("latin-1").strip("\0 ")
    values = [written.get(tag, "") for tag in WANTED]
    sop_class, sop_uid, modality, patient, study, series, frame = values
    uids = [uid for uid in (sop_class, sop_uid, study, series, frame) if uid]
    if not series or sop_class == DICOMDIR or not all(map(UID.fullmatch, uids)):
        raise Unusual
    if not (patient.isascii() and patient.isprintable() and modality.isalnum()):
        raise Unusual
    return FoundFile(path, sop_class, sop_uid, patient, study, series, frame, modality)


def _begins_as_dicom(head: bytes) -> bool:
    """Tell whether a file has the prefix, or begins with an element as they do without."""
    if head[128:132] == b"DICM":
        return True
    group = head[:2]
    if len(head) < 8 or group not in (b"\x02\0", b"\x08\0", b"\0\x08"):
        return False
    if head[4:6].isalpha() and head[4:6].isupper():
        return True
    # implicit VR: the length of the first element of a group is small, and always even
    length = int.from_bytes(head[4:8], "little")
    return group != b"\0\x08" and length < 2**16 and length % 2 == 0


def _identify(path: Path, head: Head) -> Found:
    dataset = head.dataset
    sop_class = _uid(dataset, 0x00080016)
    if sop_class == DICOMDIR or (path.name.upper() == "DICOMDIR" and not sop_class):
        return None
    series = _uid(dataset, 0x0020000E)
    if not series:
        found = "none" if 0x0020000E not in dataset else "something else"
        reason = f"expected a UID, but got {found}"
        return UnreadableFile(path, tag_name("SeriesInstanceUID"), reason)
    return FoundFile(
        path=path,
        sop_class=sop_class,
        sop_uid=_uid(dataset, 0x00080018),
        patient_id=text(dataset, "PatientID"),
        study_uid=_uid(dataset, 0x0020000D),
        series_uid=series,
        frame_of_reference=_uid(dataset, LAST_TAG),
        modality=text(dataset, "Modality"),
    )


def _uid(dataset: Dataset, tag: int) -> str:
    """Return a UID as it is written; empty where it is absent or no such text."""
    if tag not in dataset:
        return ""
    value: Any = dataset.get_item(tag).value
    written = value.decode("latin-1") if isinstance(value, bytes) else ""
    written = written.strip("\0 ")
    return written if UID.fullmatch(written) else ""
