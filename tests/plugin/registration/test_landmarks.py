from __future__ import annotations

import shlex

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Points

from napari_shapereg.errors import InputError
from napari_shapereg.plugin.commands import place_selected
from napari_shapereg.plugin.display_frame import frame_of
from napari_shapereg.plugin.landmark_panel import LandmarkPanel
from napari_shapereg.plugin.layer_affine import DRAWING
from napari_shapereg.plugin.layers import grid_of, labels_layer
from napari_shapereg.plugin.pair_panel import PairPanel
from napari_shapereg.plugin.pairs import Pair, read_pair
from napari_shapereg.plugin.snippets import as_command, as_python, sources_of
from napari_shapereg.plugin.tasks import finish, prepare, remarks_on
from napari_shapereg.registration import RegistrationSettings
from napari_shapereg.transforms import read_points
from napari_shapereg.volumes import LabelVolume, read_labels, write_labels

PLACES = np.array([[13.0, 2.0, 0.0], [-11.0, 0.0, 0.0], [0.0, 7.0, 0.0], [0.0, 0.0, 5.0]])
"""On the moving shape, LPS mm."""


@pytest.fixture
def wrong(volumes):
    """Where the landmarks belong on the fixed shape, LPS mm: 3 mm off, so that they pull."""
    from tests.plugin.registration.conftest import SHIFT, TURN

    return TURN.apply(PLACES * (1.15, 0.8, 0.9)) + SHIFT + (0.0, 0.0, 3.0)


@pytest.fixture
def points(volumes, wrong) -> tuple[Points, Points]:
    """As clicked by hand, each in the frame of its volume."""
    places = (PLACES, wrong)
    moving, fixed = (
        Points(frame_of(volume.grid).to_display(each), name=name)
        for volume, each, name in zip(volumes, places, "xy", strict=True)
    )
    return moving, fixed


def registered(layers, settings, points):
    run = prepare(*layers, settings, points).run
    run.work()
    return finish(run, "a").result


def test_landmarks_are_where_they_were_clicked_and_pull_the_map(layers, points, wrong, quick):
    measured = registered(layers, quick.changed(landmark_weight=0.0), points)
    fitted = registered(layers, quick.changed(landmark_weight=30.0), points)
    assert np.abs(measured.landmarks[0] - PLACES).max() < 1e-4
    assert np.abs(measured.landmarks[1] - wrong).max() < 1e-4
    errors = fitted.measured.landmarks
    assert errors.before == pytest.approx(np.linalg.norm(wrong - PLACES, axis=1), abs=1e-4)
    assert np.mean(errors.after) < 0.7 * np.mean(measured.measured.landmarks.after)
    assert fitted.metrics["landmarks"]["mean"]["after"] == pytest.approx(np.mean(errors.after))
    assert f"→ {np.mean(errors.after):.2f} mm" in remarks_on(fitted)
    assert "fitted to" in remarks_on(fitted)
    assert "target registration error" in remarks_on(measured)


def test_landmarks_without_partners_are_refused(layers, points):
    points[1].data = points[1].data[:-1]
    with pytest.raises(InputError, match="4 moving and 3 fixed points"):
        read_pair(*layers, points)


def test_landmarks_are_in_what_is_copied(volumes, wrong, tmp_path):
    for volume, name in zip(volumes, "ab", strict=True):
        write_labels(volume, tmp_path / f"{name}.nii.gz")
    pair = Pair(*(read_labels(tmp_path / f"{name}.nii.gz") for name in "ab"), "a", "b", (PLACES, wrong))
    settings = RegistrationSettings(landmark_weight=2.0)
    words = shlex.split(as_command(sources_of(pair), settings, "balanced", tmp_path / "kept"))
    files = words[words.index("--landmarks") + 1 :][:2]
    assert words[words.index("--landmark-weight") + 1] == "2.0"
    for file, places in zip(files, (PLACES, wrong), strict=True):
        assert np.abs(read_points(file).points - places).max() < 1e-9
    program = as_python(sources_of(pair), settings, "balanced")
    names: dict[str, object] = {}
    exec(next(line for line in program.splitlines() if line.startswith("landmarks")), names)
    assert np.abs(np.array(names["landmarks"]) - [PLACES, wrong]).max() <= 5e-5
    assert "sr.register(moving, fixed, landmarks=landmarks, settings=settings)" in program


@pytest.fixture
def placing(qtbot, volumes, points):
    """A panel over an oblique volume that napari-nifti shows elsewhere, and landmarks clicked on it there."""
    viewer, foreign = ViewerModel(), shown_elsewhere(volumes[0])
    fixed = Layer.create(*labels_layer(volumes[1], "b"))
    clicked = Points(
        [foreign.data_to_world(place) for place in volumes[0].grid.to_indices(PLACES)[:, ::-1]],
        name="clicked",
        scale=(2.0, 1.0, 0.5),
    )
    clicked.data = clicked.data / clicked.scale
    for layer in (foreign, fixed, clicked, points[1]):
        viewer.add_layer(layer)
    chosen = []
    panel = PairPanel(viewer, lambda: tuple(chosen) or None)
    qtbot.addWidget(panel)
    panel.choose(foreign, fixed)
    yield panel, foreign, fixed, clicked, chosen
    panel.disconnect_viewer()


def test_landmarks_go_with_a_volume_that_is_shown_where_it_belongs(placing, points, wrong):
    """What is clicked on a volume belongs to its voxels."""
    panel, foreign, fixed, clicked, chosen = placing
    chosen[:] = clicked, points[1]
    for _ in range(2):
        panel.place()
        assert np.abs(read_pair(foreign, fixed, (clicked, points[1])).landmarks[0] - PLACES).max() < 1e-9
    assert np.abs(read_pair(foreign, fixed, (clicked, points[1])).landmarks[1] - wrong).max() < 1e-4


def test_landmarks_that_are_chosen_after_their_volume_was_placed_go_after_it(placing, points):
    """All but those that were clicked on it since."""
    panel, foreign, fixed, clicked, chosen = placing
    panel._viewer.layers.selection = {foreign}
    place_selected(panel._viewer)
    seen = foreign.data_to_world(voxel_at(foreign, PLACES[0]))
    clicked.data = [*clicked.data[1:], np.divide(seen, clicked.scale)]
    chosen[:] = clicked, points[1]
    for _ in range(2):
        panel.place()
        found = read_pair(foreign, fixed, (clicked, points[1])).landmarks[0]
        assert np.abs(found - PLACES[[1, 2, 3, 0]]).max() < 1e-9


def voxel_at(layer: Labels, place: np.ndarray) -> np.ndarray:
    return grid_of(layer).to_indices(place[None])[0, ::-1]


def shown_elsewhere(volume: LabelVolume) -> Labels:
    """A layer as napari-nifti makes it: unrotated, its true matrix, index x, y, z to RAS mm, beside it."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ volume.grid.matrix
    affine[:3, 3] = np.array([-1, -1, 1]) * volume.grid.origin
    place = {"scale": -np.array(volume.grid.spacing[::-1]), "translate": (50.0, 60.0, 70.0)}
    return Labels(volume.data.copy(), name="foreign", metadata={"affine": affine}, **place)


def test_points_that_only_show_something_are_not_offered(qtbot, points):
    viewer = ViewerModel()
    panel = LandmarkPanel(viewer)
    qtbot.addWidget(panel)
    viewer.add_layer(Points(PLACES, name="shown", metadata=dict(DRAWING)))
    viewer.add_layer(points[0])
    for box in panel.boxes:
        assert [box.itemText(row) for row in range(box.count())] == ["none", "x"]
    panel.disconnect_viewer()


def test_two_layers_of_points_are_chosen_and_may_go(qtbot, points):
    viewer = ViewerModel()
    panel = LandmarkPanel(viewer)
    qtbot.addWidget(panel)
    assert panel.points is None
    for layer in points:
        viewer.add_layer(layer)
    assert panel.points is None, "nobody chose them"
    panel.choose(*points)
    viewer.add_layer(Points(np.zeros((2, 3)), name="other"))
    assert panel.points == points
    panel.boxes[1].setCurrentIndex(1)
    panel.boxes[1].activated.emit(1)
    assert "same points" in panel.note.text()
    panel.choose(*points)
    viewer.layers.remove(points[1])
    assert panel.points is None
    assert "in pairs" in panel.note.text()
    panel.disconnect_viewer()
