"""The dock "Apply a transform": which layer, which map, which way; the work is done in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, Container, FileEdit, PushButton, Widget
from napari.layers import Image, Labels, Layer, Points, Surface, Vectors

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.frames import drawn_in
from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.layer_affine import known
from napari_shapereg.plugin.layer_reading import grid_of
from napari_shapereg.plugin.map_pair import (
    DIRECTIONS,
    Direction,
    MapPair,
    maps_of_file,
    maps_of_result,
    maps_of_transform,
)
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.warping import warp_layer

if TYPE_CHECKING:
    import napari

    from napari_shapereg.plugin.display_frame import DisplayFrame
    from napari_shapereg.plugin.layers import LayerData
    from napari_shapereg.volumes import ImageGrid

WARPABLE = (Labels, Image, Points, Surface, Vectors)
FROM_FILE = "a file"
OF_THE_RESULT = "of the registration"


class TransformDock(Container[Widget]):
    """Apply a registration, or its inverse, to any layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self.layer = ComboBox(
            label="Layer",
            choices=self._layers,
            tooltip="What is to be warped: labels, image, points, surface or vectors.",
        )
        self.transform = ComboBox(
            label="Transform",
            choices=self._transforms,
            tooltip="The warped labels of a registration, the arrows of an opened transform, or a file.",
        )
        self.file = FileEdit(
            label="File",
            mode=FileDialogMode.EXISTING_FILE,
            filter="Transforms (*.h5 *.hdf5 *.tfm *.txt *.mat *.nii *.nii.gz *.nrrd *.mha *.mhd)",
            tooltip="A transform of ITK, ANTs or 3D Slicer; its inverse is found if it lies beside it.",
            visible=False,
        )
        self.direction = ComboBox(
            label="Direction",
            choices=DIRECTIONS,
            tooltip="In which space the layer lies now, and to which it goes.",
        )
        self.onto = ComboBox(
            label="Onto the grid",
            choices=self._grids,
            tooltip="Where labels and images are resampled to. A transform from a file needs a layer here.",
        )
        self.apply = PushButton(text="Apply", tooltip="Adds the warped layer; the old one stays as it is.")
        super().__init__(
            widgets=[self.layer, self.transform, self.file, self.direction, self.onto, self.apply],
            labels=True,
        )
        self.transform.changed.connect(self._show_file)
        self.apply.changed.connect(self.run)
        for event in (
            napari_viewer.layers.events.inserted,
            napari_viewer.layers.events.removed,
            napari_viewer.layers.events.renamed,
        ):
            event.connect(self._refresh)
        self._refresh()

    def run(self) -> None:
        """Warp the chosen layer in a thread, and add what comes of it."""
        with telling():
            layer, maps, direction, grid, drawn = self.task()
            self.apply.enabled = False
            self.apply.text = "Applying..."
            Job(
                lambda: warp_layer(layer, maps, direction, grid=grid, drawn=drawn),
                self._add,
                self._ready,
                parent=self.native,
            )

    def task(self) -> tuple[Layer, MapPair, Direction, ImageGrid | None, DisplayFrame | None]:
        """Return what is to be done, as `warp_layer` takes it.

        Raises
        ------
        InputError
            Something is not chosen yet.
        """
        layer = self.layer.value
        if layer is None:
            raise InputError("there is no layer to warp; open one first")
        onto = self.onto.value
        grid = None if onto in (None, OF_THE_RESULT) else grid_of(onto)
        drawn = None if isinstance(layer, (Labels, Image)) else drawn_in(layer, list(self.viewer.layers))
        return layer, self.maps(), self.direction.value, grid, drawn

    def maps(self) -> MapPair:
        """Return the maps chosen.

        Raises
        ------
        InputError
            None is chosen, or the file cannot be used.
        """
        source = self.transform.value
        if source == FROM_FILE or source is None:
            chosen = self.file.line_edit.value
            if not chosen:
                raise InputError("no transform is chosen; choose its file, or a layer that carries one")
            return maps_of_file(Path(chosen))
        kept = known(source)
        return maps_of_result(kept["result"]) if "result" in kept else maps_of_transform(kept["transform"])

    def _add(self, made: LayerData) -> None:
        self._ready()
        data, kwargs, kind = made
        self.viewer.add_layer(Layer.create(data, kwargs, kind))

    def _ready(self) -> None:
        self.apply.enabled = True
        self.apply.text = "Apply"

    def _layers(self, _widget: object = None) -> list[Layer]:
        return [layer for layer in self.viewer.layers if isinstance(layer, WARPABLE)]

    def _transforms(self, _widget: object = None) -> list[Layer | str]:
        carriers = [layer for layer in self.viewer.layers if {"result", "transform"} & known(layer).keys()]
        return [*carriers, FROM_FILE]

    def _grids(self, _widget: object = None) -> list[Layer | str]:
        return [OF_THE_RESULT, *(layer for layer in self.viewer.layers if isinstance(layer, (Labels, Image)))]

    def _refresh(self, _event: object = None) -> None:
        for choice in (self.layer, self.transform, self.onto):
            choice.reset_choices()
        self._show_file()

    def _show_file(self, _value: object = None) -> None:
        self.file.visible = self.transform.value == FROM_FILE
