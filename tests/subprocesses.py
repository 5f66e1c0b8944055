"""Python in a process of its own, for what only a fresh interpreter shows."""

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code with this w2sg; the caller looks at status and output."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
