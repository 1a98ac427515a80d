"""Two buttons that copy what Register would do: as a Python program, or as a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget

from napari_shapereg.plugin.jobs import Job
from napari_shapereg.plugin.notifications import telling
from napari_shapereg.plugin.pairs import read_pair
from napari_shapereg.plugin.snippets import as_command, as_python, settings_folder, sources_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Points

    from napari_shapereg.plugin.pair_panel import PairPanel
    from napari_shapereg.plugin.settings_form import SettingsForm
    from napari_shapereg.plugin.snippets import Sources
    from napari_shapereg.registration import RegistrationSettings

    _Snippet = Callable[[Sources, RegistrationSettings], str]


class CopyPanel(QWidget):
    """Copy as Python, copy as command line.

    Parameters
    ----------
    pair : PairPanel
    points : callable
        Returns the layers of landmarks that are chosen now, or None.
    settings : callable
        Returns the settings as they are now.
    form : SettingsForm
        Says from which preset they come.
    """

    def __init__(
        self,
        pair: PairPanel,
        points: Callable[[], tuple[Points, Points] | None],
        settings: Callable[[], RegistrationSettings],
        form: SettingsForm,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._pair, self._points, self._settings, self._form = pair, points, settings, form
        self.python, self.command = QPushButton("Copy as Python"), QPushButton("Copy as command line")
        self.python.setToolTip("Copy a Python program that does what Register does.")
        self.command.setToolTip("Copy a command line that does what Register does.")
        self.python.clicked.connect(self._copy_python)
        self.command.clicked.connect(self._copy_command)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.python)
        layout.addWidget(self.command)

    def _copy_python(self) -> None:
        self._copy(lambda sources, settings: as_python(sources, settings, self._form.preset), "Python")

    def _copy_command(self) -> None:
        folder = settings_folder()
        self._copy(
            lambda sources, settings: as_command(sources, settings, self._form.preset, folder),
            "The command line",
        )

    def _copy(self, make: _Snippet, what: str) -> None:
        moving, fixed = self._pair.moving, self._pair.fixed
        if moving is None or fixed is None:
            return
        with telling():
            self._pair.place()
        settings, points = self._settings(), self._points()

        def show(sources: Sources) -> None:
            with telling():
                text = make(sources, settings)
                clipboard = QApplication.clipboard()
                if clipboard is not None:
                    clipboard.setText(text)
                show_info(f"{what} is in the clipboard.")

        Job(lambda: sources_of(read_pair(moving, fixed, points)), show, parent=self)
