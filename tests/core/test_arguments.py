"""Arguments are strict, and no argument makes the core do anything undefined (address and UB sanitizers)."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.machine

WAYS = ("mmap", "mmap-random", "pread", "own")  # O_DIRECT is not everywhere
OVERLAY = os.geteuid() == 0 and "overlay" in Path("/proc/filesystems").read_text()

WRONG = {
    "nothing": ([], "no kernel"),
    "no such kernel": (["no-such"], 'no kernel "no-such"'),
    "no such key": (["null", "colour=red"], '"colour"'),
    "no sign": (["null", "ops"], "not key=value"),
    "no key": (["null", "=5"], 'no key ""'),
    "twice": (["null", "ops=1", "ops=1"], "twice"),
    "no number": (["null", "ops=many"], "ops=many is not a number"),
    "no value": (["null", "ops="], "not a number"),
    "trailing": (["null", "ops=5x"], "not a number"),
    "blank": (["null", "ops= 5"], "not a number"),
    "nan": (["null", "plant_ns=nan"], "not a number"),
    "infinite": (["null", "plant_ns=1e999"], "not a number"),
    "hexadecimal": (["null", "ops=0x10"], "not a number"),
    "not whole": (["null", "ops=1.5"], "not a whole number"),
    "no ops": (["null", "ops=0"], "out of bounds"),
    "negative": (["null", "samples=-1"], "out of bounds"),
    "too many samples": (["null", "samples=1000001"], "out of bounds"),
    "overflow": (["null", "ops=18446744073709551617"], "out of bounds"),
    "no such word": (["compute", "mix=div"], "one of add1 add8 mul"),
    "half a word": (["compute", "mix=add"], "mix=add is not known"),
    "empty word": (["compute", "mix="], "is not known"),
    "two words": (["compute", "mix=add1 add8"], "is not known"),
    "both plants": (["null", "plant_ns=1", "plant_work=1"], "exclude each other"),
    "work and a share": (["null", "plant_share=1", "plant_work=1"], "exclude each other"),
    "a share of an event": (["timer-wake", "plant_share=1"], "takes no plant_share"),
    "plant that is not planted": (["clock-step", "plant_ns=1"], "takes no plant_ns"),
    "work in an event": (["timer-wake", "plant_work=1"], "takes no plant_work"),
    "nothing to calibrate": (["clock-skew", "calibrate=1"], "nothing to calibrate"),
    "not printable": (["null", "ops=\x01"], "printable ASCII"),
    "not ASCII": (["clock-watch", "ptp=/dev/ptpü"], "printable ASCII"),
    "no peer": (["clock-skew", "cpu=0"], "cpu=A and peer=B"),
    "its own peer": (["clock-skew", "cpu=0", "peer=0"], "same processor"),
    "ops of sleeps": (["timer-wake", "ops=2"], "ops is 1"),
    "sleeps too long": (["timer-wake", "sleep_us=1e6", "samples=1000"], "longer than limit_s"),
    "counter by a call": (["clock-read", "clock=counter", "via=vdso"], "takes no via"),
    "no clock device": (["clock-watch", "ptp=/etc/passwd!"], "/dev/ptp0"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_usage_errors_name_what_was_seen(sanitized: Path, arguments: list[str], says: str) -> None:
    done = subprocess.run([sanitized, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.startswith("liebench-core: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_whole_numbers_may_be_written_as_floats(sanitized: Path) -> None:
    done = subprocess.run([sanitized, "null", "ops=3.0", "samples=2e0"], capture_output=True, check=True)
    rep = json.loads(done.stdout)
    assert (rep["ops"], len(rep["samples"]["ns"]), rep["args"]["samples"]) == (3, 2, "2e0")


def test_free_text_is_refused_before_it_could_be_echoed(sanitized: Path) -> None:
    command = [str(sanitized), "clock-watch", 'ptp=/dev/"\\']
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["null", "samples=5000"],
        ["compute", "samples=3", "plant_ns=7.5"],
        ["compute", "samples=1", "ops=1", "plant_work=0.3"],
        ["compute", "samples=2", "ops=7", "plant_share=0.5"],
        ["compute", "calibrate=1", "mix=mul"],
        ["clock-read", "samples=3", "via=syscall"],
        ["clock-step", "samples=2", "clock=monotonic-coarse"],
        ["clock-step", "samples=2", "clock=counter"],
        ["timer-wake", "samples=3", "slack_ns=1", "plant_ns=1000"],
        ["cpu-frequency", "samples=2", "chain=rotate", "most=1"],
        ["cpu-frequency", "samples=2", "chain=vector", "load=all"],
        ["cpu-gap", "samples=2", "window_ms=20", "plant_percent=30"],
        ["cpu-gap", "samples=1", "window_ms=20", "all=1"],
        ["cpu-quanta", "samples=2", "window_ms=20", "plant_percent=30"],
        ["cpu-frequency", "samples=2", "chain=mul", "heat_s=1", "rest_s=1"],
        ["page-chase", "samples=2", "mib=4", "plant_extra=0.5"],
        ["page-touch", "samples=2", "mib=4", "pages=huge"],
        ["page-touch", "samples=2", "mib=4", "memory=fresh"],
        ["page-chase", "samples=2", "mib=4", "pages=huge"],
        ["smt-tenant", "samples=20"],
        ["cpuid-dump", "samples=1"],
        ["vm-exit", "samples=2", "op=rdtscp"],
        ["vm-exit", "samples=2", "leaf=4294967295"],
        ["syscall-translated", "samples=2", "ops=9", "way=uncached", "filters=7", "compares=4000"],
        *(["syscall-translated", "samples=2", "ops=9", f"way={way}"] for way in ("container", "selector", "dispatch")),
    ],
    ids=" ".join,
)
def test_kernels_do_nothing_undefined(sanitized: Path, arguments: list[str]) -> None:
    done = subprocess.run([sanitized, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["path-links", "samples=2", "hops=3", f"kind={kind}"] for kind in ("symlink", "hardlink", "deep")),
        ["path-first", "build=1", "samples=3"],
        ["block-io", "build=1", "samples=2", "direct=0", "drop=1", "seq=1", "kib=64", "each=16"],
        ["block-io", "build=1", "samples=2", "direct=0", "drop=1", "map=1", "each=16"],
        ["copy-up", "samples=1", "kib=64", "plain=1", "plant_extra=1"],
        ["overlay-lookup", "samples=2", "layers=0", "op=list"],
        ["memory-granted", "most_gib=4"],
        ["memory-touch", "mib=8"],
        *(["file-map", "samples=3", "file_mib=4", "ws_mib=3", "cache_mib=2", f"mode={m}", "zipf=1"] for m in WAYS),
        ["swap-cache", "samples=2", "rounds=8", "file_mib=1", "hot_mib=1", "cold_mib=1"],
        ["swap-cost", "from=swap", "samples=8"],
    ],
    ids=" ".join,
)
def test_what_needs_files_does_nothing_undefined(sanitized: Path, arguments: list[str], tmp_path: Path) -> None:
    keys = {"path": f"dir={tmp_path}", "copy": f"dir={tmp_path}", "over": f"dir={tmp_path}"}
    keys |= {"file": f"file={tmp_path}/f", "swap": f"file={tmp_path}/f", "bloc": f"file={tmp_path}/f"}
    place = [keys[arguments[0][:4]]] if arguments[0][:4] in keys else []
    test_kernels_do_nothing_undefined(sanitized, [*arguments, *place])


@pytest.mark.skipif(not OVERLAY, reason="needs overlayfs and root")
@pytest.mark.parametrize("arguments", [["overlay-lookup", "samples=2", "layers=3"], ["copy-up", "samples=1"]])
def test_overlays_do_nothing_undefined(sanitized: Path, arguments: list[str], tmp_path: Path) -> None:
    test_kernels_do_nothing_undefined(sanitized, [*arguments, f"dir={tmp_path}"])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
@pytest.mark.parametrize(
    "arguments",
    [
        ["clock-skew", "samples=5"],
        ["wake-pair", "samples=5"],
        ["exit-witness", "samples=2"],
        ["smt-pair", "samples=2", "plant_slow=0.5"],
        ["smt-pair", "samples=1", "same=1", "seed=4294967295"],
        *(["smt-worth", "samples=1", f"mix={mix}"] for mix in ("vector", "load", "chase-near", "branch")),
        *(["tlb-flush", "samples=2", f"op={op}", "helpers=1"] for op in ("mprotect", "madvise", "munmap")),
    ],
    ids=" ".join,
)
def test_pairs_do_nothing_undefined(sanitized: Path, arguments: list[str]) -> None:
    a, b = sorted(os.sched_getaffinity(0))[:2]
    pair = [f"cpu={a}"] if arguments[0] == "tlb-flush" else [f"cpu={a}", f"peer={b}"]
    test_kernels_do_nothing_undefined(sanitized, [*arguments, *pair])


def test_the_scan_does_nothing_undefined(sanitized: Path) -> None:
    test_kernels_do_nothing_undefined(sanitized, ["smt-scan"])


@pytest.mark.skipif(not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="needs /dev/kvm")
@pytest.mark.parametrize(
    "arguments",
    [
        ["kvm-exit", "samples=2", "ops=2", "spin_us=5"],
        ["kvm-gap", "samples=1"],
        ["kvm-touch", "samples=1"],
        ["kvm-cpuid", "samples=1", "signature=LieBenchLies"],
    ],
    ids=" ".join,
)
def test_our_host_does_nothing_undefined(sanitized: Path, arguments: list[str]) -> None:
    test_kernels_do_nothing_undefined(sanitized, arguments)


@pytest.mark.parametrize("way", ["denied", "trap", "notify", "ptrace"])
def test_who_answers_in_the_kernels_place_does_nothing_undefined(
    sanitized: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")  # the search for leaks asks getppid, and believes the answer
    test_kernels_do_nothing_undefined(sanitized, ["syscall-translated", "samples=2", "ops=9", f"way={way}"])


KEYS = (
    "cpu ops samples plant_ns plant_work plant_share sentinel calibrate target_ns clock via mix sleep_us slack_ns peer"
    " plant_skew_ns plant_ppm plant_step_ns plant_step_at ptp nosuch window_ms all most plant_percent"
    " chain load mib pages memory skip_mib op leaf plant_hide plant_issue same seed plant_slow first last helpers"
    " spin_us percent signature heat_s rest_s plant_extra way filters compares supervisor answer direct drop map each"
).split()
VALUES = (
    "0 1 2 7 0.5 -1 -0 1e3 1e99 -1e99 nan inf 0x1 add1 add8 mul vdso syscall counter monotonic realtime-coarse"
    " small huge recycled fresh rotate vector membarrier munmap cpuid xgetbv branch none"
    " /dev/null / . .. - + e 1e 1e+ 9223372036854775808 1_000 = == a=b"
).split()


def _argument(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return "".join(chr(rng.randrange(1, 0x250)) for _ in range(rng.randrange(0, 40)))
    return f"{rng.choice(KEYS)}={rng.choice(VALUES)}"


def test_random_arguments_never_crash(sanitized: Path) -> None:
    rng = random.Random(20261123)
    known = subprocess.check_output([sanitized, "--list"], text=True).splitlines()
    kernels = [*(line.split("\t")[0] for line in known), ""]
    ends = dict.fromkeys((0, 1, 2), 0)
    for _ in range(400):
        arguments = [rng.choice(kernels), *(_argument(rng) for _ in range(rng.randrange(0, 5))), "limit_s=5"]
        done = subprocess.run([sanitized, *arguments], capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode in ends, (arguments, done.stderr)
        assert b"Sanitizer" not in done.stderr, (arguments, done.stderr)
        ends[done.returncode] += 1
    assert min(ends[0], ends[2]) > 10, ends  # the fuzzer reaches both the kernels and the refusals
