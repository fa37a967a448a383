"""What block-remote sets up and does: files of noise on the volumes, network disks of ours, and one block of a case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from liebench.contract import Arm, Case, Kind, Rep, Turn
from liebench.facts.volumes import Volume
from liebench.probes.block_remote.verdict import turning
from liebench.stage.block import Disk, network_disk
from liebench.stage.counted import MOST, counted, volume_below
from liebench.stage.fio import fio
from liebench.stage.stage import Stage

MIB = 64  # of noise on each volume: more than a disk's own cache would be better, and more than a host wants written
DEPTH = 32
FIO_WORK, FIO_MOST_S = "4m", 1  # 1024 reads, or as many as a slow disk answers in a second
DISK_MIB, SLOW_MS, RATE_MIB = 16, 7, 64


class Disks:
    """Network disks of ours, each set up when it is first asked for, for a rig that fails takes only itself away."""

    def __init__(self, stage: Stage, rigs: ExitStack, folder: Path) -> None:
        self.stage, self.rigs, self.folder = stage, rigs, folder
        self.up: dict[tuple[tuple[str, ...], bool], Disk] = {}

    def of(self, *words: str, device: bool = False) -> str:
        if (words, device) not in self.up:
            served = (*words[:1], "memory", f"{DISK_MIB}M", *words[1:])
            disk = self.rigs.enter_context(network_disk(self.stage, self.folder, served, device))
            self.stage.core(
                "block-io",
                Turn(Arm(id="fill"), "fill"),
                file=disk.target,
                op="write",
                kib=1024,
                seq=1,
                samples=DISK_MIB,
            )
            self.up[words, device] = disk
        return self.up[words, device].target

    def delayed(self, ms: float, device: bool = False) -> str:
        return self.of("--filter=delay", f"delay-read={ms:g}ms", device=device)

    def limited(self, mib: float) -> str:
        """In bits, and with a bucket of a twentieth of a second: what it saved up must not look like speed."""
        return self.of("--filter=rate", f"rate={int(mib) * 8}M", "burstiness=0.05")


class Bench:
    """Files of noise on the volumes, and what is read from them."""

    def __init__(self, stage: Stage, places: Mapping[str, Path], disks: Disks) -> None:
        self.stage, self.disks = stage, disks
        self.files = {name: str(folder / "file") for name, folder in places.items()}
        self.volumes: dict[str, Volume | None] = {}
        for name, file in self.files.items():
            self.stage.core("block-io", Turn(Arm(id="build"), "build"), file=file, build=MIB, samples=1)
            self.volumes[name] = volume_below(stage, file)

    def io(self, t: Turn, **more: str | int) -> Rep:
        args = {k: v for k, v in t.arm.args.items() if k != "on"}
        on = str(t.arm.args["on"])
        bare = Turn(Arm(id=t.arm.id, args=args), t.label, t.plant)
        rep = counted(
            self.stage,
            self.volumes[on],
            lambda: self.stage.core("block-io", bare, file=self.files[on], **more),
            math.inf if args.get("map") else MOST,  # the kernel reads around what is touched
        )
        blocks = float(rep.facts["kib"]) / 4
        return replace(rep, samples={"us": [us / blocks for us in rep.samples["us"]]})  # of 4 KiB, in large ones too

    def turns(self, t: Turn) -> Rep:
        rep = self.io(t)
        facts = turning(self.volumes["path"], float(rep.facts["typical_us"]))
        return Rep(samples={"us": rep.samples["us"]}, facts={**rep.facts, **facts}, flags=rep.flags)

    def depth(self, t: Turn) -> Rep:
        job: dict[str, str | int | float] = {
            "filename": self.files["path"], "rw": "randread", "bs": "4k", "direct": 1, "size": f"{MIB}m",
            "io_size": FIO_WORK, "runtime": FIO_MOST_S,
        }  # fmt: skip
        jobs = (job | {"ioengine": "psync"}, job | {"ioengine": "libaio", "iodepth": DEPTH})

        def both() -> Rep:
            alone, many = fio(self.stage, jobs, Path(self.files["path"]).parent)
            found = many.samples["iops"][0] * alone.samples["us"][0] / 1e6  # Little's law
            facts = {"alone": dict(alone.facts), "many": dict(many.facts), "kib": 4}
            facts["reads"] = alone.facts["reads"] + many.facts["reads"]
            return Rep(
                samples={"requests": [found]},
                offsets_ns=(),
                start_ns=many.start_ns,
                elapsed_ns=many.elapsed_ns,
                facts=facts,
            )

        return counted(self.stage, self.volumes["path"], both)

    def wait(self, t: Turn) -> Rep:
        args = dict(t.arm.args)
        on, told = str(args.pop("on")), str(args.pop("told"))
        file = self.disks.delayed(SLOW_MS, device=True) if on == "slow" else self.files[on]
        volume = volume_below(self.stage, file)
        bare = Turn(Arm(id=t.arm.id, args=args), t.label, t.plant)
        rep = counted(self.stage, volume, lambda: self.stage.core("block-wait", bare, file=file))
        waited, said = rep.samples["waited"][0], rep.samples[told][0]
        return Rep(
            samples={"percent": [100 * (waited - said) / waited]},
            offsets_ns=(),
            start_ns=rep.start_ns,
            elapsed_ns=rep.elapsed_ns,
            alibi=rep.alibi,
            args=rep.args,
            facts={**rep.facts, "waited": waited, "told": said},
            flags=rep.flags,
        )

    def delay(self, t: Turn) -> Rep:
        ms = t.plant.get("ms", float(t.arm.args["ms"]))
        far, near = (
            self.stage.core("block-io", Turn(Arm(id="x"), t.label), file=self.disks.delayed(d), samples=20)
            for d in (ms, 0)
        )
        more = far.facts["typical_us"] - near.facts["typical_us"]
        return Rep(
            samples={"us": [more]},
            offsets_ns=(),
            start_ns=far.start_ns,
            elapsed_ns=far.elapsed_ns,
            alibi=far.alibi,
            facts={"near_us": near.facts["typical_us"]},
        )

    def rate(self, t: Turn) -> Rep:
        """The later half: until then the bucket that was full at the start has run dry."""
        disk = self.disks.limited(t.plant.get("rate", float(t.arm.args["rate"])))
        rep = self.stage.core("block-io", Turn(Arm(id="x"), t.label), file=disk, kib=1024, seq=1, samples=DISK_MIB)
        late = rep.samples["us"][DISK_MIB // 2 :]
        return Rep(
            samples={"MiB/s": [1e6 * len(late) / sum(late)]},
            offsets_ns=(),
            start_ns=rep.start_ns,
            elapsed_ns=rep.elapsed_ns,
            alibi=rep.alibi,
        )

    def measured(self, case: Case, t: Turn) -> Rep:
        if case.kind is Kind.RATIO:
            return self.io(t)
        ways = {"turns": self.turns, "depth": self.depth, "delay": self.delay, "rate": self.rate}
        return ways.get(case.id, self.wait)(t)

    def claimed(self, case: Case) -> Rep:
        put = {"depth": DEPTH, "delay": 1000.0, "rate": RATE_MIB}
        return Rep(samples={case.quantity: [float(put.get(case.id, 0))]})

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        idle = case.kind is Kind.READING
        return {t.label: self.claimed(case) if idle and t.arm.promised else self.measured(case, t) for t in turns}
