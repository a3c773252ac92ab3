"""The page of `petnet check`, read as a browser reads it: escaped, alone, light, by keyboard."""

import base64
import re

import numpy as np
import pytest
from pages_read import Page, cells

from petnet.ingest.quality import CHECKS, COHORT, SEVERITIES, Checked, Drawing, Finding, Looked
from petnet.ingest.quality.cohort import centre_rows
from petnet.reporting.check_page import write_check_page

HOSTILE = '<script>alert("x")</script>'
BREAKOUT = '"><img src=x onerror=alert(1)>'


def study(name, patient="p", drawings=(), findings=()):
    row = {"study": name, "patient": patient, "tracer": "FDG", "timepoint": "baseline"}
    row |= {"center": BREAKOUT, "scanner": HOSTILE, "uptake_min": 60.0}
    return Looked(row, tuple(findings), tuple(drawings), {}, (4.0, 4.0, 4.0))


def drawing(rng, shape=(280, 150), name="mip"):
    mask = np.zeros(shape, bool)
    mask[20:40, 30:60] = True
    image = rng.integers(0, 256, shape, dtype=np.uint8)  # noise: nothing compresses worse
    outlines = {"pet": mask, "ct": np.roll(mask, 3, axis=0)}
    return Drawing(name, image, (3.0, 4.0), outlines, "PET" if name == "mip" else "CT")


@pytest.fixture(scope="module")
def checked():
    rng = np.random.default_rng(0)
    names = ["quiet", HOSTILE, "broken"]
    found = [
        Finding(COHORT, "scanner", "warning", f"scanners differ: {HOSTILE}", "", 2, high=1),
        Finding("quiet", "pet", "ok", "SUV up to 8", "", 8.0, 0.5, 200.0, "SUV"),
        Finding("quiet", "liver", "not assessable", "no liver"),
        Finding(HOSTILE, "mask", "warning", "0.1 ml", BREAKOUT, 0.1, 0.5, 5000.0, "ml"),
        Finding("broken", "pet", "error", "no such file"),
    ]
    studies = [
        study(name, BREAKOUT, [drawing(rng), drawing(rng, (200, 200), "axial")]) for name in names
    ]
    return Checked(tuple(studies), tuple(found), tuple(centre_rows(studies)))


@pytest.fixture(scope="module")
def text(checked, tmp_path_factory):
    return write_check_page(
        tmp_path_factory.mktemp("page") / "check.html", checked, HOSTILE
    ).read_text("utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for tag, a in page.tags if tag == "a"]
    assert targets
    assert {t.removeprefix("#") for t in targets} <= set(ids)
    assert {a["for"] for tag, a in page.tags if tag == "label" and "for" in a} <= set(ids)


def test_names_are_text_and_never_markup(page, text):
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert HOSTILE not in text
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}
    rows = cells(text, "table-findings")
    assert any("&lt;script&gt;" in row[1] for row in rows)
    assert any("&lt;img" in row[3] for row in rows)


def test_nothing_is_loaded_from_outside(page, text):
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (tag, name, value[:60])
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp", text)


def test_every_finding_is_a_row_with_its_figures(text, checked):
    rows = cells(text, "table-findings")
    assert len(rows) == len(checked.findings)
    (row,) = [r for r in rows if r[2] == "mask"]
    assert row[5:] == ["0.1 ml", "0.5 to 5000"]


def test_counts_by_severity_and_check(text, page):
    counts = re.findall(r"<li class=\"is-\w+\"><b>(\d+)</b>", text)
    assert [int(n) for n in counts] == [1, 2, 1, 1]  # as SEVERITIES: error, warning, ...
    assert SEVERITIES[0] == "error"
    by_check = {row[0]: row[1:5] for row in cells(text, "table-checks")}
    assert by_check["pet"] == ["1", "–", "–", "1"]
    assert set(by_check) == {"pet", "mask", "liver", "scanner"} <= set(CHECKS)


def test_a_severity_is_a_word_and_a_symbol_beside_its_colour(text):
    for severity, symbol in (
        ("error", "✕"),
        ("warning", "▲"),
        ("not assessable", "?"),
        ("ok", "✓"),
    ):
        assert f'<i aria-hidden="true">{symbol}</i>{severity}</span>' in text


def test_filters_and_sorting_are_reached_by_keyboard(page):
    controls = [a for tag, a in page.tags if tag in ("button", "select", "input")]
    assert len(controls) >= 4 + 2 + 1 + 5
    assert not any(a.get("tabindex") == "-1" for a in controls)
    heads = [a for tag, a in page.tags if tag == "th" and "onclick" in a]
    assert not heads  # headers sort by the buttons in them


def test_the_worst_study_comes_first_and_the_quiet_one_says_what_was_not_told(text):
    order = re.findall(r"<article.*?<h3>(.*?)</h3>", text)
    assert order == ["broken", "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;", "quiet"]
    quiet = text[text.index("<h3>quiet</h3>") :]
    assert "not assessable: liver" in quiet
    assert "no error and no warning" in quiet


def test_pictures_are_8_bit_and_loaded_when_they_are_seen(page, checked):
    from io import BytesIO

    from PIL import Image

    pictures = [a for tag, a in page.tags if tag == "img"]
    assert len(pictures) == 6
    assert all(a["loading"] == "lazy" and a["alt"] for a in pictures)
    data = base64.b64decode(pictures[0]["src"].removeprefix("data:image/png;base64,"))
    image = Image.open(BytesIO(data))
    assert image.mode == "L"
    shown = np.asarray(image)  # inverse grey, as PET is read
    worst = next(s for s in checked.studies if s.study["study"] == "broken")
    assert (shown == 255 - worst.drawings[0].image).all()
    outlines = [a for tag, a in page.tags if tag == "path" and "d" in a]
    assert len([a for a in outlines if a["class"] == "outline ct"]) == 6 + 1  # and in the key


def test_forty_studies_are_light(tmp_path):
    rng = np.random.default_rng(1)
    studies = tuple(
        study(f"s{n}", f"p{n}", [drawing(rng), drawing(rng, (200, 200), "axial")])
        for n in range(40)
    )
    findings = tuple(
        Finding(s.study["study"], what, "warning", "x" * 150) for s in studies for what in CHECKS
    )
    out = write_check_page(tmp_path / "p.html", Checked(studies, findings, ()), "c")
    assert out.stat().st_size < 6e6


def test_the_same_findings_give_the_same_bytes(checked, text, tmp_path):
    again = write_check_page(tmp_path / "check.html", checked, HOSTILE)
    assert again.read_text("utf-8") == text
