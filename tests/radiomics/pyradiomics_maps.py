"""Voxel-based extraction by the real PyRadiomics, run in its own environment.

    python pyradiomics_maps.py IN.npz OUT.npz FEATURE...

IN holds `image` and `mask` (X, Y, Z), `bins` and `radius`; OUT the maps (X, Y, Z) by feature, NaN
outside the mask.
"""

import sys

import numpy as np


def main(source, target, *features):
    import SimpleITK as sitk
    from radiomics import featureextractor, setVerbosity

    setVerbosity(60)
    given = np.load(source)
    image = sitk.GetImageFromArray(given["image"].astype("float64").transpose(2, 1, 0))
    mask = sitk.GetImageFromArray(given["mask"].astype("uint8").transpose(2, 1, 0))
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binCount=int(given["bins"]),
        kernelRadius=int(given["radius"]),
        maskedKernel=True,
        initValue=float("nan"),
        label=1,
        additionalInfo=False,
    )
    extractor.disableAllFeatures()
    for feature in features:
        family, name = feature.split("_")
        extractor.enableFeaturesByName(**{family: [*enabled(extractor, family), name]})
    maps = {}
    for name, found in extractor.execute(image, mask, voxelBased=True).items():
        # the map is cropped to the mask: lay it where it was
        start = image.TransformPhysicalPointToIndex(found.GetOrigin())
        box = tuple(slice(s, s + n) for s, n in zip(start, found.GetSize(), strict=True))
        whole = np.full(given["image"].shape, np.nan)
        whole[box] = sitk.GetArrayFromImage(found).transpose(2, 1, 0)
        maps[name.replace("original_", "")] = whole
    np.savez(target, **maps)


def enabled(extractor, family):
    return extractor.enabledFeatures.get(family) or []


if __name__ == "__main__":
    main(*sys.argv[1:])
