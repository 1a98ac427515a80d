"""The table of agreement, from measurements as they stand in ``metrics.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from napari_shapereg.cli.tables import number, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COLUMNS = ("label", "", "Dice", "volume ratio", "ASSD mm", "HD95 mm", "HD mm")


def print_agreement(metrics: Mapping[str, Any]) -> None:
    """Print agreement, how regular and consistent the maps are, and what a reader should worry about.

    Parameters
    ----------
    metrics : mapping
        As `napari_shapereg.quality.Metrics.to_dict` returns it, with or without ``concerns``; what is None
        is left out.
    """
    print_table(_COLUMNS, _rows(metrics["labels"]))
    jacobian, consistency = metrics.get("jacobian"), metrics.get("inverse_consistency")
    if jacobian:
        typer.echo(
            f"det J: min {number(jacobian['minimum'], 3)}, max {number(jacobian['maximum'], 2)}, "
            f"folded {jacobian['fraction_folded']:.2%} of {jacobian['voxels']} voxels"
        )
    if consistency:
        mean, largest = (number(consistency[name], 3) for name in ("mean", "maximum"))
        typer.echo(f"inverse consistency: mean {mean} mm, max {largest} mm over the fixed labels")
    if metrics.get("landmarks"):
        _print_landmarks(metrics["landmarks"])
    for concern in metrics.get("concerns", ()):
        typer.echo(f"note: {concern}")


def _rows(labels: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for label, row in labels.items():
        title = f"{label} {row['name'] or ''}".strip()
        for when in ("before", "after"):
            values = row[when]
            if values is None:
                continue
            yield (
                title,
                when if row["before"] else "",
                number(values["dice"], 3),
                number(values["volume_ratio"], 3),
                *(number(values[name], 3) for name in ("assd", "hd95", "hd")),
            )
            title = ""


def _print_landmarks(errors: Mapping[str, Any]) -> None:
    rows = [(name, row["before"], row["after"]) for name, row in errors["landmarks"].items()]
    rows += [(name, errors[name]["before"], errors[name]["after"]) for name in ("mean", "maximum")]
    typer.echo()
    print_table(
        ("landmark", "before mm", "after mm"),
        [(name, number(before, 2), number(after, 2)) for name, before, after in rows],
    )
