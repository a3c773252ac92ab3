"""`petnet convert`: what identifies patients stays in the key."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from dicom_trees import (
    AFFINE,
    LESION,
    NODE,
    box_mask,
    change,
    examination,
    named,
    pet_volume,
    plain_bytes,
    rows,
    write_study,
)
from pydicom import dcmread

from petnet.cli import main
from petnet.simulation.dicom.extras import write_capture
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.segments import write_seg


def convert(tree, out, *more, workers=1):
    return main(["convert", f"input='{tree}'", f"out='{out}'", f"workers={workers}", *more])


PERSON = "Geheimrat^Ottokar^von^Dr.=李^明"
PLANTED = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": PERSON,
    "PatientBirthDate": "19391203",
    "OtherPatientIDs": ["ALT-0815", "Q77-4"],
    "AccessionNumber": "ACC665544",
    "ReferringPhysicianName": "Leibarzt^Quirin",
    "OperatorsName": "Handlanger^Xaver",
    "InstitutionName": "Klinikum Wolkenstein",
    "InstitutionAddress": "Burgweg 99, Wolkenstein",
    "SeriesDescription": "Geheimrat Ottokar 19391203",
    "StudyDescription": "fuer Leibarzt",
    "ProtocolName": "Ottokar",
    "PatientComments": "Geheimrat",
}
SECRETS = (
    "geheimrat", "ottokar", "李", "19391203", "1939-12-03", "alt-0815", "q77-4", "acc665544",
    "leibarzt", "quirin", "handlanger", "xaver", "wolkenstein", "burgweg", "h-4711", "auswerter",
    "2020-05-04", "20200504", "20200505",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Names, ids, dates and UIDs wherever a file, a folder or an attribute can hold them."""
    root = tmp_path_factory.mktemp("hostile")
    tree = root / "Geheimrat_Ottokar" / "19391203"
    visit = examination("H-4711", name=PERSON)
    pet = write_study(tree / "H-4711", visit, regions={"GTV Ottokar": LESION, "H-4711 node": NODE})
    write_seg(
        tree / "Geheimrat.seg.dcm", {"PTV Ottokar": LESION, "Tumor 20200504": NODE}, visit, pet
    )
    unweighed = write_pet(
        tree / "b", pet_volume(9), visit, PetStyle(weighed=False), named(9, "Ottokar")
    )
    write_capture(tree / "c.dcm", pet_volume(), visit)
    files = [path for path in tree.rglob("*") if path.is_file()]
    change(files, **PLANTED)
    change(unweighed.paths, Units="Geheimrat Ottokar")
    contours = tree / "H-4711" / "contours.dcm"
    observed = dcmread(contours).RTROIObservationsSequence
    observed[0].ROIInterpreter = "Auswerter^Quirin"
    change([contours], RTROIObservationsSequence=observed)
    (tree / "Ottokar.dcm").write_bytes(bytes(128) + b"DICM" + b"Geheimrat" * 9)
    image = nib.Nifti1Image(box_mask((1, 2), (1, 2), (1, 2)).array.astype(np.uint8), AFFINE)
    nib.save(image, tree / "Ottokar_tumour.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), tree / "Geheimrat.nii")
    uids = {str(e.value) for f in files for e in dcmread(f).iterall() if e.VR == "UI"}
    own = {uid for uid in uids if not uid.startswith("1.2.840.10008.")}
    return SimpleNamespace(root=root, secrets=(*SECRETS, *own))


def leaks(folder, secrets, *texts):
    """Names and contents of files, and texts, in which a secret is found."""
    found = []
    for path in (p for p in folder.rglob("*") if p.is_file()):
        inside = plain_bytes(path).decode("utf-8", "ignore").lower()
        name = path.relative_to(folder).as_posix().lower()
        found += [(name, s) for s in secrets if s.lower() in inside or s.lower() in name]
    return found + [(text, s) for text in texts for s in secrets if s.lower() in text.lower()]


def test_nothing_that_identifies_leaves_the_key(hostile, tmp_path, capfd):
    out = tmp_path / "out"
    assert convert(hostile.root, out, "debug=true") == 0
    shown = capfd.readouterr()
    shown = (shown.out + shown.err).replace(str(hostile.root), "").replace(str(tmp_path), "")
    assert leaks(out, hostile.secrets, shown) == []
    assert len(rows(out / "rois.csv")) == 4
    assert {r["role"] for r in rows(out / "rois.csv")} == {"primary", "node"}
    assert {"P0001"} == {r["patient"] for r in rows(out / "studies.csv")}
    assert {r["center"] for r in rows(out / "studies.csv")} == {"C1"}
    assert {r["reader"] for r in rows(out / "rois.csv")} == {"R1", "R2", ""}
    key = leaks(tmp_path / "out-key", ["geheimrat", "h-4711", "wolkenstein", "auswerter"])
    assert {name for name, _ in key} >= {"patients.csv", "institutions.csv", "readers.csv"}


def test_a_crash_gives_nothing_away_either(hostile, tmp_path, capfd, monkeypatch):
    from petnet.ingest.conversion import images as convert_images

    def broken(series, options):
        raise KeyError(str(series.header.PatientName))

    monkeypatch.setattr(convert_images, "load_pet", broken)
    out = tmp_path / "out"
    assert convert(hostile.root, out, "debug=true") == 1
    shown = capfd.readouterr()
    shown = (shown.out + shown.err).replace(str(hostile.root), "").replace(str(tmp_path), "")
    assert leaks(out, hostile.secrets, shown) == []


def test_identifiers_are_kept_where_that_is_asked_for(hostile, tmp_path, capsys):
    out = tmp_path / "out"
    assert convert(hostile.root, out, "keep_identifiers=true") == 0
    (study,) = rows(out / "studies.csv")
    said = [study[k] for k in ("patient", "study", "center", "pet")]
    assert said == [
        "H-4711",
        "H-4711_baseline_fdg",
        "Klinikum Wolkenstein",
        "images/H-4711/H-4711_baseline_fdg_pet.nii.gz",
    ]
    assert "Auswerter^Quirin" in {r["reader"] for r in rows(out / "rois.csv")}
    uids = [secret for secret in hostile.secrets if secret.count(".") > 4]
    assert uids
    assert leaks(out, uids) == []
    capsys.readouterr()
    assert convert(hostile.root, out) == 2
    assert "keep_identifiers" in capsys.readouterr().err
