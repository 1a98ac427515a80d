"""Settings as people state them: parts that change what is there, and short texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from napari_shapereg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with some of them changed.

    The weights of labels, whose keys are numbers, are one value: they are replaced, not added to.
    """
    result = dict(base)
    for name, value in changes.items():
        old = result.get(name)
        result[name] = merged(old, value) if _is_stage(old) and _is_stage(value) else value
    return result


def _is_stage(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def label_weights(text: str) -> dict[int, float]:
    """Return the weights that a text such as ``1:2,2:0.5`` gives to labels; none if it is empty.

    Raises
    ------
    InputError
        It is no list of labels with a weight above 0 each.
    """
    if not text.strip():
        return {}
    try:
        pairs = [part.split(":") for part in text.split(",")]
        weights = {int(label): float(weight) for label, weight in pairs}
    except ValueError:
        weights = {}
    if not weights or min(weights) < 1 or not all(0 < weight < float("inf") for weight in weights.values()):
        raise InputError(f"weights of labels are like 1:2,2:0.5, each above 0; got {text!r}")
    return weights
