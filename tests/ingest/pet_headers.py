"""Headers of PET slices for tests: each a whole header with what a test is about changed.

Unchanged it is 80 kg, 1.80 m, M, 400 MBq F-18 FDG injected one half-life (6588 s) before the series
time, which is also the acquisition's: the share left is 1/2, and
SUVbw = c · 80000 g / (400e6 Bq · 1/2) = c · 4e-4.
"""

from pydicom import Dataset, config
from pydicom.sequence import Sequence

HALF_LIFE_S = 6588  # 1 h 49 min 48 s
FACTOR = 4e-4
F18 = ("C-111A1", "SRT", "^18^Fluorine")
GA68 = ("C-131A3", "SRT", "^68^Gallium")
FDG = ("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")
OF_INJECTION = {
    "Radiopharmaceutical": "FDG",
    "RadiopharmaceuticalStartDateTime": "20240131100000",
    "RadiopharmaceuticalStartTime": "100000",
    "RadionuclideTotalDose": "400000000",
    "RadionuclideHalfLife": "6588",
}
OF_SERIES = {
    "Modality": "PT",
    "Manufacturer": "Some Maker",
    "ManufacturerModelName": "Model 1",
    "Units": "BQML",
    "DecayCorrection": "START",
    "CorrectedImage": ["NORM", "ATTN", "SCAT", "DECY"],
    "SeriesDate": "20240131",
    "SeriesTime": "114948",
    "PatientWeight": "80",
    "PatientSize": "1.80",
    "PatientSex": "M",
}
OF_SLICE = {
    "RescaleSlope": "1.5",
    "RescaleIntercept": "0",
    "AcquisitionDate": "20240131",
    "AcquisitionTime": "114948",
    "FrameReferenceTime": "119747.5",  # mean activity of 240 s of F-18
    "ActualFrameDuration": "240000",
}


def coded(code):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return Sequence([item])


def pet_slices(slices=({}, {}), nuclide=F18, tracer_code=None, private=(), **changes):
    """Return one header per entry of `slices`, which holds what differs in it.

    A value of None leaves an attribute out. `private` holds (creator, group, offset, VR, value).
    """
    with config.disable_value_validation():  # what breaks its VR is what some tests are about
        return [_slice({**changes, **own}, nuclide, tracer_code, private) for own in slices]


def _slice(changes, nuclide, tracer_code, private):
    dataset, injection = Dataset(), Dataset()
    _fill(dataset, {**OF_SERIES, **OF_SLICE}, changes)
    _fill(injection, OF_INJECTION, changes)
    for keyword, value in changes.items():
        if keyword not in {**OF_SERIES, **OF_SLICE, **OF_INJECTION} and value is not None:
            setattr(dataset, keyword, value)
    if nuclide:
        injection.RadionuclideCodeSequence = coded(nuclide)
    if tracer_code:
        injection.RadiopharmaceuticalCodeSequence = coded(tracer_code)
    dataset.RadiopharmaceuticalInformationSequence = Sequence([injection])
    for creator, group, offset, vr, value in private:
        dataset.private_block(group, creator, create=True).add_new(offset, vr, value)
    return dataset


def _fill(dataset, values, changes):
    for keyword, value in values.items():
        value = changes.get(keyword, value)
        if value is not None:
            setattr(dataset, keyword, value)


def ge(moment, vr="DT"):
    return ("GEMS_PETD_01", 0x0009, 0x0D, vr, moment)


def philips(suv=None, activity=None):
    creator = "Philips PET Private Group"
    factors = ((0x00, suv), (0x09, activity))
    return [(creator, 0x7053, at, "DS", value) for at, value in factors if value is not None]
