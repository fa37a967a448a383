"""liebench run: measure this host and write one run file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.registry import Registered
    from liebench.runner.plan import Planned, Settings

Names = Annotated[list[str] | None, typer.Argument(help="Probes or layers; everything where none is named.")]


def run(
    names: Names = None,
    quick: Annotated[bool, typer.Option("--quick", help="About 90 s at most: headline cases only.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Up to half an hour: every case, narrow intervals.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run file.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order in this run.")] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="Most seconds to measure.")] = None,
    disturb: Annotated[
        str, typer.Option("--disturb", help="Who may be disturbed: nobody, neighbours, host.")
    ] = "nobody",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done and written, and do nothing.")] = False,
    path: Annotated[Path | None, typer.Option("--path", help="Folder on the file system or disk to measure.")] = None,
    against: Annotated[Path | None, typer.Option("--against", help="Folder on another volume to compare with.")] = None,
    guest_kernel: Annotated[
        Path | None, typer.Option("--guest-kernel", help="Kernel that guests of ours boot.")
    ] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Option of a probe: probe.name=value.")] = None,
) -> None:
    """Measure what the layers promise against what they deliver on this host."""
    from liebench.errors import NotMeasurable, UsageError
    from liebench.registry import find_probes
    from liebench.runfile.reader import read_run
    from liebench.runner.measure import measure
    from liebench.runner.plan import estimate_s, plan_probe, refuse_unknown_options
    from liebench.text.run import as_json as to_json
    from liebench.text.run import summary

    if quick and deep:
        raise UsageError("--quick and --deep exclude each other")
    registry = find_probes()
    chosen = registry.select(names or ())
    profile = "quick" if quick else "deep" if deep else "default"
    places = [*_places(chosen, "path", path), *_places(chosen, "against", against), *_kernel(chosen, guest_kernel)]
    settings = common.make_settings(profile, seed, budget, disturb, names or (), [*places, *(sets or ())])
    refuse_unknown_options(chosen, settings)
    bench = common.make_bench(out, ["liebench", *sys.argv[1:]])
    planned = [plan_probe(r, bench.host, settings) for r in chosen]
    for name, why in registry.broken.items():
        common.say(f"the probe {name} cannot be loaded and is left out: {why}")
    if plan:
        _say_plan(planned, settings)
        return
    if not any(p.cases for p in planned):
        raise NotMeasurable("nothing that was asked for can be measured here; `liebench doctor` names the cures")
    cases = sum(len(p.cases) for p in planned)
    common.say(
        f"{len(planned)} probes, {cases} cases, about {estimate_s(planned, settings):.0f} s, seed {settings.seed}"
    )
    with common.stopping() as stopper:
        written = measure(bench, planned, settings, stopping=stopper, progress=common.progress())
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    doc = read_run(written)
    if names and len(planned) == 1 and doc["stopped"] == "done":
        took = doc["instrument"]["loop_s"] + doc["probes"][planned[0].id]["setup_s"]
        common.say(
            f"{planned[0].id}: its Cost declares {estimate_s(planned, settings):.0f} s for this, it took {took:.1f} s"
        )
    verdicts, advice = common.judged(doc)
    code = 130 if doc["stopped"] == "interrupted" else 0
    if as_json:
        common.emit(to_json("run", doc, str(written), verdicts, code))
    else:
        print(summary(doc, verdicts, advice))
        print(written)
        common.say(f"next: liebench report {written}")
    for line in doc.get("log", []):
        common.say(line)
    if code:
        raise typer.Exit(code)


def _places(chosen: Sequence[Registered], option: str, folder: Path | None) -> list[str]:
    """``--path`` or ``--against`` as a setting of every chosen probe that has it."""
    from liebench.errors import UsageError

    if folder is None:
        return []
    if not folder.is_dir():
        raise UsageError(f"--{option} {folder} is no folder; name one on the file system to measure")
    takers = [r.id for r in chosen if any(o.name == option for o in r.probe.options)]
    if not takers:
        raise UsageError(f"no chosen probe takes --{option}; `liebench explain` names the settings of each")
    return [f"{name}.{option}={folder.resolve()}" for name in takers]


def _kernel(chosen: Sequence[Registered], kernel: Path | None) -> list[str]:
    """``--guest-kernel`` as a setting of every chosen probe that boots guests."""
    from liebench.errors import UsageError

    if kernel is None:
        return []
    if not kernel.is_file():
        raise UsageError(f"--guest-kernel {kernel} is no file; name a kernel, as /boot/vmlinuz-6.1.0-29-cloud-amd64")
    return [f"{r.id}.kernel={kernel.resolve()}" for r in chosen if any(o.name == "kernel" for o in r.probe.options)]


def _say_plan(planned: Sequence[Planned], settings: Settings) -> None:
    from liebench.runner.plan import estimate_s, writes
    from liebench.text.plan import plan_lines

    for part in planned:
        if part.skipped:
            print(f"{part.id}: skipped, needs {part.skipped.needs}: {part.skipped.cure}")
            continue
        print(f"{part.id}: {', '.join(c.id for c in part.cases)}")
        if part.id in settings.named:
            print("\n".join(plan_lines(part, planned)))
        for case, skip in part.left_out.items():
            print(f"  without {case}: needs {skip.needs}: {skip.cure}")
    found = writes(planned)
    print("writes nothing on the host but its run file and, where it changes something, the undo journal"
          if not found else "\n".join(found))  # fmt: skip
    print(f"about {estimate_s(planned, settings):.0f} s")
