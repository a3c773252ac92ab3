"""Batches from tensors that are already in memory, in an order keyed by (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from petnet.errors import InputError

__all__ = ["BatchLoader", "TensorDataModule", "epoch_order"]


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """Return the (n,) int64 permutation of an epoch; it depends on no earlier epoch."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
    return torch.from_numpy(generator.permutation(n).astype(np.int64))


class BatchLoader:
    """Iterate over whole batches of index-selected tensors.

    Not a torch DataLoader: the tensors lie in memory (of the host or of the device), so a batch
    is one indexing and there is nothing for workers to do. Lightning calls `set_epoch` before
    each epoch, also after a resume.

    Parameters
    ----------
    tensors : dict of (n, ...) tensors
    index : (m,) int64 tensor
        Positions that this loader serves.
    batch_size : int
    seed : int, optional
        None serves in the order of `index`.
    merge_single : bool
        Join a last batch of one sample to the one before: batch normalisation cannot train on
        one sample.
    """

    def __init__(
        self,
        tensors: dict[str, Tensor],
        index: Tensor,
        batch_size: int,
        seed: int | None = None,
        merge_single: bool = False,
    ) -> None:
        self.tensors, self.index, self.batch_size = tensors, index, batch_size
        self.seed, self.merge_single, self.epoch = seed, merge_single, 0
        # Where Lightning looks for `set_epoch`. With a `sampler` of its own the loader would be
        # taken for a torch DataLoader, whose further attributes it has not.
        self.batch_sampler = SimpleNamespace(sampler=self)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has."""
        self.epoch = epoch

    def batches(self) -> list[Tensor]:
        """Return the positions of each batch of the current epoch."""
        index = self.index
        if self.seed is not None:
            index = index[epoch_order(len(index), self.seed, self.epoch)]
        parts = list(torch.split(index, self.batch_size))
        if self.merge_single and len(parts) > 1 and len(parts[-1]) == 1:
            last = parts.pop()
            parts[-1] = torch.cat([parts[-1], last])
        return parts

    def __len__(self) -> int:
        count = -(-len(self.index) // self.batch_size)
        single = count > 1 and len(self.index) % self.batch_size == 1
        return count - 1 if self.merge_single and single else count

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for part in self.batches():
            batch = {
                name: tensor.index_select(0, part.to(tensor.device))
                for name, tensor in self.tensors.items()
            }
            yield {**batch, "index": part}


class TensorDataModule(LightningDataModule):
    """Serve units as dicts: image, radiomics, clinical (those that are given), target, index.

    Parameters
    ----------
    image : (n, C, X, Y, Z) tensor, optional
    radiomics : (n, F) tensor, optional
    clinical : (n, K) tensor, optional
    target : (n, ...) tensor
    batch_size, seed : int
    train, validation : sequence of int, optional
        Positions used for each; `train` defaults to all that `validation` has not.

    Raises
    ------
    InputError
        Lengths differ, an index is out of range, or train and validation overlap.
    """

    def __init__(
        self,
        image: Tensor | None,
        radiomics: Tensor | None,
        clinical: Tensor | None,
        target: Tensor,
        batch_size: int,
        seed: int,
        train: Sequence[int] | None = None,
        validation: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        given = {"image": image, "radiomics": radiomics, "clinical": clinical, "target": target}
        self.tensors = {name: value for name, value in given.items() if value is not None}
        n = len(target)
        for name, value in self.tensors.items():
            if len(value) != n:
                raise InputError("data module", name, f"{n} rows, as target", f"{len(value)}")
        if batch_size < 1:
            raise InputError("data module", "batch_size", "1 or more", repr(batch_size))
        held = _positions("validation", validation or (), n)
        rest = np.setdiff1d(np.arange(n), held.numpy())
        self.train_index = _positions("train", rest.tolist() if train is None else train, n)
        self.validation_index = held
        if set(self.train_index.tolist()) & set(held.tolist()):
            raise InputError("data module", "validation", "no position of train", "an overlap")
        self.batch_size, self.seed = batch_size, seed

    def train_dataloader(self) -> BatchLoader:
        """Return shuffled batches; the order depends on the seed and the trainer's epoch."""
        loader = BatchLoader(
            self.tensors, self.train_index, self.batch_size, self.seed, merge_single=True
        )
        if self.trainer is not None:
            loader.set_epoch(self.trainer.current_epoch)
        return loader

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Return the validation positions in order; an empty list where there are none."""
        if not len(self.validation_index):
            return []
        return BatchLoader(self.tensors, self.validation_index, self.batch_size)

    def predict_dataloader(self) -> BatchLoader:
        """Return every unit in order."""
        everything = torch.arange(len(self.tensors["target"]))
        return BatchLoader(self.tensors, everything, self.batch_size)


def _positions(name: str, values: Sequence[int], n: int) -> Tensor:
    index = torch.as_tensor(list(values), dtype=torch.int64)
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < n:
        raise InputError("data module", name, f"positions in 0..{n - 1}", f"{index.tolist()}")
    return index
