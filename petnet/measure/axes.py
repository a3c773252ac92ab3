"""The short axis of a lesion, as it is measured on axial slices for lymph nodes (RECIST 1.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from petnet.volume import Volume

__all__ = ["short_axis_mm"]

TIE_MM = 1e-6


def short_axis_mm(mask: Volume) -> float:
    """Measure across the longest diameter, on the axial slice where that is longest.

    Parameters
    ----------
    mask : Volume
        (X, Y, Z); the lesion is where it is not zero. Parts that do not touch (not even at a
        corner) are measured one by one, since a diameter does not bridge healthy tissue.

    Returns
    -------
    float
        Millimetres: on the slice of the part's longest diameter, the part's whole extent
        perpendicular to that diameter; the largest of the parts. Of diameters equally long the one
        with the larger extent across counts. NaN for an empty mask.

    Notes
    -----
    Lymph nodes are judged by the short axis: Eisenhauer et al. 2009 (RECIST 1.1),
    doi:10.1016/j.ejca.2008.10.026; Schwartz et al. 2009, doi:10.1016/j.ejca.2008.10.028.

    The outline runs half a voxel outside of the voxel centres along either axis of the slice, where
    IBSI's mesh of the mask has its vertices (doi:10.1148/radiol.2020191145): a row of n voxels is n
    voxels long. Ellipses drawn on voxels then come out within half a voxel on average where they
    are 2 to 6 voxels across, as nodes are in PET, and up to 0.8 voxels too wide where they are
    larger; from voxel corners all would be too wide, by up to 1.4 voxels, and from voxel centres
    nodes would be too narrow by one.

    Slices are those of the grid that lie closest to the patient's axial plane; on an oblique grid
    they are tilted against it by no more than the grid is.
    """
    from scipy.ndimage import find_objects, label

    directions = mask.affine[:3, :3] / np.linalg.norm(mask.affine[:3, :3], axis=0)
    axial = int(np.argmax(np.abs(directions[2])))
    inside = np.moveaxis(np.asarray(mask.array) != 0, axial, 0)
    spacing = np.delete(np.array(mask.spacing_mm), axial)
    parts, _ = label(inside, structure=np.ones((3, 3, 3)))
    found = [
        max(
            _diameters(np.argwhere(plane), spacing) for plane in parts[box] == number if plane.any()
        )
        for number, box in enumerate(find_objects(parts), 1)
    ]
    return max((short for _, short in found), default=float("nan"))


def _diameters(voxels: NDArray[np.intp], spacing_mm: NDArray[np.float64]) -> tuple[float, float]:
    """Return the longest diameter of (n, 2) voxels of one slice and the extent across it."""
    from scipy.spatial import ConvexHull

    half = np.diag(spacing_mm) / 2
    outline = np.concatenate([voxels * spacing_mm + step for step in (*half, *-half)])
    corners = outline[ConvexHull(outline).vertices]
    apart = corners[:, None] - corners
    lengths = np.linalg.norm(apart, axis=-1)
    longest = lengths.max()
    along = apart[lengths >= longest - TIE_MM] / longest
    across = np.stack([-along[:, 1], along[:, 0]])
    # rounded, so that slices that are equally long are not told apart by the last bit
    return round(float(longest), 6), float(np.ptp(corners @ across, axis=0).max())
