"""Radiomics as a step of a scikit-learn pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from petnet.errors import InputError
from petnet.radiomics.api import as_image, as_mask
from petnet.radiomics.columns import columns
from petnet.radiomics.extractor import extract_regions
from petnet.radiomics.featureset import FeatureSet
from petnet.radiomics.presets import Features, sets_of
from petnet.volume import Volume

__all__ = ["RadiomicsTransformer"]


class RadiomicsTransformer(TransformerMixin, BaseEstimator):
    """Turn pairs of image and mask into rows of features.

    Nothing is learned, so that no information passes from one case to another: a row is the same
    whichever others it is computed with.

    Parameters
    ----------
    features : str, path, FeatureSet or sequence of FeatureSet
        As of `petnet.radiomics.extract`.
    modality : {"PT", "CT"}, optional
        Which sets are taken; needed where the preset has sets of either.
    spacing_mm : three floats, optional
        Voxel edges of all images, where they are arrays.
    device : {"auto", "cpu", "cuda"}

    Attributes
    ----------
    feature_sets_ : tuple of FeatureSet
        What is computed.
    n_features_out_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from petnet.radiomics import RadiomicsTransformer
    >>> suv = np.arange(64.0).reshape(4, 4, 4)
    >>> step = RadiomicsTransformer("first_order", spacing_mm=(4, 4, 4), device="cpu")
    >>> table = step.set_output(transform="pandas").fit_transform([(suv, suv > 10)])
    >>> float(table["pt_first__original_stat_minimum_intensity"].iloc[0])
    11.0
    """

    def __init__(
        self,
        features: Features = "pet",
        *,
        modality: str | None = None,
        spacing_mm: Sequence[float] | None = None,
        device: str = "auto",
    ) -> None:
        self.features = features
        self.modality = modality
        self.spacing_mm = spacing_mm
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the settings; the pairs are not looked at.

        Raises
        ------
        InputError
            There are no such features.
        """
        self.feature_sets_ = sets_of(self.features, self.modality)
        self.n_features_out_ = sum(len(columns(one)) for one in self.feature_sets_)
        return self

    def transform(self, X: Iterable[Sequence[Any]]) -> NDArray[np.float64]:
        """Compute the features of every pair.

        Parameters
        ----------
        X : iterable of (image, mask)
            Paths, Volumes or arrays; also the rows of an (n, 2) array or data frame.

        Returns
        -------
        (n, F) float64 array
            NaN where a feature is undefined. A data frame after `set_output`.

        Raises
        ------
        InputError
            As `petnet.radiomics.extract`, with the number of the pair or the name of its file.
        """
        sets = self._sets()
        rows = [self._row(k, pair, sets) for k, pair in enumerate(_pairs(X))]
        made: NDArray[np.float64] = np.array(rows, dtype=np.float64)
        return made.reshape(len(rows), sum(len(columns(one)) for one in sets))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns; those of the input are of no account."""
        names = [name for one in self._sets() for name in columns(one)]
        return np.array(names, dtype=object)

    def _sets(self) -> tuple[FeatureSet, ...]:
        fitted: tuple[FeatureSet, ...] | None = getattr(self, "feature_sets_", None)
        return fitted if fitted is not None else sets_of(self.features, self.modality)

    def _row(
        self, number: int, pair: Sequence[Any], sets: tuple[FeatureSet, ...]
    ) -> NDArray[np.float64]:
        if len(pair) != 2:
            expected = "an image and a mask"
            raise InputError(f"pair {number}", "length", expected, f"{len(pair)} things")
        spacing = None if isinstance(pair[0], Volume | str | Path) else self.spacing_mm
        what = f"pair {number}"
        image = as_image(pair[0], sets[0].modality, spacing, what)
        mask = as_mask(pair[1], image, what=what)
        table = extract_regions([image], [mask], sets, self.device, [number]).table
        row: NDArray[np.float64] = table.to_numpy()[0]
        return row

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _pairs(X: Any) -> Iterable[Sequence[Any]]:
    pairs: Iterable[Sequence[Any]] = X
    return X.itertuples(index=False, name=None) if hasattr(X, "itertuples") else pairs
