"""`shapereg evaluate`: how well two label volumes agree, as they lie or through a transform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_shapereg.cli.agreement import print_agreement
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

    from napari_shapereg.volumes import read_labels

    volumes = read_labels(fixed), read_labels(other)
    wanted = _wanted(*volumes, chosen)
    metrics = _measure(*volumes, wanted, transform)
    if landmarks:
        metrics = replace(metrics, landmarks=_landmark_errors(*landmarks, transform))

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


def _measure(fixed: LabelVolume, other: LabelVolume, wanted: tuple[int, ...], given: Path | None) -> Metrics:
    import SimpleITK as sitk

    from napari_shapereg.quality import Metrics, label_agreement, regularity
    from napari_shapereg.transforms import resample_labels

    as_it_lies = resample_labels(other, fixed.grid, sitk.Transform(3, sitk.sitkIdentity))
    agreement = label_agreement(fixed, as_it_lies, wanted)
    names = {**other.names, **fixed.names}
    if given is None:
        return Metrics(before={}, after=agreement, names=names)
    mapped = _read(given, "fixed_to_moving")
    warped = resample_labels(other, fixed.grid, mapped)
    counts = {label: int((other.data == label).sum()) for label in wanted}
    return Metrics(
        before=agreement,
        after=label_agreement(fixed, warped, wanted),
        regularity=regularity(mapped, fixed.grid),
        inverse_consistency=_consistency(mapped, given, fixed),
        names=names,
        moving_volumes={label: count * other.grid.voxel_volume for label, count in counts.items()},
    )


def _read(given: Path, direction: str) -> sitk.Transform:
    from napari_shapereg.cli.directions import transform_file
    from napari_shapereg.transforms import read_transform

    return read_transform(transform_file(given, direction, "the moving labels"))


def _consistency(mapped: sitk.Transform, given: Path, fixed: LabelVolume) -> InverseConsistency | None:
    from napari_shapereg.quality import inverse_consistency

    return inverse_consistency(mapped, _read(given, "moving_to_fixed"), fixed) if given.is_dir() else None


def _landmark_errors(fixed: Path, other: Path, given: Path | None) -> LandmarkErrors:
    import SimpleITK as sitk

    from napari_shapereg.quality import target_registration_error
    from napari_shapereg.transforms import paired_landmarks, read_points

    mapped = sitk.Transform(3, sitk.sitkIdentity) if given is None else _read(given, "fixed_to_moving")
    sets = read_points(fixed), read_points(other)
    with naming_both(other, fixed):
        pairs = paired_landmarks(*sets)
    return target_registration_error(mapped, pairs.fixed, pairs.moving, pairs.names)
