"""`shapereg evaluate`: how well two label volumes agree, as they lie or through a transform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_shapereg.cli.agreement import print_agreement
from napari_shapereg.cli.directions import FIXED_TO_MOVING, MOVING_TO_FIXED, transform_file
from napari_shapereg.cli.options import Json, Labels, naming_both, parse_labels
from napari_shapereg.cli.tables import print_json
from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from napari_shapereg.quality import InverseConsistency, LandmarkErrors, Metrics
    from napari_shapereg.volumes import LabelVolume


def evaluate(
    fixed: Annotated[Path, typer.Argument(metavar="FIXED", help="Label volume to compare with.")],
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="Warped labels, or with --transform the moving labels.")
    ],
    transform: Annotated[
        Path | None,
        typer.Option(
            "--transform",
            "-t",
            metavar="FILE",
            help="The folder that `register` wrote, or a transform from fixed to moving points.",
            show_default=False,
        ),
    ] = None,
    *,
    landmarks: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="FIXED_POINTS OTHER_POINTS",
            help=(
                "Landmarks in both spaces (.csv, .mrk.json, .fcsv), paired by their names or else by their "
                "order: their distances as they lie and through the transform."
            ),
            show_default=False,
        ),
    ] = None,
    labels: Labels = None,
    json: Json = False,
) -> None:
    """Measure how well labels agree, and how regular a transform is.

    Dice; volume ratio OTHER / FIXED; mean (ASSD), 95th percentile (HD95) and largest (HD) distance between
    the contours in mm. With a transform: agreement before and after, the Jacobian determinant over the whole
    fixed grid, and with a folder of `register` how well the two transforms undo each other. OTHER may lie on
    another grid: the nearest voxel is taken.
    """
    chosen = parse_labels(labels)
    if landmarks and transform is None:
        raise InputError(
            "--landmarks measures what a transform does to them: add --transform with the folder that "
            "`register` wrote, or the file of a transform from fixed to moving points"
        )

    from napari_shapereg.volumes import read_labels

    volumes = read_labels(fixed), read_labels(other)
    wanted = _wanted(*volumes, chosen)
    if transform is None:
        metrics = _as_they_lie(*volumes, wanted)
    else:
        mapped = _read(transform, FIXED_TO_MOVING)
        metrics = _through(*volumes, wanted, mapped, transform)
        if landmarks:
            metrics = replace(metrics, landmarks=_landmark_errors(*landmarks, mapped))

    from napari_shapereg.quality import concerns

    content = {**metrics.to_dict(), "concerns": concerns(metrics)}
    if json:
        print_json(content)
    else:
        print_agreement(content)


def _wanted(fixed: LabelVolume, other: LabelVolume, chosen: tuple[int, ...] | None) -> tuple[int, ...]:
    present = sorted({*fixed.labels, *other.labels})
    absent = sorted(set(chosen or ()) - set(present))
    if absent:
        raise InputError(
            f"label {', '.join(map(str, absent))} is neither in {fixed.source} nor in {other.source}: "
            f"they have {', '.join(map(str, present))}"
        )
    return chosen or tuple(present)


def _as_they_lie(fixed: LabelVolume, other: LabelVolume, wanted: tuple[int, ...]) -> Metrics:
    """Return the agreement of the volumes where they are, as what a reader looks at: ``after``."""
    import SimpleITK as sitk

    from napari_shapereg.quality import Metrics, label_agreement, orientation
    from napari_shapereg.transforms import resample_labels

    on_grid = resample_labels(other, fixed.grid, sitk.Transform(3, sitk.sitkIdentity))
    agreement = label_agreement(fixed, on_grid, wanted)
    return Metrics(
        before={},
        after=agreement,
        names={**other.names, **fixed.names},
        orientation=orientation(fixed, other),
    )


def _through(
    fixed: LabelVolume, other: LabelVolume, wanted: tuple[int, ...], mapped: sitk.Transform, given: Path
) -> Metrics:
    from napari_shapereg.quality import label_agreement, regularity
    from napari_shapereg.transforms import resample_labels

    lying = _as_they_lie(fixed, other, wanted)
    warped = resample_labels(other, fixed.grid, mapped)
    counts = {label: int((other.data == label).sum()) for label in wanted}
    return replace(
        lying,
        before=lying.after,
        after=label_agreement(fixed, warped, wanted),
        regularity=regularity(mapped, fixed.grid),
        inverse_consistency=_consistency(mapped, given, fixed),
        moving_volumes={label: count * other.grid.voxel_volume for label, count in counts.items()},
    )


def _read(given: Path, direction: str) -> sitk.Transform:
    from napari_shapereg.transforms import read_transform

    return read_transform(transform_file(given, direction, "the moving labels"))


def _consistency(mapped: sitk.Transform, given: Path, fixed: LabelVolume) -> InverseConsistency | None:
    from napari_shapereg.quality import inverse_consistency

    return inverse_consistency(mapped, _read(given, MOVING_TO_FIXED), fixed) if given.is_dir() else None


def _landmark_errors(fixed: Path, other: Path, mapped: sitk.Transform) -> LandmarkErrors:
    from napari_shapereg.quality import target_registration_error
    from napari_shapereg.transforms import paired_landmarks, read_points

    sets = read_points(fixed), read_points(other)
    with naming_both(other, fixed):
        pairs = paired_landmarks(*sets)
        return target_registration_error(mapped, pairs.fixed, pairs.moving, pairs.names)
