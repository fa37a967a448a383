"""The processor as py-cpuinfo describes it (brand, family, caches), asked once per boot: a call takes over a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from liebench.errors import StorageFull
from liebench.state.files import write_atomic

KEPT = (
    "brand_raw",
    "vendor_id_raw",
    "arch_string_raw",
    "family",
    "model",
    "stepping",
    "hz_advertised",
    "l1_data_cache_size",
    "l1_instruction_cache_size",
    "l2_cache_size",
    "l3_cache_size",
)


def processor(state: Path, boot: str | None) -> dict[str, Any]:
    """The kept fields; from ``<state>/cpuinfo.json`` where that was written since this boot."""
    path = state / "cpuinfo.json"
    try:
        stored = json.loads(path.read_text())
        if stored["boot"] == boot and isinstance(stored["processor"], dict):
            return dict(stored["processor"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = _ask()
    if boot is not None and found:
        try:
            state.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps({"boot": boot, "processor": found}).encode())
        except (OSError, StorageFull):
            pass  # only a cache
    return found


def _ask() -> dict[str, Any]:
    """Empty where py-cpuinfo knows no way on this machine: it raises whatever its parsers meet."""
    try:
        import cpuinfo

        info = cpuinfo.get_cpu_info()
    except Exception:
        return {}
    return {k: info[k] for k in KEPT if k in info}
