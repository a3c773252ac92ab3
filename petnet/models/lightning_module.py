"""One training step and one epoch's figures; the network itself knows nothing of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from petnet.errors import InputError
from petnet.models.deep_heads import Head
from petnet.models.parts import accepted, build, locate

__all__ = ["TrainingModule", "step_seed"]


def step_seed(seed: int, epoch: int, step: int) -> int:
    """Return the seed of one training step: the same whatever ran before it."""
    import numpy as np

    return int(np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0])


class TrainingModule(LightningModule):
    """Trains a network on the loss of its head.

    Parameters
    ----------
    network : module
        Batch to logits (B, K).
    head : Head
        What the logits mean; gives the loss and the figures of an epoch.
    optimizer, scheduler : mapping
        Settings with `_target_`. The scheduler steps with every batch; where it takes
        `total_steps` or `T_max` and the settings leave it open, it is told the number of steps.
    augmentation : mapping, optional
        Settings of a callable (image, keys, seed, epoch) -> image.
    seed : int
        Keys everything that is drawn, with epoch, step or sample.
    fingerprint : str
        Written into checkpoints: what they are of.
    channels : tuple of str
        Names of the image channels, for the augmentation.
    """

    def __init__(
        self,
        network: nn.Module,
        head: Head,
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None,
        augmentation: Mapping[str, Any] | None,
        seed: int,
        fingerprint: str,
        channels: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.settings = {"optimizer": optimizer, "scheduler": scheduler}
        self.augment = build(augmentation) if augmentation else None
        if self.augment is not None and channels:
            self.augment = self.augment.for_channels(channels)
        self.seed, self.fingerprint = seed, fingerprint
        self.history: list[dict[str, float]] = []
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch; augments its images on the device they are on."""
        inputs = dict(batch)
        if self.augment is not None and "image" in inputs:
            inputs["image"] = self.augment(
                inputs["image"], inputs["index"], self.seed, self.current_epoch
            )
        # Dropout draws from the global generator: keyed here, a resumed epoch draws alike.
        torch.manual_seed(step_seed(self.seed, self.current_epoch, batch_idx))
        # Whatever the precision of the network: the losses take logarithms.
        logits, target = self.network(inputs).float(), inputs["target"]
        loss = self.head.loss(logits, target)
        self._seen.append((logits.detach(), target, loss.detach().expand(len(target))))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the loss and the head's figures of the training batches, as they were seen."""
        # On the CPU: sorting for the AUC has no deterministic form on CUDA, and one copy an epoch
        # costs nothing.
        logits, target, loss = (torch.cat(part).cpu() for part in zip(*self._seen, strict=True))
        self._seen.clear()
        if not loss.isfinite().all():
            raise InputError(
                "setting",
                "optimizer",
                "steps that keep the loss finite",
                f"{float(loss.mean())} in epoch {self.current_epoch + 1}",
                "Choose a lower lr, or precision=32-true",
            )
        figures = {"loss": float(loss.mean()), **self.head.figures(logits, target)}
        self.log_dict({f"train_{name}": value for name, value in figures.items()})
        self.history.append({"epoch": float(self.current_epoch), **figures})

    def configure_optimizers(self) -> Any:
        """Build the optimizer and the scheduler of the settings."""
        optimizer = build(self.settings["optimizer"] or {}, list(self.network.parameters()))
        scheduler = self.settings["scheduler"]
        if scheduler is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        offered = accepted(locate(scheduler["_target_"]), {"total_steps": steps, "T_max": steps})
        made = build(scheduler, optimizer, **offered)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": made, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the checkpoint is of, and the figures so far."""
        checkpoint["petnet"] = {"fingerprint": self.fingerprint, "history": self.history}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the figures of earlier epochs."""
        self.history = [dict(row) for row in checkpoint["petnet"]["history"]]
