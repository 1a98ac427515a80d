"""How many cases: 500 with `make test`; FUZZ_CASES=10000 HYPOTHESIS_PROFILE=search for a night."""

from __future__ import annotations

import os

CASES = int(os.environ.get("FUZZ_CASES", "500"))
