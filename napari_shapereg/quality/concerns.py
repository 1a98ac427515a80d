"""What a reader of the measurements should worry about, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_shapereg.quality.agreement import LabelAgreement
    from napari_shapereg.quality.consistency import InverseConsistency
    from napari_shapereg.quality.metrics import Metrics
    from napari_shapereg.quality.regularity import Regularity

LOW_DICE = 0.7
FAR_CONTOUR = 2.0
"""HD95, mm."""
VOLUME_CHANGE = 0.1
"""Relative change of the volume of a label on its way from the moving to the fixed volume."""
SQUEEZED, STRETCHED = 0.1, 10.0
"""Jacobian determinants."""
INCONSISTENT = 0.5
"""Largest distance there and back, mm."""


def concerns(metrics: Metrics) -> list[str]:
    """Say in words what is wrong or unusual; an empty list where nothing is.

    Parameters
    ----------
    metrics : Metrics

    Returns
    -------
    list of str
        Whole sentences for a reader who knows anatomy and not this program.
    """
    found = list(metrics.orientation.doubts()) if metrics.orientation else []
    for label, after in metrics.after.items():
        name = metrics.names.get(label)
        title = f"label {label} ({name})" if name else f"label {label}"
        found += _about_label(title, metrics.before.get(label), after)
        found += _about_volume(title, metrics.moving_volumes.get(label), after)
    if metrics.regularity:
        found += _about_map(metrics.regularity)
    if metrics.inverse_consistency:
        found += _about_inverse(metrics.inverse_consistency)
    return [sentence[0].upper() + sentence[1:] for sentence in found]


def _about_label(title: str, before: LabelAgreement | None, after: LabelAgreement) -> Iterator[str]:
    if not after.fixed_volume:
        yield f"{title} is absent from the fixed volume."
        return
    if not after.warped_volume:
        yield f"{title} has no voxel left after the warp."
        return
    if after.dice < LOW_DICE:
        yield f"{title} overlaps poorly: Dice {after.dice:.2f}."
    if after.hd95 is not None and after.hd95 > FAR_CONTOUR:
        yield f"{title}: five per cent of its contour lie more than {after.hd95:.1f} mm off."
    if before and before.dice > after.dice:
        yield f"{title} agreed better before the registration: Dice {before.dice:.2f}, now {after.dice:.2f}."


def _about_volume(title: str, moving_volume: float | None, after: LabelAgreement) -> Iterator[str]:
    if not moving_volume or not after.warped_volume:
        return
    change = after.warped_volume / moving_volume - 1
    if abs(change) > VOLUME_CHANGE:
        yield f"{title} {'grew' if change > 0 else 'shrank'} by {100 * abs(change):.0f} % in volume."


def _about_map(values: Regularity) -> Iterator[str]:
    if values.mirrored:
        yield (
            "the map turns left into right: the mirror image of the moving shape was laid on the fixed one, "
            "as of a left knee on a right one; det J is that of the map without the mirroring."
        )
    if values.fraction_folded:
        yield (
            f"the map folds at {100 * values.fraction_folded:.2g} % of the voxels "
            f"(det J to {values.minimum:.2g}) and cannot be inverted there."
        )
    elif values.minimum < SQUEEZED:
        yield f"the map squeezes space to {values.minimum:.2g} of its volume at its worst voxel."
    if values.maximum > STRETCHED:
        yield f"the map stretches space to {values.maximum:.1f} times its volume at its worst voxel."


def _about_inverse(values: InverseConsistency) -> Iterator[str]:
    if values.maximum > INCONSISTENT:
        yield f"the two maps undo each other only to {values.maximum:.2f} mm at the worst labelled voxel."
