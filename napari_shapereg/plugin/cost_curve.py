"""The cost of a run, step by step, as a curve.

Drawn with QPainter, not with matplotlib: a redraw of some hundred points takes well under a millisecond of
the thread that also moves the arrows, where a matplotlib canvas takes tens, and it needs no extra.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_shapereg.plugin.live_view import CostPoint

_COLORS = {"linear": "#4fa3e0", "global": "#f0a030", "local": "#5fc27e"}
_SHALLOWEST = 0.5
"""The axis reaches down to this fraction at least, so that noise does not look like a descent."""
_MARGIN = (36.0, 16.0, 6.0, 4.0)  # left, top, right, bottom


class Branch(NamedTuple):
    """The curve of one level in the unit square: x along the steps, y from the deepest fall up to no fall."""

    level: str
    points: list[tuple[float, float]]


class Curve(NamedTuple):
    """What is drawn: a branch for each level, and the deepest fall of a level's cost, as a fraction."""

    branches: list[Branch]
    lowest: float


def curve_of(costs: Sequence[CostPoint]) -> Curve | None:
    """Lay costs out, each as a fraction of the first one of its level, on a logarithmic axis.

    Each level has a cost of its own, which no other level's can be compared with; what tells is how far it
    fell.

    Parameters
    ----------
    costs : sequence of CostPoint
        In the order of the steps.

    Returns
    -------
    Curve or None
        None where there is nothing to draw. What is no number, or not above 0, is left out.
    """
    levels = [
        (level, [point for point in part if 0 < point.cost < math.inf])
        for level, part in groupby(costs, key=lambda point: point.level)
    ]
    levels = [(level, part) for level, part in levels if part]
    if not levels:
        return None
    falls = {level: [point.cost / part[0].cost for point in part] for level, part in levels}
    lowest = min(min(fall) for fall in falls.values())
    depth = -math.log(min(lowest, _SHALLOWEST))
    first, length = costs[0].iteration, max(1, costs[-1].iteration - costs[0].iteration)
    branches = [
        Branch(
            level,
            [
                ((point.iteration - first) / length, 1 + math.log(min(fall, 1.0)) / depth)
                for point, fall in zip(part, falls[level], strict=True)
            ],
        )
        for level, part in levels
    ]
    return Curve(branches, lowest)


class CostCurve(QWidget):
    """A small plot of `curve_of` that tells the step under the mouse."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip("The cost, as a fraction of what it was when its level began.")
        self._costs: list[CostPoint] = []
        self._curve: Curve | None = None
        self.setMinimumHeight(96)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Cost of the registration, step by step")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the preferred size."""
        return QSize(300, 110)

    def show_costs(self, costs: Sequence[CostPoint]) -> None:
        """Draw these costs."""
        if len(costs) == len(self._costs) and (not costs or costs[-1] is self._costs[-1]):
            return
        self._costs = list(costs)
        self._curve = curve_of(self._costs)
        self.update()

    def describe(self, share: float) -> str:
        """Return what the plot says at a place from 0 (left) to 1 (right), or nothing."""
        if not self._costs:
            return ""
        first, last = self._costs[0].iteration, self._costs[-1].iteration
        wanted = first + share * (last - first)
        nearest = min(self._costs, key=lambda point: abs(point.iteration - wanted))
        return f"{nearest.level}, step {nearest.iteration}: cost {nearest.cost:.4g}"

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Tell the step under the mouse."""
        area = self._area()
        if event is not None and area.width() > 0:
            said = self.describe((event.position().x() - area.left()) / area.width())
            self.setToolTip(said or self.toolTip())

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area, ink = self._area(), self.palette().windowText().color()
        faint = QColor(ink)
        faint.setAlpha(70)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area)
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.8))
        painter.setFont(font)
        if self._curve is None:
            painter.setPen(faint)
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, "cost of each level, from its start")
        else:
            self._paint(painter, area, self._curve, ink)
        painter.end()

    def _paint(self, painter: QPainter, area: QRectF, curve: Curve, ink: QColor) -> None:
        painter.setPen(ink)
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for height, share in ((area.top(), 1.0), (area.bottom() - 12, min(curve.lowest, _SHALLOWEST))):
            painter.drawText(QRectF(0, height, area.left() - 4, 12), side, f"{share:.0%}")
        stage, free = "", 0.0
        for branch in curve.branches:
            name = branch.level.split()[0]
            color = QColor(_COLORS.get(name, "#a0a0a0"))
            places = [_place(area, point) for point in branch.points]
            painter.setPen(QPen(color, 2))
            if len(places) == 1:
                painter.drawPoint(places[0])
            painter.drawPolyline(QPolygonF(places))
            if name != stage:
                stage = name
                place = max(places[0].x(), free)
                painter.drawText(QPointF(place, area.top() - 4), name)
                free = place + painter.fontMetrics().horizontalAdvance(name + "  ")

    def _area(self) -> QRectF:
        left, top, right, bottom = _MARGIN
        return QRectF(
            left, top, max(1.0, self.width() - left - right), max(1.0, self.height() - top - bottom)
        )


def _place(area: QRectF, point: tuple[float, float]) -> QPointF:
    return QPointF(area.left() + point[0] * area.width(), area.bottom() - point[1] * area.height())
