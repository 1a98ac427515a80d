"""`shapereg gradient`: where a fidelity would send each point before anything has moved."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_shapereg.cli.options import (
    VECTOR_ENDINGS,
    Device,
    DeviceOption,
    EngineName,
    EngineOption,
    ExponentOption,
    FidelityName,
    Fixed,
    Json,
    Kind,
    Labels,
    LengthOption,
    Moving,
    Preset,
    Quiet,
    ReachOption,
    SharedLabels,
    fidelity_options,
    naming_both,
    parse_binning,
    parse_labels,
    require_place,
)
from napari_shapereg.cli.tables import print_files, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_shapereg.registration.arrows import Arrows
    from napari_shapereg.volumes import ImageGrid

FIELD_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


class Mass(StrEnum):
    """What the weights of a measure sum to."""

    UNIT = "unit"
    PHYSICAL = "physical"


def gradient(  # noqa: PLR0913 - one for each option
    moving: Moving,
    fixed: Fixed,
    outputs: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=(
                ".nii, .nii.gz, .nrrd, .mha: vector image (NIfTI: 5-D, intent 1007, LPS) on the moving grid, "
                "binned as asked; arrows are averaged in each voxel, 0 where there are none. .vtk, .csv: "
                "points with vectors. May be given several times."
            ),
        ),
    ],
    *,
    fidelity: Annotated[
        FidelityName,
        typer.Option(help="Which fidelity (varifolds and currents need --kind surface)."),
    ] = FidelityName.ENERGY,
    length: LengthOption = None,
    exponent: ExponentOption = None,
    reach: ReachOption = None,
    labels: Labels = None,
    shared_labels: SharedLabels = False,
    kind: Annotated[Kind, typer.Option(help="Points are voxels or surface triangles.")] = Kind.VOXEL,
    binning: Annotated[
        str, typer.Option(metavar="X,Y,Z", help="Voxels merged into one point along x, y and z.")
    ] = "1,1,1",
    mass: Annotated[
        Mass,
        typer.Option(help="unit: each label's weights sum to 1, as in `register`. physical: mm3 or mm2."),
    ] = Mass.UNIT,
    engine: EngineOption = EngineName.AUTO,
    device: DeviceOption = Device.AUTO,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show the arrows of a fidelity at the start.

    The arrow at a point is minus the gradient of the fidelity in that point, divided by the weight of the
    point: the way that lowers the fidelity fastest. Each label is compared with the same label. With the
    energy distance and unit masses an arrow is a difference of two mean directions, without unit and at most
    2 long; it points to the fixed shape from any distance.
    Prints the value, the number of points and the time.
    """
    _check_outputs(outputs)
    chosen_labels, bins = parse_labels(labels), parse_binning(binning)

    from napari_shapereg.cli.settings import chosen_settings
    from napari_shapereg.reductions.selection import get_engine, resolve_device
    from napari_shapereg.registration import MeasureSettings
    from napari_shapereg.registration.arrows import Question, compute, fidelity_of, measures_of
    from napari_shapereg.registration.shapes import shared_labels as labels_of_both
    from napari_shapereg.volumes import read_labels

    chosen = {"fidelity": fidelity_options(fidelity, length, exponent, reach), "kind": kind.value}
    settings = chosen_settings(
        Preset.BALANCED,
        None,
        {"labels": chosen_labels, "shared_labels_only": shared_labels, "measures": chosen},
    )
    on = resolve_device(device.value)
    sums = get_engine(engine.value, on).name
    volumes = read_labels(moving), read_labels(fixed)
    with naming_both(moving, fixed):
        both = labels_of_both(*volumes, settings)
    question = Question(both, kind.value, bins, mass is Mass.UNIT, on)
    sources, targets = (measures_of(volume, question) for volume in volumes)
    loss = fidelity_of((settings.measures or MeasureSettings()).fidelity, targets, sums)
    arrows = list(compute(loss, sources, targets))
    files = [_write(arrows, volumes[0].grid.binned(bins), path) for path in outputs]
    if json:
        facts = {"fidelity": repr(loss), "kind": kind.value, "mass": mass.value, "binning": bins}
        print_json(facts | {"device": str(on)} | _facts(arrows) | {"files": [str(file) for file in files]})
    elif not quiet:
        _print(arrows, f"{loss} on {on}, {mass.value} mass")
        print_files(files)


def _facts(arrows: Sequence[Arrows]) -> dict[str, object]:
    return {
        "value": sum(part.value for part in arrows),
        "seconds": sum(part.seconds for part in arrows),
        "labels": {
            part.label: {
                "value": part.value,
                "points_moving": len(part.points),
                "points_fixed": part.fixed_points,
                "longest_arrow": part.lengths.max(),
                "mean_arrow": part.lengths.mean(),
                "seconds": part.seconds,
                "sums": _sums(part),
            }
            for part in arrows
        },
    }


def _sums(part: Arrows) -> str:
    return "; ".join(part.shortcuts) or "exact"


def _print(arrows: Sequence[Arrows], title: str) -> None:
    typer.echo(title)
    columns = ("label", "points moving", "fixed", "value", "longest arrow", "mean arrow", "seconds", "sums")
    rows = [
        (
            str(part.label),
            str(len(part.points)),
            str(part.fixed_points),
            f"{part.value:.6g}",
            f"{part.lengths.max():.4g}",
            f"{part.lengths.mean():.4g}",
            f"{part.seconds:.3f}",
            _sums(part),
        )
        for part in arrows
    ]
    print_table(columns, rows)
    if len(arrows) > 1:
        total = sum(part.value for part in arrows)
        typer.echo(f"sum of the values: {total:.6g}")


def _check_outputs(outputs: Sequence[Path]) -> None:
    from napari_shapereg.volumes.files import file_ending, naming

    for path in outputs:
        with naming(path):
            file_ending(path, (*FIELD_ENDINGS, *VECTOR_ENDINGS))
        require_place(path)


def _write(arrows: Sequence[Arrows], grid: ImageGrid, path: Path) -> Path:
    import numpy as np

    from napari_shapereg.registration.arrows import field_on_grid
    from napari_shapereg.transforms import write_arrows
    from napari_shapereg.volumes.images import write_image

    if path.name.lower().endswith(VECTOR_ENDINGS):
        points = np.concatenate([part.points for part in arrows])
        return write_arrows(points, np.concatenate([part.vectors for part in arrows]), path)
    return write_image(field_on_grid(arrows, grid), path)
