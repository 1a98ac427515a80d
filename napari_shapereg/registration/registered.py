"""A registered pair: two volumes and the maps between them, whether just fitted or read from a folder."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_shapereg.quality import (
    Metrics,
    inverse_consistency,
    label_agreement,
    orientation,
    regularity,
    write_jacobian,
)
from napari_shapereg.registration.folder import complete_folder
from napari_shapereg.registration.paths import straight_path
from napari_shapereg.transforms import resample_labels, transform_points, write_displacement, write_transform
from napari_shapereg.volumes import write_labels

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

    from napari_shapereg.deformations import AffineMap
    from napari_shapereg.quality import Regularity
    from napari_shapereg.registration.settings import RegistrationSettings
    from napari_shapereg.volumes import LabelVolume


@dataclass(frozen=True, eq=False)
class RegisteredPair(ABC):
    """Two label volumes and a diffeomorphism between them.

    Parameters
    ----------
    moving, fixed : LabelVolume
        What was registered.
    labels : tuple of int
        Which labels were compared.
    settings : RegistrationSettings
        What was asked for.
    """

    moving: LabelVolume
    fixed: LabelVolume
    labels: tuple[int, ...]
    settings: RegistrationSettings

    @property
    @abstractmethod
    def affine(self) -> AffineMap:
        """The linear part of the map, moving → fixed, LPS mm: of the initial map and the linear stage."""

    @property
    @abstractmethod
    def transform(self) -> sitk.Transform:
        """Fixed → moving points, y ↦ A⁻¹(y + u(y)), LPS mm: what `SimpleITK.Resample` takes."""

    @property
    @abstractmethod
    def inverse_transform(self) -> sitk.Transform:
        """Moving → fixed points, x ↦ (id + w)(A x), LPS mm: what carries points, meshes and landmarks."""

    @property
    @abstractmethod
    def metrics(self) -> dict[str, Any]:
        """All measurements as plain values: what ``metrics.json`` holds."""

    @cached_property
    def warped(self) -> LabelVolume:
        """The moving labels on the fixed grid, by nearest neighbour through `transform`."""
        return resample_labels(self.moving, self.fixed.grid, self.transform)

    @cached_property
    def before(self) -> LabelVolume:
        """The moving labels on the fixed grid as they lie, by nearest neighbour."""
        return resample_labels(self.moving, self.fixed.grid, sitk.Transform())

    @cached_property
    def regularity(self) -> Regularity:
        """The determinants of `transform` over the fixed grid."""
        return regularity(self.transform, self.fixed.grid)

    @cached_property
    def measured(self) -> Metrics:
        """The agreement before and after, the regularity of the map, and how well its inverse undoes it."""
        volumes = {
            label: _voxels(self.moving, label) * self.moving.grid.voxel_volume for label in self.labels
        }
        return Metrics(
            before=label_agreement(self.fixed, self.before, self.labels),
            after=label_agreement(self.fixed, self.warped, self.labels),
            regularity=self.regularity,
            inverse_consistency=inverse_consistency(self.transform, self.inverse_transform, self.fixed),
            names={**self.moving.names, **self.fixed.names},
            moving_volumes=volumes,
            orientation=orientation(self.fixed, self.moving, self.affine.matrix),
        )

    def path(self, points: ArrayLike, times: ArrayLike) -> NDArray[np.float64]:
        """Return where points of the moving shape are on their way to the fixed one.

        Parameters
        ----------
        points : (N, 3) array
            In the moving space, LPS mm.
        times : (T,) array
            From 0 (as they lie) to 1 (where `inverse_transform` carries them).

        Returns
        -------
        (T, N, 3) array
            LPS mm; see `napari_shapereg.registration.paths.straight_path`.
        """
        return straight_path(self.affine, self.inverse_transform, points, times)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        report: bool = True,
        pdf: bool = False,
        displacement: bool = False,
        jacobian: bool = False,
    ) -> list[Path]:
        """Write the result into a folder, whole or not at all; one that was read from a folder, too.

        With the model "lddmm", ``momenta.csv`` holds the control points and their momenta at the start of the
        geodesic, LPS mm.

        Parameters
        ----------
        folder : path
            It may exist if it is empty.
        overwrite : bool
            Replace the files of an earlier result.
        report : bool
            Write ``report.html``, which needs the extra "report".
        pdf : bool
            Write ``report.pdf``, too, which needs the same.
        displacement, jacobian : bool
            Write the dense ``displacement.nii.gz`` and ``jacobian.nii.gz`` on the fixed grid, too.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            The folder cannot be used; see `napari_shapereg.registration.folder.check_folder`.
        MissingExtraError
            A report is asked for and the extra "report" is not installed.
        """
        with complete_folder(folder, overwrite=overwrite) as place:
            reports = {"report.html": report, "report.pdf": pdf}
            if any(reports.values()):
                # First, because it draws on one core while it measures on the other.
                self.write_report(*(place / name for name, wanted in reports.items() if wanted))
            write_transform(self.transform, place / "fixed_to_moving.h5")
            write_transform(self.inverse_transform, place / "moving_to_fixed.h5")
            write_labels(self.warped, place / "warped_labels.nii.gz")
            _write_json(self.metrics, place / "metrics.json")
            _write_json(self.settings.model_dump(mode="json"), place / "settings.json")
            self._write_more(place)
            if displacement:
                write_displacement(self.transform, self.fixed.grid, place / "displacement.nii.gz")
            if jacobian:
                write_jacobian(self.transform, self.fixed.grid, place / "jacobian.nii.gz")
            names = sorted(file.name for file in place.iterdir())
        return [Path(folder).expanduser() / name for name in names]

    def _write_more(self, folder: Path) -> None:  # noqa: B027 - most results have no more
        """Write what only this kind of result has."""

    def write_report(self, *paths: Path) -> None:
        """Write the report that people read, one self-contained file for each path.

        Parameters
        ----------
        paths : Path
            End in ``.html`` or ``.pdf``.

        Raises
        ------
        InputError
            The ending is another one, or the file cannot be written.
        MissingExtraError
            The extra "report" is not installed.
        """
        from napari_shapereg.quality.report import (
            ReportedMap,
            draw_histogram,
            draw_labels,
            draw_map,
            report_page,
            write_page,
        )

        mapping = ReportedMap(self.transform, self._local_displacement)
        background = ThreadPoolExecutor(max_workers=1)
        try:
            # In the order in which the pictures need them.
            measuring_map = background.submit(lambda: self.regularity)
            warping = background.submit(lambda: self.warped)
            measuring = background.submit(lambda: self.metrics)
            pictures = draw_map(self.fixed, mapping)
            pictures |= draw_histogram(measuring_map.result())
            pictures |= draw_labels(self.fixed, self.moving, warping.result())
            metrics = measuring.result()
        finally:
            # After an error, or Ctrl-C, nobody asks for what has not begun.
            background.shutdown(cancel_futures=True)
        facts = {"status": metrics["message"], "seconds": round(metrics["seconds"], 2)}
        page = report_page(
            title=f"{_title(self.moving)} registered onto {_title(self.fixed)}",
            fixed=self.fixed,
            moving=self.moving,
            after=self.warped,
            metrics=metrics,
            settings=self.settings.model_dump(mode="json"),
            history=[(step["level"], step["iteration"], step["cost"]) for step in metrics["history"]],
            provenance=facts | metrics["provenance"],
            warnings=metrics["concerns"],
            pictures=pictures,
            matrix=self.affine.matrix,
        )
        for path in paths:
            write_page(page, path)

    def _local_displacement(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return u(y) of y ↦ A⁻¹(y + u(y)) at (N, 3) fixed points, LPS mm."""
        return self.affine.apply(transform_points(self.transform, points)) - points


def _voxels(volume: LabelVolume, label: int) -> int:
    if label not in volume.labels:
        return 0
    return int(np.count_nonzero(volume.data[volume.bounding_box(label)] == label))


def _write_json(values: dict[str, Any], path: Path) -> None:
    text = json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _title(volume: LabelVolume) -> str:
    return volume.source.name if volume.source else "an array"
