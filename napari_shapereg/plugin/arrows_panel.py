"""The arrows of a fidelity on one click, and of all fidelities side by side; they follow the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_shapereg.plugin.gradients import field_of, variants
from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.legend import LengthLegend
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.tasks import Compared, compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_shapereg.plugin.controller import RegistrationController
    from napari_shapereg.plugin.gradient_arrows import Field
    from napari_shapereg.plugin.pair_panel import PairPanel
    from napari_shapereg.registration import RegistrationSettings
    from napari_shapereg.registration.settings import FidelitySettings

PATIENCE = 250
"""Milliseconds without a change of the settings before arrows are computed anew."""


@dataclass(frozen=True)
class Wish:
    """What is to be shown: equal wishes have equal arrows.

    Parameters
    ----------
    measured : tuple
        All that the measures depend on.
    fidelities : tuple of FidelitySettings
        One, or several side by side.
    engine : str
    """

    measured: tuple[object, ...]
    fidelities: tuple[FidelitySettings, ...]
    engine: str


class ArrowsPanel(QWidget):
    """Two buttons that stay down while arrows are shown, the value, the time, and the colours.

    Parameters
    ----------
    controller : RegistrationController
    pair : PairPanel
    settings : callable
        Returns the settings as they are now.
    in_3d : callable
        Returns whether the viewer may be turned to 3-D.
    """

    def __init__(
        self,
        controller: RegistrationController,
        pair: PairPanel,
        settings: Callable[[], RegistrationSettings],
        in_3d: Callable[[], bool],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._pair, self._settings, self._in_3d = controller, pair, settings, in_3d
        self._job: Job | None = None
        self._compared: tuple[tuple[object, ...], Compared] | None = None
        self._shown: Wish | None = None
        self._build()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PATIENCE)
        self._soon.timeout.connect(self._compute)

    @property
    def busy(self) -> bool:
        """Whether arrows are on their way."""
        return self._job is not None or self._soon.isActive()

    def follow(self) -> None:
        """Compute the arrows anew, soon, if any are shown and the settings or layers ask for others."""
        if self._wanted():
            self._soon.start()

    def enable(self, *, reason: str) -> None:
        """Enable the buttons, or disable them with a reason."""
        for button, tip in self._tips.items():
            button.setEnabled(not reason)
            button.setToolTip(reason or tip)

    def clear(self) -> None:
        """Take the arrows away and raise the buttons."""
        self.yield_to_run()
        self._controller.scene.leave()

    def yield_to_run(self) -> None:
        """Take the arrows away and raise the buttons; what turned the viewer to 3-D is left to the run."""
        for button in (self.one, self.all):
            self._raise(button)
        self._hide()

    def close_down(self) -> None:
        """Stop, and hear of nothing more."""
        self._soon.stop()
        if self._job is not None:
            self._job.drop()
            self._job = None

    def _wanted(self) -> bool:
        return self.one.isChecked() or self.all.isChecked()

    def _on_one(self, on: bool) -> None:  # noqa: FBT001 - Qt's signal
        if on:
            self._raise(self.all)
        self._on_either(on=on)

    def _on_all(self, on: bool) -> None:  # noqa: FBT001 - Qt's signal
        if on:
            self._raise(self.one)
        self._on_either(on=on)

    def _on_either(self, *, on: bool) -> None:
        if on:
            with telling():
                self._pair.place()
            self._compute()
        elif not self._wanted():
            self.clear()

    def _raise(self, button: QPushButton) -> None:
        with QSignalBlocker(button):
            button.setChecked(False)

    def _hide(self) -> None:
        self._soon.stop()
        self._shown = None
        self._controller.hide_arrows()
        self.legend.hide()
        self.note.hide()

    def _wish(self) -> Wish | None:
        moving, fixed = self._pair.moving, self._pair.fixed
        if not self._wanted() or not self._pair.ready or moving is None or fixed is None:
            return None
        settings = self._settings()
        kind = settings.measure_kind
        measured = (id(moving), id(fixed), self._pair.version, settings.labels, kind, settings.device)
        several = self.all.isChecked()
        return Wish(measured, variants(settings, every=several), settings.engine)

    def _compute(self) -> None:
        wish = self._wish()
        if wish is None or wish == self._shown or self._job is not None:
            # A job that is under way looks for a new wish when it ends.
            return
        moving, fixed, settings = self._pair.moving, self._pair.fixed, self._settings()
        assert moving is not None  # noqa: S101
        assert fixed is not None  # noqa: S101
        known = self._compared[1] if self._compared and self._compared[0] == wish.measured else None
        self._say("computing…")

        def work() -> tuple[Compared, list[Field]]:
            compared = known or compare(moving, fixed, settings)
            return compared, [field_of(compared.measures, each, wish.engine) for each in wish.fidelities]

        self._job = Job(work, lambda found: self._arrived(wish, *found), self._failed, parent=self)

    def _arrived(self, wish: Wish, compared: Compared, fields: list[Field]) -> None:
        self._job = None
        self._compared = (wish.measured, compared)
        now = self._wish()
        if now is None:
            self.note.hide()
            return
        if now != wish:
            self._compute()
            return
        self._shown = wish
        if len(fields) > 1:
            self._controller.show_grid(compared, fields)
            self._say("\n".join(f"{field.title}: {_facts(field)}" for field in fields))
            self.legend.hide()
        else:
            self._controller.show_field(compared, fields[0], in_3d=self._in_3d())
            self._say(f"d = {_facts(fields[0])}, {_points(fields[0])}")
            self.legend.show_range(fields[0].top, fields[0].unit)

    def _failed(self) -> None:
        self._job = None
        self.clear()

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.show()

    def _build(self) -> None:
        self.one, self.all = QPushButton("Show &arrows −∇d"), QPushButton("All fi&delities")
        self._tips = {
            self.one: "Show v = −∇d of the chosen fidelity: where it would send each point, before "
            "anything has moved. The arrows follow the settings.",
            self.all: "Show the arrows of all fidelities side by side, in 3-D. Those of surfaces need "
            "Compare: Surfaces.",
        }
        row = QHBoxLayout()
        for button, toggled in ((self.one, self._on_one), (self.all, self._on_all)):
            button.setCheckable(True)
            button.toggled.connect(toggled)
            row.addWidget(button)
        self.note, self.legend = QLabel(), LengthLegend()
        self.note.setWordWrap(True)
        self.note.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.legend)
        layout.addWidget(self.note)


def _facts(field: Field) -> str:
    return f"{field.value:.4g} in {field.seconds:.2f} s"


def _points(field: Field) -> str:
    return f"{len(field.points)} → {field.fixed_points} points"
