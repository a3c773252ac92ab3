"""The deep model: image, radiomics and clinical branches behind the model protocol."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from petnet.cohort.splits import Fold
from petnet.errors import InputError
from petnet.files import atomic_path, write_json
from petnet.imaging.datamodule import TensorDataModule
from petnet.learn.tabular import TableEncoder
from petnet.models.deep_heads import Head, head_from_state, learned_head
from petnet.models.deep_inputs import (
    check_inputs,
    checked_target,
    fingerprint,
    patterns,
    required_images,
)
from petnet.models.lightning_module import TrainingModule
from petnet.models.network import FusionNetwork, InputSizes, build_network
from petnet.models.parts import plain
from petnet.models.protocol import FitContext, ImageSource, InputKind, Samples
from petnet.models.training import TrainingSettings, full_float32, isolated_torch, train
from petnet.outcome import Outcome

__all__ = ["DeepModel"]

log = logging.getLogger(__name__)
_FORMAT = 2


class DeepModel:
    """A network over any of image, radiomics and clinical inputs, trained with Lightning.

    What it learns is the outcome of the training units: `petnet.models.deep_heads` has a loss and
    a prediction for each kind.

    All parts are settings with `_target_` (see `petnet.models.parts`); they are kept as they are,
    saved with the model, and built in `fit` and `load`.

    Parameters
    ----------
    name : str
    inputs : sequence of {"image", "radiomics", "clinical"}
    fusion : mapping
        What brings the branches together and makes logits.
    optimizer : mapping
    encoder, radiomics, clinical : mapping, optional
        The branch of each input; needed for those in `inputs`.
    scheduler, augmentation : mapping, optional
    epochs, batch_size : int
    precision : str
        As Lightning names it.
    include : sequence of str, optional
        Shell patterns of the radiomics columns to use, which may be nested lists; "{label}" stands
        for each label of a multilabel task. None uses all.
    max_correlation : float, optional
        Of radiomics columns whose |Spearman ρ| exceeds this in the training part, the first stays.
    clip : float, optional
        Largest norm of the gradient.
    deterministic : bool or "warn"
    """

    def __init__(
        self,
        *,
        name: str,
        inputs: Sequence[InputKind],
        fusion: Mapping[str, Any],
        optimizer: Mapping[str, Any],
        encoder: Mapping[str, Any] | None = None,
        radiomics: Mapping[str, Any] | None = None,
        clinical: Mapping[str, Any] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        augmentation: Mapping[str, Any] | None = None,
        epochs: int = 30,
        batch_size: int = 16,
        precision: str = "32-true",
        include: Sequence[Any] | None = None,
        max_correlation: float | None = None,
        clip: float | None = 1.0,
        deterministic: bool | Literal["warn"] = True,
    ) -> None:
        branches = {"encoder": encoder, "radiomics": radiomics, "clinical": clinical}
        self.config: dict[str, Any] = plain(
            {
                "name": name,
                "inputs": sorted(str(i) for i in inputs),
                **branches,
                "fusion": fusion,
                "optimizer": optimizer,
                "scheduler": scheduler,
                "augmentation": augmentation,
                "epochs": epochs,
                "batch_size": batch_size,
                "precision": precision,
                "include": include,
                "max_correlation": max_correlation,
                "clip": clip,
                "deterministic": deterministic,
            }
        )
        self.name = name
        self.inputs: frozenset[InputKind] = frozenset(inputs)
        self.settings = TrainingSettings(epochs, precision, clip, deterministic)
        check_inputs(self.config)
        self.history: list[dict[str, float]] = []
        self._network: FusionNetwork | None = None
        self._sizes = InputSizes()
        self._encoders: dict[str, TableEncoder] = {}
        self._head: Head | None = None

    def fit(self, train: Samples, inner: Sequence[Fold], context: FitContext) -> Self:
        """Learn from the training units.

        Parameters
        ----------
        train : Samples
        inner : sequence of Fold
            Not used yet: nothing is tuned.
        context : FitContext
            With a `workdir`, `last.ckpt` is written there after every epoch and resumed from.

        Raises
        ------
        InputError
            A target that is missing, or an input that is, or nothing to tell apart.
        """
        head = learned_head(train.outcome, checked_target(train))
        self._network, self.history = None, []
        self._fit_tables(train)
        self._sizes = self._input_sizes(train.images)
        batch = self._batch(train)
        with isolated_torch(context.device):
            torch.manual_seed(context.seed)
            network = build_network(self.config, self._sizes, head.outputs, head.last_layer())
            module = TrainingModule(
                network,
                head,
                self.config["optimizer"],
                self.config["scheduler"],
                self.config["augmentation"],
                context.seed,
                fingerprint(self.config, train, batch, context.seed),
                self._sizes.channels,
            )
            data = TensorDataModule(
                batch.get("image"),
                batch.get("radiomics"),
                batch.get("clinical"),
                head.targets(train.target),
                self.config["batch_size"],
                context.seed,
            )
            checkpoint = None if context.workdir is None else context.workdir / "last.ckpt"
            self._train(module, data, context.device, checkpoint)
            self._network, self.history = network.cpu().eval(), module.history
            self._head = head.settled(lambda: self._logits(network, train))
        return self

    def _train(
        self,
        module: TrainingModule,
        data: TensorDataModule,
        device: Literal["cpu", "cuda"],
        checkpoint: Path | None,
    ) -> None:
        log.info(
            "%s: training %d weights on %d units for %d epochs",
            self.name,
            sum(p.numel() for p in module.network.parameters()),
            len(data.tensors["target"]),
            self.settings.epochs,
        )
        train(module, data, self.settings, device, checkpoint, self.name)

    def predict(self, samples: Samples) -> NDArray[np.float64]:
        """Return (n, K) float64 as `petnet.outcome` says for the kind that was learned.

        The class weights of the training are taken out again, see `petnet.models.deep_heads`.
        """
        network, head = self._fitted()
        if not len(samples):
            return np.zeros((0, head.outcome.outputs))
        return head.prediction(self._logits(network, samples))

    def _logits(self, network: FusionNetwork, samples: Samples) -> NDArray[np.float64]:
        size = int(self.config["batch_size"])
        logits = []
        network.eval()
        with full_float32(), torch.inference_mode():
            for start in range(0, len(samples), size):
                part = samples.take(range(start, min(start + size, len(samples))))
                batch = self._batch(part)
                network.to(next(iter(batch.values())).device)
                logits.append(network(batch).to(torch.float64).cpu().numpy())
        return np.concatenate(logits)

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors` and `model.json`; the same fit gives the same bytes."""
        network, head = self._fitted()
        weights = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
        with atomic_path(Path(folder) / "weights.safetensors") as temporary:
            temporary.write_bytes(safetensors.torch.save(weights))
        description = {
            "format": _FORMAT,
            "config": self.config,
            "sizes": asdict(self._sizes),
            "encoders": {name: encoder.state() for name, encoder in self._encoders.items()},
            "outcome": {"kind": head.outcome.kind, "labels": list(head.outcome.labels)},
            "head": head.state(),
            "history": self.history,
        }
        write_json(Path(folder) / "model.json", description)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model; only trusted targets are built and nothing is unpickled."""
        path = Path(folder) / "model.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] != _FORMAT:
                raise ValueError(f"format {found['format']!r}, not {_FORMAT}")
            made = cls(**found["config"])
            sizes = found["sizes"]
            made._sizes = InputSizes(
                **{**sizes, "channels": tuple(sizes["channels"]), "shape": tuple(sizes["shape"])}
            )
            made._encoders = {
                name: TableEncoder.from_state(state) for name, state in found["encoders"].items()
            }
            outcome = Outcome(found["outcome"]["kind"], tuple(found["outcome"]["labels"]))
            head = head_from_state(outcome, found["head"])
            made._head, made.history = head, found["history"]
            with torch.random.fork_rng([]):
                last = head.last_layer()
                network = build_network(made.config, made._sizes, head.outputs, last)
            network.load_state_dict(
                safetensors.torch.load_file(path.with_name("weights.safetensors"))
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                str(folder), "saved model", "model.json and weights", reason
            ) from error
        made._network = network.eval()
        return made

    def _fitted(self) -> tuple[FusionNetwork, Head]:
        if self._network is None or self._head is None:
            raise RuntimeError(f"model {self.name} is not fitted")
        return self._network, self._head

    def _fit_tables(self, train: Samples) -> None:
        self._encoders = {}
        if "radiomics" in self.inputs:
            include = patterns(self.config["include"], train.outcome)
            encoder = TableEncoder(self.config["max_correlation"], include)
            self._encoders["radiomics"] = encoder.fit(train.radiomics)
            if not encoder.names:
                raise InputError(
                    "radiomics table",
                    "columns",
                    "at least one that varies",
                    f"{train.radiomics.shape}",
                )
        if "clinical" in self.inputs:
            encoder = TableEncoder().fit(train.clinical)
            if encoder.names:
                self._encoders["clinical"] = encoder
            else:
                log.info(
                    "%s: the task has no clinical columns that vary; no such branch", self.name
                )

    def _input_sizes(self, images: ImageSource | None) -> InputSizes:
        columns = {name: len(encoder.names) for name, encoder in self._encoders.items()}
        sizes = InputSizes(
            radiomics=columns.get("radiomics", 0), clinical=columns.get("clinical", 0)
        )
        if "image" not in self.inputs:
            return sizes
        source = required_images(images, self.name)
        return replace(sizes, channels=tuple(source.channels), shape=tuple(source.shape))

    def _batch(self, samples: Samples) -> dict[str, Tensor]:
        """Return the encoded inputs of all given units."""
        batch: dict[str, Tensor] = {}
        device: torch.device | str = "cpu"
        if self._sizes.channels:
            image = required_images(samples.images, self.name).crops(samples.ids)
            expected = (len(samples), len(self._sizes.channels), *self._sizes.shape)
            if tuple(image.shape) != expected:
                raise InputError(
                    "images", "shape of the crops", str(expected), str(tuple(image.shape))
                )
            batch["image"], device = image, image.device
        elif self._network is not None:
            device = next(self._network.parameters()).device
        for name, encoder in self._encoders.items():
            table = encoder.transform(getattr(samples, name))
            batch[name] = torch.as_tensor(table, dtype=torch.float32, device=device)
        return batch
