"""fio (https://fio.readthedocs.io) for block I/O at depth: one job, its JSON, its version, nothing believed unread."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.contract import Need, Rep
from liebench.errors import NeedUnmet, ToolFailed
from liebench.host import program
from liebench.stage.core import ENVIRONMENT

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

LEAST = (3, 30)  # older ones lack what we read of the JSON
CURE = "apt install fio"
FIO = Need("fio", lambda host: program(host, "fio"), CURE)
PATIENCE_S = 30.0
Job = Mapping[str, str | int | float]


@lru_cache(maxsize=1)
def version() -> str:
    """``fio-3.33``. Raises NeedUnmet where there is none, or one older than LEAST."""
    try:
        done = subprocess.run(["fio", "--version"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NeedUnmet(f"fio ({error})", CURE) from error
    said = done.stdout.strip()
    found = re.match(r"fio-(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < LEAST:
        least = ".".join(map(str, LEAST))
        raise NeedUnmet(f"fio {least} or newer (this is {said or 'unreadable'})", f"{CURE} from a newer release")
    return said


def fio(stage: Stage, jobs: Sequence[Job], folder: Path) -> list[Rep]:
    """Jobs (fio's own options) in one run, one after the other. Quantities: ``us`` mean latency of an I/O, ``iops``.

    Facts: fio's version, the whole job, quantiles in us, how many reads and writes there were. Raises ToolFailed where
    fio fails, is killed, or says something that is not its JSON.
    """
    said = version()
    answer = folder / "fio.json"
    words = ["fio", "--eta=never", "--output-format=json", f"--output={answer}"]
    for number, job in enumerate(jobs):
        words += [f"--name=job{number}", "--stonewall", *(f"--{k}={v}" for k, v in job.items())]
    seconds = sum(float(job.get("runtime", 0)) for job in jobs)
    start, answered = time.monotonic_ns(), ""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds + PATIENCE_S,
            env=ENVIRONMENT,
            process_group=0,
            check=False,
            cwd=folder,
        )
        answered = answer.read_text(errors="replace") if done.returncode == 0 else ""
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f"fio did not end within {seconds + PATIENCE_S:g} s and was killed; does the disk hang?"
        ) from error
    except OSError as error:
        raise ToolFailed(f"fio left no answer ({error.strerror}); try: {' '.join(words)}") from error
    finally:
        answer.unlink(missing_ok=True)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [_ended(done.returncode)]
        raise ToolFailed(f"{said} failed: {last[0]}; try: {' '.join(words)}")
    return [_rep(found, said, job, start) for found, job in zip(read_json(answered, said), jobs, strict=False)]


def _ended(code: int) -> str:
    return f"it was killed by signal {-code}" if code < 0 else f"status {code}"


def read_json(text: str, said: str) -> list[dict[str, Any]]:
    """What fio says of each job. Some engines write a line of their own before it."""
    try:
        found = json.loads(text[text.index("{") :])
        return [dict(job) for job in found["jobs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailed(f"{said} answered with something that is not its JSON: {text[:60]!r}") from error


def _rep(job_found: Mapping[str, Any], said: str, job: Job, start_ns: int) -> Rep:
    found = {way: job_found[way] for way in ("read", "write") if job_found.get(way, {}).get("total_ios")}
    if not found or job_found.get("error"):
        raise ToolFailed(f"{said} did no I/O (error {job_found.get('error')}); is the disk still there?")
    ios = sum(w["total_ios"] for w in found.values())
    mean = sum(w["lat_ns"]["mean"] * w["total_ios"] for w in found.values()) / ios / 1000
    quantiles = {way: _quantiles(w) for way, w in found.items()}
    facts = {"fio": said, "job": dict(job), "quantiles_us": quantiles, "cpu": os.cpu_count()}
    counts = {f"{way}s": float(w["total_ios"]) for way, w in found.items()}
    iops = sum(w["iops"] for w in found.values())
    return Rep(
        samples={"us": [mean], "iops": [iops]},
        start_ns=start_ns,
        elapsed_ns=time.monotonic_ns() - start_ns,
        facts={**facts, **counts},
    )


def _quantiles(way: Mapping[str, Any]) -> dict[str, float]:
    found = way.get("clat_ns", {}).get("percentile", {})
    return {f"p{float(q):g}": value / 1000 for q, value in found.items() if float(q) in (50, 90, 99, 99.9)}
