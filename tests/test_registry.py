"""Probes of other packages are found by their entry point, and one that breaks takes no other with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROBE = """
from liebench.contract import Claim, Cost, Layer
from liebench.probe import Probe
CLAIM = Claim(Layer.CPU, "It is fast.", "nowhere", "speed")
PROBE = Probe(claim=CLAIM, cases=lambda host, options: (), cost=Cost(1))
"""


def package(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[liebench.probes]\n{name.replace('_', '-')} = {name}:PROBE\n")


def test_probes_of_other_packages(tmp_path: Path) -> None:
    package(tmp_path, "their_lie", PROBE)
    package(tmp_path, "broken_lie", "raise RuntimeError('no')")
    code = (
        "from liebench.registry import find_probes; found = find_probes(); "
        "print('their-lie' in found.probes, 'clock-read' in found.probes, found.broken)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.stdout.strip() == "True True {'broken-lie': 'RuntimeError: no'}"
