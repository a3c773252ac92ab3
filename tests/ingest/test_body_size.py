"""Formulas of body size against published and hand-worked values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petnet.ingest.suv.body_size import (
    body_surface_area_m2,
    ideal_body_weight_kg,
    lean_body_mass_janmahasatian_kg,
    lean_body_mass_kg,
)


@pytest.mark.parametrize(
    ("weight", "height", "male", "lean"),
    [  # 9270 W / (6680 + 216 BMI) and 9270 W / (8780 + 244 BMI), by hand
        (70.0, 1.75, True, 55.857),  # BMI 22.857143: 648900 / 11617.143
        (70.0, 1.75, False, 45.197),  # 648900 / 14357.143
        (120.0, 2.0, True, 84.529),  # BMI 30: 1112400 / 13160
        (100.0, 2.0, False, 62.298),  # BMI 25: 927000 / 14880
    ],
)
def test_janmahasatian_by_hand(weight, height, male, lean):
    assert lean_body_mass_janmahasatian_kg(weight, height, male) == pytest.approx(lean, abs=6e-4)


@pytest.mark.parametrize(
    ("male", "men", "lean"),
    [(True, 128.0, 56.52), (True, 120.0, 57.80), (False, 128.0, 51.22), (False, 120.0, 51.22)],
)
def test_james_of_70_kg_and_175_cm_by_hand(male, men, lean):
    """(70/175)^2 = 0.16: 77 - 20.48, 77 - 19.2, 74.9 - 23.68."""
    assert lean_body_mass_kg(70.0, 1.75, male, men) == pytest.approx(lean, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "height", "area"),
    [  # nomogram of Du Bois and Du Bois
        (70.0, 1.70, 1.81),
        (60.0, 1.60, 1.62),
        (80.0, 1.80, 2.00),
        (50.0, 1.50, 1.43),
        (100.0, 1.90, 2.28),
    ],
)
def test_surface_published(weight, height, area):
    assert body_surface_area_m2(weight, height) == pytest.approx(area, abs=0.006)


def test_ideal_weight_by_hand():
    assert ideal_body_weight_kg(1.52, male=True) == pytest.approx(48.0)
    assert ideal_body_weight_kg(1.52, male=False) == pytest.approx(45.5)
    assert ideal_body_weight_kg(1.72, male=True) == pytest.approx(69.2)
    assert ideal_body_weight_kg(1.72, male=False) == pytest.approx(63.7)


@given(st.floats(30, 300), st.floats(1.2, 2.2), st.booleans())
def test_lean_mass_of_janmahasatian_is_part_of_the_body_and_grows_with_it(weight, height, male):
    lean = lean_body_mass_janmahasatian_kg(weight, height, male)
    assert 0 < lean < 1.3 * weight
    assert lean_body_mass_janmahasatian_kg(weight + 1, height, male) > lean
    assert lean_body_mass_janmahasatian_kg(weight, height + 0.01, male) > lean
