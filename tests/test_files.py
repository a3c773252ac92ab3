"""Whole files or none; hashes that depend on content alone."""

import errno
import hashlib
import os
import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch

from petnet.errors import InputError
from petnet.files import (
    atomic_path,
    check_writable,
    check_writable_folder,
    content_hash,
    hash_of,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            assert temporary.name.endswith(".nii.gz")
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_hashes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"petnet" * 10**5)
    oracle = hashlib.blake2b(b"petnet" * 10**5, digest_size=16).hexdigest()
    assert content_hash(path) == oracle
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1}) != hash_of({"a": 1, "b": 3})


def test_an_input_error_survives_a_worker_process():
    error = InputError("a.csv", "row 2", "a number", "'x'", "Mend it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


WRITERS = {
    "text": lambda p: p.write_text("x" * 10**6),
    "csv": lambda p: pd.DataFrame({"a": np.arange(10**5)}).to_csv(p),
    "parquet": lambda p: pd.DataFrame({"a": np.random.default_rng(0).random(10**5)}).to_parquet(p),
    "npz": lambda p: np.savez_compressed(p, a=np.random.default_rng(0).random(10**5)),
    "safetensors": lambda p: safetensors.numpy.save_file({"a": np.ones(10**5)}, p),
    "torch": lambda p: torch.save({"a": torch.ones(10**5)}, p),
    "zip": lambda p: zipfile.ZipFile(p, "w").writestr("a", bytes(10**6)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_without_room_is_named_whatever_writes_it(tmp_path, writer):
    """RLIMIT_FSIZE of this process stands in for a full disk; the system refuses to write on."""
    path = tmp_path / "out.npz"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, before[1]))
    try:
        with pytest.raises(InputError) as caught, atomic_path(path) as temporary:
            WRITERS[writer](temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    text = f"{path}: file: expected one that can be written, with room for it, but got "
    assert str(caught.value) == text + os.strerror(errno.EFBIG)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.npz"]


def test_a_defect_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(RuntimeError, match="defect"), atomic_path(tmp_path / "a"):
        raise RuntimeError("defect")


def test_where_nothing_can_be_written_is_said_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a.csv", tmp_path / "file" / "b" / "a.csv"):
        with pytest.raises(InputError, match=r"out: expected a folder, but got .*file is a file"):
            check_writable(path)
        with pytest.raises(InputError, match=f"{path}: file: .*can be written"), atomic_path(path):
            pass
    with pytest.raises(InputError, match="out: expected the name of a file, but got a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="File name too long"):
        check_writable_folder(tmp_path / ("x" * 300))
    check_writable(tmp_path / "new" / "folder" / "a.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc on this platform")
def test_a_file_system_that_cannot_be_written_is_said_beforehand():
    with pytest.raises(InputError, match="a folder that can be written"):
        check_writable(Path("/proc/self/a.csv"))
