from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_shapereg.errors import InputError
from napari_shapereg.quality import target_registration_error

FIXED = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
SHIFT = sitk.TranslationTransform(3, (0.0, 3.0, 4.0))


def test_errors_are_distances_from_the_mapped_fixed_points_to_the_moving_ones():
    # The map goes 5 mm away along (0, 3, 4); the second landmark was placed another 2 mm along x.
    moving = FIXED + np.array([[0.0, 3.0, 4.0], [2.0, 3.0, 4.0]])
    errors = target_registration_error(SHIFT, FIXED, moving, ["a", "b"])
    assert errors.before == pytest.approx([5.0, np.sqrt(29)])
    assert errors.after == pytest.approx([0.0, 2.0])
    told = errors.to_dict()
    assert told["mean"]["after"] == pytest.approx(1.0)
    assert told["maximum"] == {"before": pytest.approx(np.sqrt(29)), "after": pytest.approx(2.0)}
    assert told["landmarks"]["b"]["after"] == pytest.approx(2.0)
    # In the wrong direction they grow.
    assert target_registration_error(SHIFT, moving, FIXED).after[0] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("fixed", "moving", "message"),
    [
        (FIXED, FIXED[:1], "in pairs, got 2 fixed and 1 moving"),
        (FIXED[:0], FIXED[:0], "fixed landmarks must be finite and of shape"),
        (FIXED, FIXED * np.nan, "moving landmarks must be finite"),
        (FIXED[:, :2], FIXED, "shape"),
    ],
)
def test_what_is_no_pair_is_refused(fixed, moving, message):
    with pytest.raises(InputError, match=message):
        target_registration_error(SHIFT, fixed, moving)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", "a"], []])
def test_each_pair_has_a_name_of_its_own(names):
    with pytest.raises(InputError, match="each of the 2 pairs needs a name of its own, got"):
        target_registration_error(SHIFT, FIXED, FIXED, names)
