"""The slow work behind the registration dock: functions of volumes and results, for a worker thread.

None of them touches the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_shapereg.plugin.agreement import told
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.gradients import measures_of
from napari_shapereg.plugin.layers import labels_layer, shown_in
from napari_shapereg.plugin.live_view import Run
from napari_shapereg.plugin.pairs import read_pair
from napari_shapereg.plugin.path_layer import MOST_FACES, path_layer, shape_path
from napari_shapereg.plugin.scene import shape_of
from napari_shapereg.registration.shapes import shared_labels
from napari_shapereg.transforms import affine_transform, resample_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels, Points

    from napari_shapereg.plugin.gradients import Measures
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.plugin.pairs import Pair
    from napari_shapereg.plugin.scene import Shape
    from napari_shapereg.registration import RegisteredPair, RegistrationResult, RegistrationSettings
    from napari_shapereg.volumes import LabelVolume

RUN_FACES = 30_000
"""Of each of the surfaces that a run shows: one of them is drawn anew ten times a second."""

Extent = Literal["none", "affine", "full"]
"""How much of a map is applied."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Two volumes as they are compared and shown.

    Parameters
    ----------
    pair : Pair
    labels : tuple of int
    measures : Measures
    moving, fixed : Shape
        Surfaces.
    overlay : LayerData, optional
        The moving labels in the frame of the fixed ones, where their own layer lies in another.
    """

    pair: Pair
    labels: tuple[int, ...]
    measures: Measures
    moving: Shape
    fixed: Shape
    overlay: LayerData | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that waits to be started.

    Parameters
    ----------
    run : Run
    pair : Pair
    radius : float
        About that of the fixed shape, mm: the yardstick of what is drawn.
    """

    run: Run
    pair: Pair
    radius: float


@dataclass(frozen=True)
class Score:
    """The Dice coefficients of one label before and after."""

    label: int
    name: str
    before: float
    after: float

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.label}  {self.name}" if self.name else str(self.label)


@dataclass(frozen=True, eq=False)
class Finished:
    """A run's result, and the layer that shows it."""

    result: RegistrationResult
    layer: LayerData


def compare(moving: Labels, fixed: Labels, settings: RegistrationSettings) -> Compared:
    """Read two layers and turn them into measures and surfaces.

    Raises
    ------
    InputError, EngineError
        A layer is no label volume, their labels do not fit, or this machine has no such device.
    """
    pair = read_pair(moving, fixed)
    labels = shared_labels(pair.moving, pair.fixed, settings)
    kind = settings.measure_kind
    measures = measures_of(pair, labels, kind, device=settings.device)
    surfaces = shape_of(pair.moving, labels), shape_of(pair.fixed, labels)
    return Compared(pair, labels, measures, *surfaces, laid_over(pair))


def prepare(
    moving: Labels,
    fixed: Labels,
    settings: RegistrationSettings,
    points: tuple[Points, Points] | None = None,
) -> Prepared:
    """Copy two layers, which may be painted on while the run is at work, and set up the run.

    Raises
    ------
    InputError, EngineError
        As `compare`.
    """
    pair = read_pair(moving, fixed, points, copy=True)
    run = Run(pair.moving, pair.fixed, settings, pair.landmarks)
    box = [span.stop - span.start for span in pair.fixed.bounding_box()[::-1]]
    # As if it filled its box.
    return Prepared(run, pair, float(np.linalg.norm(np.multiply(box, pair.fixed.grid.spacing))) / 12**0.5)


def surfaces_of(prepared: Prepared) -> tuple[Shape, Shape]:
    """Return the surface that a run moves, at rest, and the one that it is to reach."""
    pair, labels = prepared.pair, prepared.run.labels
    return shape_of(pair.moving, labels, RUN_FACES), shape_of(pair.fixed, labels, RUN_FACES)


def finish(run: Run, name: str) -> Finished:
    """Resample what a run has reached. It may still be at work on its next step.

    Parameters
    ----------
    run : Run
    name : str
        Of the moving layer.
    """
    result = run.result()
    # Computed and copied here, not by the thread of the window.
    return Finished(result, labels_layer(result.warped, f"{name} registered", result=result))


def scores_of(result: RegisteredPair) -> tuple[Score, ...]:
    """Measure the overlap of each label before and after."""
    names = {**result.moving.names, **result.fixed.names}
    before, after = (overlaps(result.fixed, moved, result.labels) for moved in (result.before, result.warped))
    return tuple(Score(label, names.get(label, ""), before[label], after[label]) for label in result.labels)


def remarks_on(result: RegistrationResult) -> str:
    """Say in words what overlaps do not: that left became right, and how far apart landmarks are."""
    remarks = []
    if np.linalg.det(result.affine.matrix) < 0:
        remarks.append(
            "Mirrored: left became right, as of a left knee on a right one. "
            "Choose Mirror: Never in the settings to forbid it."
        )
    if result.landmark_errors:
        remarks.append(told(result.landmark_errors, fitted=result.settings.landmark_weight > 0))
    return "\n".join(remarks)


def overlaps(fixed: LabelVolume, moved: LabelVolume, labels: Sequence[int]) -> Mapping[int, float]:
    """Return 2 |A ∩ B| / (|A| + |B|) of each label of two volumes on one grid."""
    inside = np.flatnonzero((fixed.data != 0).ravel() | (moved.data != 0).ravel())
    a, b = (volume.data.ravel()[inside] for volume in (fixed, moved))
    found = {}
    for label in labels:
        ours, theirs = a == label, b == label
        found[label] = 2.0 * float((ours & theirs).sum()) / max(1, int(ours.sum() + theirs.sum()))
    return found


def mapped(result: RegisteredPair, extent: Extent) -> LabelVolume:
    """Return the moving labels on the fixed grid through none, the affine part or all of a map."""
    if extent == "none":
        return result.before
    if extent == "full":
        return result.warped
    back = result.affine.inverse()
    return resample_labels(result.moving, result.fixed.grid, affine_transform(back.matrix, back.translation))


def laid_over(pair: Pair) -> LayerData | None:
    """Return the moving volume as it lies, in the frame of the fixed one; None where its layer shows that."""
    if not pair.turned:
        return None
    return labels_layer(shown_in(pair.moving, pair.frame), f"{pair.moving_name} before", frame=pair.frame)


def way(result: RegisteredPair, name: str) -> tuple[LayerData, Shape]:
    """Return the moving surface with a time axis, and the fixed surface that it comes to.

    Parameters
    ----------
    result : RegisteredPair
    name : str
        Of the layer.
    """
    moving, fixed = (shape_of(volume, result.labels, MOST_FACES) for volume in (result.moving, result.fixed))
    return path_layer(shape_path(result, moving), moving, frame_of(result.fixed.grid), name), fixed
