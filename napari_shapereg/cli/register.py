"""`shapereg register`: from two label volumes to a transform that SimpleITK applies."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_shapereg.cli.directions import FIXED_TO_MOVING, transform_file
from napari_shapereg.cli.options import (
    Device,
    EngineName,
    ExponentOption,
    FidelityName,
    Fixed,
    Json,
    Kind,
    Labels,
    LengthOption,
    Linear,
    Mirror,
    Model,
    Moving,
    Overlap,
    Preset,
    Quiet,
    ReachOption,
    SharedLabels,
    fidelity_options,
    naming_both,
    parse_labels,
)
from napari_shapereg.cli.progress import display_for
from napari_shapereg.cli.run import Given, Output, aborting, can_report, print_outcome, require_pdf, run


class Dense(StrEnum):
    """Images of the map on the fixed grid."""

    DISPLACEMENT = "displacement"
    JACOBIAN = "jacobian"


def register(  # noqa: PLR0913 - one for each option
    moving: Moving,
    fixed: Fixed,
    folder: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder to write into; made if it is not there."
        ),
    ],
    *,
    preset: Annotated[
        Preset, typer.Option(help="How fine the map is, and how long it takes.")
    ] = Preset.BALANCED,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE",
            help="JSON that changes the preset: all or part of a settings.json. Options change both.",
            show_default=False,
        ),
    ] = None,
    initial: Annotated[
        list[Path] | None,
        typer.Option(
            "--initial",
            metavar="FILE",
            help=(
                "Start from this transform from fixed to moving points: a file of ANTs, elastix, Greedy, 3D "
                "Slicer or SimpleITK, or a folder that `register` wrote. Given several times, the first one "
                "is applied to the points first."
            ),
            show_default=False,
        ),
    ] = None,
    labels: Labels = None,
    shared_labels: SharedLabels = False,
    label_weights: Annotated[
        str | None,
        typer.Option(
            "--label-weights",
            metavar="1:2,...",
            help="How much labels count against each other. Default: 1 each.",
            show_default=False,
        ),
    ] = None,
    landmarks: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="MOVING FIXED",
            help="Two files of points (as `shapereg warp` reads them) that belong together:"
            " points of the same name, or else of the same row.",
            show_default=False,
        ),
    ] = None,
    landmark_weight: Annotated[
        float | None,
        typer.Option(
            "--landmark-weight",
            metavar="NUMBER",
            help="How much landmarks count against the labels. Default: 1.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Model | None,
        typer.Option(
            help="lattice: composed smooth steps. svf: stationary velocities. lddmm: geodesic shooting of "
            "momenta. rigid, similarity, affine: no flow. Default: lattice.",
            show_default=False,
        ),
    ] = None,
    linear: Annotated[
        Linear | None,
        typer.Option(help="Richest linear map before the flow. Default: affine.", show_default=False),
    ] = None,
    mirror: Annotated[
        Mirror | None,
        typer.Option(
            help="Whether left may become right. auto: where the mirror image fits clearly better, which the "
            "result says. Default: auto.",
            show_default=False,
        ),
    ] = None,
    overlap: Annotated[
        Overlap | None,
        typer.Option(
            help="partial: the border of an image cuts a shape off; what only one shows is left out. "
            "Default: full.",
            show_default=False,
        ),
    ] = None,
    fidelity: Annotated[
        FidelityName | None,
        typer.Option(
            help="What the global stage of the flow descends (varifolds and currents need --kind surface). "
            "Default: energy.",
            show_default=False,
        ),
    ] = None,
    length: LengthOption = None,
    exponent: ExponentOption = None,
    reach: ReachOption = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="What the global stages compare: voxels or surface triangles. Default: surface.",
            show_default=False,
        ),
    ] = None,
    pitch: Annotated[
        float | None,
        typer.Option(
            metavar="MM",
            help="Pitch of the finest lattice. Default: a multiple of the fixed voxel that the preset names.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(help="Default: CUDA where there is one, else the CPU.", show_default=False),
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(
            help="Default: tree on the CPU, KeOps on CUDA. See `shapereg doctor`.", show_default=False
        ),
    ] = None,
    save: Annotated[
        list[Dense] | None,
        typer.Option(
            metavar="displacement|jacobian",
            help="Also write this image of the map on the fixed grid. May be given twice.",
        ),
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write report.pdf, too.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Register MOVING onto FIXED, and write transforms.

    Fits a diffeomorphism by gradient descent, coarse to fine. In the folder:

    \b
    fixed_to_moving.h5     what SimpleITK.Resample(moving, fixed, transform) takes
    moving_to_fixed.h5     its inverse: carries points, meshes and landmarks
    warped_labels.nii.gz   the moving labels on the fixed grid
    metrics.json           agreement before and after, regularity, inverse consistency
    settings.json          the settings used; --settings takes it
    report.html            all that for people; with --pdf also report.pdf

    Ctrl-C ends the run and writes the best state so far (exit code 130); a second one writes nothing.
    Exit code 3: the run diverged, and the best state before that was written.
    """  # noqa: D301 - this escape is how the list keeps its lines
    options = {
        "labels": parse_labels(labels),
        "shared_labels_only": shared_labels or None,
        "landmark_weight": landmark_weight,
        "model": model and model.value,
        "linear": linear and linear.value,
        "mirror": mirror and mirror.value,
        "overlap": overlap and overlap.value,
        "measures": {
            "fidelity": fidelity_options(fidelity, length, exponent, reach),
            "kind": kind and kind.value,
        },
        "pitch": pitch,
        "device": device and device.value,
        "engine": engine and engine.value,
    }
    wanted = set(save or ())
    report = not no_report and can_report(quiet=quiet)
    if pdf:
        require_pdf()
    output = Output(folder, overwrite, report, pdf, Dense.DISPLACEMENT in wanted, Dense.JACOBIAN in wanted)
    with aborting(), display_for(quiet=quiet) as display:
        display.say("starting")
        from napari_shapereg.cli.settings import chosen_settings
        from napari_shapereg.registration.folder import check_folder
        from napari_shapereg.registration.stated import label_weights as weights_in
        from napari_shapereg.transforms import paired_landmarks, read_points, read_transform
        from napari_shapereg.volumes import read_labels

        weights = weights_in(label_weights) if label_weights else None
        settings = chosen_settings(preset, settings_file, {**options, "label_weights": weights})
        check_folder(output.folder, overwrite=output.overwrite)
        display.say("reading")
        start = [read_transform(transform_file(path, FIXED_TO_MOVING, "images")) for path in initial or ()]
        pairs = None
        if landmarks:
            with naming_both(*landmarks):
                found = paired_landmarks(*(read_points(path) for path in reversed(landmarks)))
            pairs = found.moving, found.fixed
        outcome = run(
            read_labels(moving), read_labels(fixed), settings, output, display, Given(start or None, pairs)
        )
    print_outcome(outcome, json=json, quiet=quiet)
    raise typer.Exit(outcome.exit_code)
