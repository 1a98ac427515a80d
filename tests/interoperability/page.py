"""The examples of docs/interoperability.md, section by section."""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interoperability.md"


def examples(section, language):
    """Return the blocks of a section in a language, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    part = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    return re.findall(rf"^```{language}\n(.*?)^```", part, re.MULTILINE | re.DOTALL)


def run_example(code, folder, wanted):
    """Run a block where the files lie, and return one of its values as an array."""
    import numpy as np

    os.chdir(folder)
    values = {}
    exec(compile(code, str(PAGE), "exec"), values)
    value = values.get(wanted)
    return None if value is None else np.asarray(value.numpy().T if hasattr(value, "numpy") else value)
