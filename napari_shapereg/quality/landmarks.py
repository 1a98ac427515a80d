"""How far a map leaves landmarks from where an expert placed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_shapereg.errors import InputError
from napari_shapereg.quality.curved_region import require_3d

if TYPE_CHECKING:
    from collections.abc import Sequence

    import SimpleITK as sitk
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class LandmarkErrors:
    """The target registration errors of landmarks, mm.

    Parameters
    ----------
    names : tuple of str
    before : tuple of float
        Distances of the landmarks as they lie.
    after : tuple of float
        Distances through the map.
    """

    names: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: ``mean``, ``maximum`` and ``landmarks`` by name, each before and after, mm."""
        both = {"before": self.before, "after": self.after}
        return {
            "mean": {when: float(np.mean(values)) for when, values in both.items()},
            "maximum": {when: max(values) for when, values in both.items()},
            "landmarks": {
                name: {"before": before, "after": after}
                for name, before, after in zip(self.names, self.before, self.after, strict=True)
            },
        }


def target_registration_error(
    fixed_to_moving: sitk.Transform,
    fixed_points: ArrayLike,
    moving_points: ArrayLike,
    names: Sequence[str] | None = None,
) -> LandmarkErrors:
    """Measure |T(y_i) - x_i| for landmarks y of the fixed and x of the moving space.

    J. M. Fitzpatrick and J. B. West, "The distribution of target registration error in rigid-body point-based
    registration", IEEE Transactions on Medical Imaging 20 (2001). The landmarks must not have been used to
    find T.

    Parameters
    ----------
    fixed_to_moving : SimpleITK.Transform
        T, LPS mm. (With the inverse exchange the landmarks: then the errors are those of the fixed space.)
    fixed_points, moving_points : (N, 3) array-like
        LPS mm, in the same order; N ≥ 1.
    names : sequence of str, optional
        One for each pair, no two alike; 1, 2, ... where there are none.

    Returns
    -------
    LandmarkErrors

    Raises
    ------
    InputError
        The transform is not 3-D, the landmarks are not as many, not finite, or none, or the names are not as
        many or not unique.
    """
    require_3d(fixed_to_moving)
    fixed, moving = _rows("fixed", fixed_points), _rows("moving", moving_points)
    if fixed.shape != moving.shape:
        raise InputError(
            f"landmarks come in pairs, got {len(fixed)} fixed and {len(moving)} moving ones; remove those "
            "without a partner"
        )
    called = tuple(str(number) for number in range(1, len(fixed) + 1)) if names is None else tuple(names)
    if len(set(called)) != len(fixed) or len(called) != len(fixed):
        raise InputError(f"each of the {len(fixed)} pairs needs a name of its own, got {list(called)}")
    # One by one: landmarks are few.
    mapped = np.array([fixed_to_moving.TransformPoint(point) for point in fixed.tolist()])
    return LandmarkErrors(
        called,
        tuple(np.linalg.norm(fixed - moving, axis=1).tolist()),
        tuple(np.linalg.norm(mapped - moving, axis=1).tolist()),
    )


def _rows(which: str, points: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(points, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows) or not np.isfinite(rows).all():
        raise InputError(f"{which} landmarks must be finite and of shape (N, 3), got {rows.shape}")
    return rows
