"""Read a folder of one DICOM series with one library, in its environment, and say what it took.

    PYTHON dicom_runner.py {petnet,mirp,dicom2nifti} FOLDER OUT.nii.gz

One line of JSON on stdout: seconds of the imports, seconds to a volume in memory, seconds of that
and of writing (null where the library has no such step), resident memory after the imports and its
peak (MiB), and what came out, so that the answers can be compared.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[[Path], Any]


def petnet() -> tuple[Step, Callable[[Any, Path], Any] | None]:
    """SUVbw as float32, with the account of the header that convert writes."""
    import nibabel  # noqa: F401  (what writing would import)
    import pydicom  # noqa: F401

    from petnet.ingest.dicom.images import load_pet
    from petnet.ingest.dicom.scan import scan_tree
    from petnet.ingest.dicom.series import read_series
    from petnet.ingest.suv.scale import SuvOptions
    from petnet.volume import write_volume

    def read(folder: Path) -> Any:
        return load_pet(read_series(scan_tree(folder).files), SuvOptions())[0]

    return read, lambda volume, path: write_volume(path, volume) or volume.array


def mirp() -> tuple[Step, Callable[[Any, Path], Any] | None]:
    """SUVbw as float32; MIRP's import, to the voxels in memory."""
    from mirp._data_import.read_data import read_image
    from mirp.data_import.import_image import import_image

    def read(folder: Path) -> Any:
        return read_image(import_image(str(folder))[0])[0].get_voxel_grid()

    return read, None


def dicom2nifti() -> tuple[Step, Callable[[Any, Path], Any] | None]:
    """Bq/ml: no SUV, and no volume without a file."""
    import dicom2nifti as library

    def write(folder: Any, path: Path) -> Any:
        done = library.dicom_series_to_nifti(str(folder), str(path), reorient_nifti=False)
        return done["NII"].get_fdata(dtype="float32")

    return lambda folder: folder, write


def _status_mib(key: str) -> float:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def main() -> None:
    """Run one library once."""
    library, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    began = time.perf_counter()
    read, write = {"petnet": petnet, "mirp": mirp, "dicom2nifti": dicom2nifti}[library]()
    imported = time.perf_counter()
    resident = _status_mib("VmRSS:")
    volume = read(folder)
    in_memory = time.perf_counter()
    array = write(volume, out) if write else volume
    written = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer = {
        "imports": imported - began,
        "volume": in_memory - imported if library != "dicom2nifti" else None,
        "nifti": written - imported if write else None,
        "resident_mib": resident,
        "peak_mib": peak,
        "voxels": int(array.size),
        "largest": float(array.max()),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
