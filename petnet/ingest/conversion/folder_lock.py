"""A folder for one run at a time."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from petnet.errors import InputError
from petnet.files import cannot_write

__all__ = ["LOCK", "folder_lock"]

LOCK = ".lock"
log = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path, field: str) -> Iterator[None]:
    """Hold a folder, which is made if need be, until the block ends; refuse it to all others.

    The lock is the system's own on a file in the folder, so that it ends with the process, however
    that ends: a file that a killed run has left holds nobody off. The file names process and host
    to those who come in vain. Where there are no such locks (Windows, some network drives), the log
    says that there is none.

    Raises
    ------
    InputError
        Another process holds it, or no file can be made in it; `field` is the setting at fault.
    """
    path = Path(folder) / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _locked(path)
    except OSError as error:
        raise cannot_write(path, error.strerror or "input/output") from error
    if stream is None:
        expected = "a folder that no other run is writing into"
        remedy = "Wait until it has ended"
        raise InputError("settings", field, expected, f"that of {_holder(path)}", remedy)
    with stream:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> TextIO | None:
    """Return the open file with a lock on it; None if another process has that."""
    while True:
        stream = path.open("a", encoding="utf-8")
        try:
            if not _lock(stream):
                stream.close()
                return None
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        except FileNotFoundError:
            pass
        stream.close()  # of a run that ended in between, and removed it


def _lock(stream: TextIO) -> bool:
    """Tell whether this process has the lock now, or there are none at all."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        log.warning("no locks on this system or drive: see to it that no other run writes here")
    return True


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "another process"
    except (OSError, ValueError):  # it has just ended
        return "another process"
