"""Running Lightning: quietly, deterministically, with a checkpoint after every epoch."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from petnet.errors import InputError
from petnet.files import atomic_path
from petnet.models.lightning_module import TrainingModule
from petnet.progress import track

__all__ = [
    "EpochCheckpoint",
    "TrainingSettings",
    "full_float32",
    "isolated_torch",
    "read_checkpoint",
    "train",
]

log = logging.getLogger(__name__)
_CHATTY = ("lightning.pytorch", "lightning.fabric")
_NOISE = (
    # Lightning 2.6 on torch >= 2.9: nothing that a user could change.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # Nothing is held back for validation, though the data module could.
    r"You passed in a `val_dataloader` but have no `validation_step`",
    # Half precision skips the optimizer's first steps while its scale settles.
    r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`",
)
_PARTS = ("state_dict", "loops", "optimizer_states", "lr_schedulers", "callbacks", "petnet")


@dataclass(frozen=True)
class TrainingSettings:
    """How long and in which arithmetic to train.

    Attributes
    ----------
    epochs : int
    precision : str
        As Lightning names it: "32-true", "bf16-mixed", "16-mixed".
    clip : float or None
        Largest norm of the gradient.
    deterministic : bool or "warn"
        True refuses operations that have no deterministic form; "warn" warns.
    """

    epochs: int
    precision: str = "32-true"
    clip: float | None = 1.0
    deterministic: bool | Literal["warn"] = True

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError("setting", "epochs", "1 or more", repr(self.epochs))
        if self.deterministic not in (True, False, "warn"):
            raise InputError(
                "setting", "deterministic", "true, false or warn", repr(self.deterministic)
            )


class EpochCheckpoint(Checkpoint):
    """Write the whole state after every epoch, under a temporary name first.

    A `Checkpoint` for Lightning, so that it runs after the module's own end of the epoch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the last checkpoint."""
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)


class EpochProgress(Callback):
    """A bar on a terminal, log lines elsewhere."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._steps: Iterator[int] = iter(())

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting at the first epoch that is left."""
        left = cast(int, trainer.max_epochs) - trainer.current_epoch
        self._steps = track(range(left), self.what, left)
        next(self._steps, None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count one epoch."""
        next(self._steps, None)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove the bar, also when training failed."""
        self._steps = iter(())


def read_checkpoint(path: Path, fingerprint: str) -> bool:
    """Return whether `path` can be resumed from; remove it, saying so, where it cannot.

    Parameters
    ----------
    path : Path
        May be absent.
    fingerprint : str
        Of the fit that wants to resume.
    """
    if not path.is_file():
        return False
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        missing = [part for part in _PARTS if part not in found]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}")
        if found["petnet"]["fingerprint"] != fingerprint:
            raise ValueError("it is of another model, seed or set of units")
    # Whatever a broken or foreign file makes the reader raise, the answer is to start again.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        log.warning("%s: not used, training starts again: %s", path, reason[:200])
        path.unlink()
        return False
    log.info("%s: resuming after epoch %d", path, int(found["epoch"]) + 1)
    return True


def train(
    module: TrainingModule,
    data: LightningDataModule,
    settings: TrainingSettings,
    device: Literal["cpu", "cuda"],
    checkpoint: Path | None,
    what: str,
) -> None:
    """Train `module` in place, from `checkpoint` where it is there and fits.

    Parameters
    ----------
    module : TrainingModule
    data : LightningDataModule
    settings : TrainingSettings
    device : {"cpu", "cuda"}
    checkpoint : Path, optional
        Written after every epoch; None keeps nothing.
    what : str
        Name for the progress.
    """
    callbacks: list[Callback] = [EpochProgress(what)]
    resume = False
    if checkpoint is not None:
        callbacks.append(EpochCheckpoint(checkpoint))
        resume = read_checkpoint(checkpoint, module.fingerprint)
    with _quiet_lightning():
        trainer = Trainer(
            accelerator=device,
            devices=1,
            max_epochs=settings.epochs,
            precision=cast(Any, settings.precision),
            gradient_clip_val=settings.clip,
            deterministic=settings.deterministic,
            benchmark=False,
            logger=False,
            enable_checkpointing=checkpoint is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=callbacks,
        )
        try:
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=checkpoint if resume else None,
                weights_only=True,
            )
        except SystemExit as error:
            # Lightning's answer to Ctrl+C; here the caller decides what ends.
            raise KeyboardInterrupt from error
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            raise InputError(
                "setting",
                "deterministic",
                "a network whose operations have a deterministic form on this device",
                str(error).splitlines()[0][:120],
                "Choose another encoder, or deterministic=warn",
            ) from error


@contextmanager
def isolated_torch(device: Literal["cpu", "cuda"]) -> Iterator[None]:
    """Use full float32; leave torch's generators, determinism and precision as they were found."""
    mode = torch.get_deterministic_debug_mode()
    benchmark = torch.backends.cudnn.benchmark
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    try:
        with full_float32(), torch.random.fork_rng(devices):
            yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 as such; leave torch's settings as they were found.

    By default cuDNN convolves float32 in TF32, whose 10 bits of mantissa are those of half
    precision: `precision: 32-true` would be true on the CPU only. Half precision that is asked for
    stays as it is.
    """
    tf32 = torch.backends.cudnn.allow_tf32
    # Not torch.backends.cuda.matmul.allow_tf32: once that is set, torch refuses to say the
    # precision of products, for which Lightning asks on every recent device.
    products = torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
        torch.set_float32_matmul_precision(products)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advertisements and hints out of the log; its real warnings stay."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    with ExitStack() as stack:
        for logger in loggers:
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.WARNING)
        if threading.current_thread() is threading.main_thread():
            stack.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        stack.enter_context(warnings.catch_warnings())
        for message in _NOISE:
            warnings.filterwarnings("ignore", message=message)
        yield
