"""The one place where `device=auto|cpu|cuda` is turned into a device."""

from __future__ import annotations

import logging
from typing import Literal, get_args

from petnet.errors import InputError

__all__ = ["Device", "DeviceChoice", "choose_device"]

DeviceChoice = Literal["auto", "cpu", "cuda"]
Device = Literal["cpu", "cuda"]
log = logging.getLogger(__name__)


def choose_device(
    choice: str, cuda_available: bool, reason: str = "", what: str = "this"
) -> Device:
    """Resolve a device setting; never silently.

    Parameters
    ----------
    choice : {"auto", "cpu", "cuda"}
    cuda_available : bool
        What the library that will use the device says of it.
    reason : str
        Why CUDA is not available, for the message.
    what : str
        What will run there, for the log.

    Raises
    ------
    InputError
        `choice` is unknown, or "cuda" on a machine that cannot.
    """
    if choice not in get_args(DeviceChoice):
        raise InputError("setting", "device", "auto, cpu or cuda", repr(choice))
    if choice == "cuda" and not cuda_available:
        raise InputError(
            "setting",
            "device",
            "a CUDA device, as device=cuda asks",
            f"none that can be used{f' ({reason})' if reason else ''}",
            "Install the NVIDIA driver and the extra petnet[cuda12] or petnet[cuda13], "
            "or choose device=cpu",
        )
    chosen: Device = "cuda" if choice != "cpu" and cuda_available else "cpu"
    if choice == "auto":
        log.info("device=auto chose %s for %s", chosen, what)
    return chosen
