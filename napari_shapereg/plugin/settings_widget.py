"""The form of the settings as widgets: they only show a `SettingsForm` and put what is typed into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_shapereg.plugin.choices import CHOICES
from napari_shapereg.plugin.controls import ChoiceBox
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.settings_form import SettingsForm, numbers
from napari_shapereg.registration.stated import label_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST = 1e4  # mm
_STAGES = {
    "measures": (
        "Global stage",
        "A flow that descends the fidelity between coarse points. Switched off, it is skipped.",
    ),
    "voxels": (
        "Local stage",
        "A flow that descends a Gaussian norm between whole shapes. Switched off, it is skipped.",
    ),
}


class _Row:
    """One place of the settings: its widget, and how a value gets in and out."""

    def __init__(self, place: str, widget: QWidget, tip: str, show: Callable[[Any], None]) -> None:
        self.place, self.widget, self.tip, self.show = place, widget, tip, show
        self.label = QLabel()


class SettingsWidget(QWidget):
    """Everything below the preset.

    Parameters
    ----------
    form : SettingsForm
    """

    changed = Signal(str)
    """A value was changed; carries its place."""

    def __init__(self, form: SettingsForm, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form = form
        self._rows: dict[str, _Row] = {}
        self._showing = False
        self._stages: dict[str, QCheckBox] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(12, 0, 0, 4)
        layout.setVerticalSpacing(3)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add_rows()
        self.refresh()

    def widget(self, place: str) -> QWidget:
        """Return the widget of a place."""
        return self._rows[place].widget

    def refresh(self) -> None:
        """Show the form: its values, and what cannot be chosen."""
        reasons = self.form.reasons()
        self._showing = True
        for row in self._rows.values():
            value = self.form.value(row.place)
            reason = reasons.get(row.place, "")
            if value is not None or isinstance(row.widget, QDoubleSpinBox):
                row.show(value)
            if isinstance(row.widget, ChoiceBox):
                prefix = f"{row.place}="
                row.widget.show_reasons(
                    {
                        _typed(key[len(prefix) :]): why
                        for key, why in reasons.items()
                        if key.startswith(prefix)
                    }
                )
            for part in (row.widget, row.label):
                part.setEnabled(not reason)
                part.setToolTip(reason or row.tip)
        for stage, box in self._stages.items():
            box.setChecked(getattr(self.form.settings, stage) is not None)
            reason = reasons.get(stage, "")
            box.setEnabled(not reason)
            box.setToolTip(reason or _STAGES[stage][1])
        self._showing = False

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Let the wheel scroll the dock where the widget under it was not chosen."""
        wheel = event is not None and event.type() == QEvent.Type.Wheel
        if event is not None and wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _add_rows(self) -> None:
        self._add_choice(
            "model", "Deformation", "What kind of map is fitted: after the linear one, or alone."
        )
        self._add_choice("linear", "Linear model", "The richest linear map fitted before the flow.")
        self._add_choice("mirror", "Mirror", "Whether the linear map may turn left into right.")
        self._add_choice("overlap", "Images show", "Whether the border of an image cuts a shape off.")
        self._add_fidelity("linear_fidelity", "Linear fidelity", "What the linear stage descends.")
        self._add_stage("measures")
        self._add_fidelity("measures.fidelity", "Fidelity", "What the arrows and the global stage descend.")
        self._add_choice(
            "measures.kind", "Compare", "What the points are, for the linear and the global stage."
        )
        self._add_whole(
            "measures.points", "Points", "About how many points a label is merged into.", (50, 100_000)
        )
        self._add_numbers(
            "measures.smoothness",
            "Smoothness",
            "Smoothing of the steps of the global stage, one number a level, in radii of the fixed shape.",
        )
        self._add_numbers(
            "momenta.widths",
            "Widths of velocities",
            "Of the Gaussians that velocities are sums of, in radii of the fixed shape: the widest first.",
        )
        self._add_numbers(
            "momenta.regularity",
            "Energy weight",
            "Weight of the energy of velocities, the squared length of the way, beside the fidelity.",
        )
        self._add_whole(
            "momenta.max_steps", "Steps of momenta", "At most, at each level of this deformation.", (1, 1000)
        )
        self._add_stage("voxels")
        self._add_numbers(
            "voxels.smoothness",
            "Smoothness",
            "Smoothing of the steps of the local stage, in pitches of each level's lattice.",
        )
        self._add_numbers(
            "regularity", "Regularity", "Weight of the Dirichlet energy of the flow in the local stage."
        )
        self._add_length(
            "pitch",
            "Pitch",
            "Between the nodes of the finest lattice, in mm: smaller is finer and slower. auto: as the "
            "preset says, in voxels of the fixed volume.",
        )
        self._add_whole("max_steps", "Steps per level", "At most.", (1, 1000))
        self._add_weights()
        self._add_numbers(
            "landmark_weight",
            "Landmark weight",
            "How much landmarks count against the labels. 0: they are only measured.",
        )
        self._add_choice("device", "Device", "Where the work is done.")
        self._add_choice("engine", "Engine", "What computes the sums over pairs of points.")

    def _add_fidelity(self, place: str, title: str, tip: str) -> None:
        self._add_choice(f"{place}.name", title, tip)
        self._add_length(
            f"{place}.length",
            "Length or blur",
            "σ of a kernel, or blur of a transport cost, in mm. auto: a quarter of the radius of the fixed "
            "shape for kernels, a tenth for blurs.",
        )
        self._add_choice(f"{place}.p", "Exponent p", "Of the transport cost |x − y|^p / p.")
        self._add_length(
            f"{place}.reach",
            "Reach",
            "How far mass is transported, in mm; what is further apart is paid for. auto: any distance.",
        )

    def _add_weights(self) -> None:
        tip = "How much labels count against each other, such as 1: 2, 2: 0.5. Those not named count 1."

        def write(value: Mapping[int, float]) -> str:
            return ", ".join(f"{label}: {weight:g}" for label, weight in value.items())

        line = self._add_text("label_weights", "Label weights", tip, write, label_weights)
        line.setPlaceholderText("1 each")

    def _add_stage(self, stage: str) -> None:
        box = QCheckBox(_STAGES[stage][0])
        box.toggled.connect(lambda on: self._switch(stage, on=on))
        self._stages[stage] = box
        self._form().addRow(box)

    def _add_choice(self, place: str, title: str, tip: str) -> None:
        box = ChoiceBox(CHOICES[place])
        box.activated.connect(lambda _: self._put(place, box.currentData()))
        self._add(_Row(place, box, tip, box.show_value), title)

    def _add_length(self, place: str, title: str, tip: str) -> None:
        box = QDoubleSpinBox()
        box.setRange(0.0, _LONGEST)
        box.setDecimals(2)
        box.setSuffix(" mm")
        box.setSpecialValueText("auto")
        box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        # While a number is typed, half of it is no wish.
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda value: self._put(place, value or None))
        self._add(_Row(place, box, tip, lambda value: box.setValue(value or 0.0)), title)

    def _add_whole(self, place: str, title: str, tip: str, bounds: tuple[int, int]) -> None:
        box = QSpinBox()
        box.setRange(*bounds)
        box.setKeyboardTracking(False)
        box.valueChanged.connect(lambda value: self._put(place, value))
        self._add(_Row(place, box, tip, box.setValue), title)

    def _add_numbers(self, place: str, title: str, tip: str) -> None:
        several = isinstance(self.form.value(place), tuple)

        def write(value: float | tuple[float, ...]) -> str:
            return ", ".join(f"{each:g}" for each in (value if isinstance(value, tuple) else (value,)))

        self._add_text(place, title, tip, write, lambda text: numbers(text, several=several))

    def _add_text(
        self, place: str, title: str, tip: str, write: Callable[[Any], str], read: Callable[[str], object]
    ) -> QLineEdit:
        line = QLineEdit()

        def put() -> None:
            # Fewer digits are written than a value may have: what nobody edited stays as it is.
            if line.text() != write(self.form.value(place)):
                with telling():
                    self._put(place, read(line.text()))
            self.refresh()

        line.editingFinished.connect(put)
        self._add(_Row(place, line, tip, lambda value: line.setText(write(value))), title)
        return line

    def _add(self, row: _Row, title: str) -> None:
        row.label.setText(title)
        row.label.setBuddy(row.widget)
        row.widget.setAccessibleName(title)
        row.widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        row.widget.installEventFilter(self)
        self._rows[row.place] = row
        self._form().addRow(row.label, row.widget)

    def _form(self) -> QFormLayout:
        layout = self.layout()
        assert isinstance(layout, QFormLayout)  # noqa: S101
        return layout

    def _switch(self, stage: str, *, on: bool) -> None:
        if self._showing:
            return
        with telling():
            self.form.switch(stage, on=on)
        self.refresh()
        self.changed.emit(stage)

    def _put(self, place: str, value: object) -> None:
        if self._showing or value == self.form.value(place):
            return
        with telling():
            self.form.put(place, value)
        self.refresh()
        self.changed.emit(place)


def _typed(text: str) -> object:
    return int(text) if text.isdigit() else text
