"""Directives that write the settings of a registration from the model itself: its fields and its presets."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, get_args

from sphinx.util.docutils import SphinxDirective

from napari_shapereg.registration import Preset, RegistrationSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docutils.nodes import Node
    from sphinx.application import Sphinx

Schema = dict[str, Any]

TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
BOUNDS = {
    "exclusiveMinimum": "above {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "below {}",
    "maximum": "at most {}",
}


def values(field: Schema) -> str:
    """Say in words which values a setting takes."""
    if "enum" in field:
        return ", ".join(_code(value) for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(values(option) for option in field["anyOf"])
    return "an object (below)" if "$ref" in field else _plain(field)


def _plain(field: Schema) -> str:
    match field["type"]:
        case "null":
            return _code(None)
        case "array":
            return f"list of ({values(field['items'])})"
        case "object":
            return f"for each label: {values(field['additionalProperties'])}"
    bounds = [text.format(f"{field[key]:g}") for key, text in BOUNDS.items() if key in field]
    return " ".join([TYPES[field["type"]], " and ".join(bounds)]).strip()


def default(field: Schema) -> str:
    """Return the default of a setting as JSON; that of a nested model is in its own table."""
    given = field.get("default", {})
    return "" if isinstance(given, dict) and given else _code(given)


def places(schema: Schema, definitions: Schema, before: str = "") -> dict[str, list[str]]:
    """Return for each nested model, by its name, the settings that hold one."""
    found: dict[str, list[str]] = {}
    for name, field in schema["properties"].items():
        for option in (field, *field.get("anyOf", [])):
            if "$ref" not in option:
                continue
            model = option["$ref"].rpartition("/")[2]
            found.setdefault(model, []).append(f"{before}{name}")
            for nested, others in places(definitions[model], definitions, f"{before}{name}.").items():
                found.setdefault(nested, []).extend(others)
    return found


def _code(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _of_model(schema: Schema) -> str:
    rows = [
        (f"`{name}`", values(field), default(field), field.get("description", ""))
        for name, field in schema["properties"].items()
    ]
    return _table(("setting", "values", "default", "meaning"), rows)


class _FromModel(SphinxDirective):
    """A directive whose page is written again when the model or this file has changed."""

    def run(self) -> list[Node]:
        """Write what `text` returns."""
        for source in (inspect.getsourcefile(RegistrationSettings), __file__):
            self.env.note_dependency(str(source))
        return self.parse_text_to_nodes(self.text())

    def text(self) -> str:
        """Return Markdown."""
        raise NotImplementedError


class Settings(_FromModel):
    """Tables of all settings, one for each object of the JSON file."""

    def text(self) -> str:
        """Write the tables."""
        schema = RegistrationSettings.model_json_schema()
        definitions = schema.get("$defs", {})
        parts = [_of_model(schema)]
        for model, settings in places(schema, definitions).items():
            holders = " and ".join(f"`{place}`" for place in settings)
            description = definitions[model]["description"]
            parts += [f"**{holders}**. {description}", _of_model(definitions[model])]
        return "\n\n".join(parts)


class Presets(_FromModel):
    """A table of what each preset changes."""

    def text(self) -> str:
        """Write the table."""
        names = get_args(Preset)
        presets = [RegistrationSettings.preset(name).model_dump(mode="json") for name in names]
        changed = [key for key in presets[0] if any(preset[key] != presets[0][key] for preset in presets)]
        rows = [(f"`{key}`", *(_code(preset[key]) for preset in presets)) for key in changed]
        return _table(("setting", *names), rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("settings", Settings)
    app.add_directive("presets", Presets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
