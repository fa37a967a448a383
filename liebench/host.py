"""Facts of the host, read once per run, below a replaceable sysroot. A fact that cannot be read is None."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from liebench.facts import boot, clock, cpu, limits, memory, net, process, virt
from liebench.facts.mounts import overlays
from liebench.facts.reader import Reader
from liebench.facts.volumes import volumes

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_NICE": 23, "CAP_SYS_TIME": 25}
SECRET = ("password", "passwd", "secret", "token", "key")
PLACES = ("/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin")
CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
NOWHERE = Path("/dev/null")  # a root with nothing below it
CONFIG_SYSCTLS = ("vm/swappiness", "kernel/sched_rt_runtime_us", "kernel/numa_balancing", "kernel/timer_migration")

IN_FACTS = {  # settings that older run files hold as facts alone: path -> (area, fact, how its file shows it)
    CLOCKSOURCE: ("clock", "current", "{}"),
    HUGE_PAGES: ("memory", "thp", "[{}]"),
    "/proc/self/timerslack_ns": ("clock", "timer_slack_ns", "{}"),
    "/proc/sys/net/core/netdev_max_backlog": ("net", "backlog", "{}"),
    "/proc/sys/net/ipv4/tcp_congestion_control": ("net", "congestion", "{}"),
    "/proc/sys/net/ipv4/tcp_rmem": ("net", "rmem_most", "? ? {}"),
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle": ("net", "restarts", "{}"),
    "/proc/sys/net/ipv4/tcp_wmem": ("net", "wmem_most", "? ? {}"),
}


@dataclass(frozen=True)
class Host:
    """The facts, by area, and what may be asked of them. ``root`` is the sysroot every read goes below."""

    facts: Mapping[str, Any]
    root: Path = Path("/")

    def read(self, path: str) -> str | None:
        """Text of a file below the sysroot, stripped; None where it is missing or unreadable."""
        return Reader(self.root).text(path)

    def exists(self, path: str) -> bool:
        return Reader(self.root).exists(path)

    def names(self, folder: str) -> list[str]:
        """Names in a folder below the sysroot; empty where it is missing."""
        return Reader(self.root).names(folder)

    def writable(self, path: str) -> bool:
        return os.access(self.root / path.lstrip("/"), os.W_OK)

    @property
    def x86(self) -> bool:
        """Whether the processor is an x86: the only one whose user space can make a hypervisor act."""
        return bool(self.facts["cpu"].get("x86"))

    @property
    def fma(self) -> bool:
        """Whether the processor multiplies and adds vectors in one instruction, as every arm64 one does."""
        return not self.x86 or "fma" in self.facts["cpu"]["flags"]

    @property
    def processors(self) -> tuple[int, ...]:
        """CPUs this process may use, isolated ones excepted; never empty."""
        return tuple(self.facts["cpu"]["usable"]) or (0,)

    @cached_property
    def words(self) -> Mapping[str, str]:
        """Facts as a claim's ``{names}``; what is unknown reads ``unknown``."""
        facts = self.facts
        named = {
            "processors": facts["cpu"]["online"],
            "cpus": facts["limits"]["cpus"] or facts["cpu"]["online"],
            "memory": _gib(facts["memory"].get("total_mib")),
            "mhz": facts["cpu"]["mhz"],
            "swappiness": facts["memory"]["swappiness"],
            "clocksource": facts["clock"]["current"],
            "timer_slack": _slack(facts["clock"]["timer_slack_ns"]),
        }
        return {k: "unknown" if v is None else str(v) for k, v in named.items()}

    def can(self, capability: str) -> bool:
        """Whether this process really holds a capability: CapEff, and the first user namespace where it matters."""
        reader = Reader(self.root)
        mask = reader.field("/proc/self/status", "CapEff")
        if mask is None or capability not in CAPABILITIES:
            return False
        mapped = (reader.text("/proc/self/uid_map") or "0 0 4294967295").split()
        return bool(int(mask, 16) >> CAPABILITIES[capability] & 1) and mapped == ["0", "0", "4294967295"]

    def throttled_us(self) -> int | None:
        """Time our control group was held back by its CPU quota so far; None where no quota is in force."""
        if self.facts["limits"]["cpus"] is None:
            return None
        return limits.throttled_us(Reader(self.root))

    def hashes(self, salt: str = "liebench") -> dict[str, str]:
        """Three identities: this host, its kind of hardware, its configuration."""
        facts = self.facts
        machine = self.read("/etc/machine-id") or self.read("/sys/class/dmi/id/product_uuid") or platform.node()
        kind = {k: facts["cpu"][k] for k in ("model", "online", "cores", "threads_per_core", "sockets")}
        kind |= {"virt": facts["virt"], "memory_gib": round((facts["memory"]["total_mib"] or 0) / 1024)}
        return {"host": _hash(salt + machine), "kind": _hash(kind), "config": self.config()}

    def config(self, instead: Mapping[str, str] | None = None) -> str:
        """Identity of the configuration, made of what a run file holds (``redacted``).

        ``instead``: by the path of a setting, what counts in place of its value.
        """
        facts, instead = self.facts, instead or {}
        config = {
            "kernel": {**facts["kernel"], "cmdline": _told(facts["kernel"]["cmdline"])},
            "limits": facts["limits"],
            "clock": instead.get(CLOCKSOURCE, facts["clock"]["current"]),
            "governor": facts["cpu"]["governor"],
            "microcode": facts["cpu"]["microcode"],
            "thp": instead.get(HUGE_PAGES, facts["memory"]["thp"]),
            "mglru": facts["memory"]["mglru"],
            "sysctls": {k: instead.get(f"/proc/sys/{k}", self.read(f"/proc/sys/{k}")) for k in CONFIG_SYSCTLS},
        }
        return _hash(config)

    def redacted(self) -> dict[str, Any]:
        """The facts without names, addresses and secrets: what a run file may hold."""
        facts = json.loads(json.dumps(self.facts))
        facts["kernel"]["cmdline"] = _told(facts["kernel"]["cmdline"])
        facts["boot"]["token"] = _hash(facts["boot"]["token"])
        facts["sysctls"] = {k: self.read(f"/proc/sys/{k}") for k in CONFIG_SYSCTLS}
        facts["volumes"] = [{**asdict(v), "mounts": []} for v in volumes(self)]
        facts["overlays"] = [[point, layers] for point, layers in overlays(self).items()]
        return dict(facts)


@dataclass(frozen=True)
class StoredHost(Host):
    """The host of a run file: it answers from what the file holds, and reads nothing of the machine it is read on.

    ``facts``: as ``redacted`` gives them, with the texts of settings by path in ``settings``. ``taken``: the hashes of
    the run. Files of older or edited runs hold less; what they do not hold is None, as if it could not be read.
    """

    root: Path = NOWHERE
    taken: Mapping[str, Any] = field(default_factory=dict)

    def read(self, path: str) -> str | None:
        kept = _area(self.facts, "settings").get(path)
        if kept is None and path.startswith("/proc/sys/"):
            kept = _area(self.facts, "sysctls").get(path.removeprefix("/proc/sys/"))
        if kept is None and path in IN_FACTS:
            area, name, form = IN_FACTS[path]
            value = _area(self.facts, area).get(name)
            kept = None if value is None else form.format(value)
        return kept if isinstance(kept, str) else None

    def hashes(self, salt: str = "liebench") -> dict[str, str]:
        """Those of the run; empty where the file has none."""
        return {name: str(self.taken.get(name) or "") for name in ("host", "kind", "config")}

    def config(self, instead: Mapping[str, str] | None = None) -> str:
        """As of the host itself; empty where the file holds too little to tell.

        Facts that another liebench kept, or that were edited, give another hash than the run's: then it is known only
        where nothing of the configuration is asked to count otherwise.
        """
        try:
            faithful = super().config() == self.taken.get("config")
        except (KeyError, TypeError, AttributeError):
            faithful = False
        if faithful:
            return super().config(instead)
        counts = {CLOCKSOURCE, HUGE_PAGES, *(f"/proc/sys/{k}" for k in CONFIG_SYSCTLS)}
        return "" if counts & set(instead or {}) else self.hashes()["config"]


def _told(cmdline: str | None) -> str | None:
    """The kernel's command line as a run file may hold it: without names, addresses and secrets, none of init's."""
    words = (cmdline or "").partition(" -- ")[0].split()
    shown = [
        w.split("=")[0] + "=(redacted)" if any(s in w.lower() for s in SECRET) or "addr" in w.lower() else w
        for w in words
    ]
    return cmdline if shown == (cmdline or "").split() else " ".join(shown)


def _area(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def stored_host(doc: Mapping[str, Any]) -> StoredHost:
    """The host of a run document, which ``reader.validate`` has seen."""
    return StoredHost(doc["host"], taken=doc["hashes"])


def _slack(value: int | None) -> str | None:
    return None if value is None else f"{value / 1000:g} us"


def _gib(mib: int | None) -> str | None:
    return None if mib is None else f"{mib / 1024:.3g} GiB"


def _hash(value: object) -> str:
    import hashlib  # loads OpenSSL: 5 ms that `liebench list` need not pay

    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def where(host: Host, name: str) -> str | None:
    """The path of a program in one of the usual folders of this host; None where there is none."""
    return next((str(host.root / place[1:] / name) for place in PLACES if host.exists(f"{place}/{name}")), None)


def program(host: Host, name: str) -> bool:
    """Whether a program lies in one of the usual folders of this host."""
    return where(host, name) is not None


def read_host(root: Path = Path("/"), *, live: bool | None = None) -> Host:
    """Read every fact below ``root``. ``live``: ask the running kernel too (adjtimex, affinity); default: root is /."""
    live = root == Path("/") if live is None else live
    reader = Reader(root)
    facts = {
        "cpu": cpu.facts(reader, sorted(os.sched_getaffinity(0)) if live else None),
        "virt": virt.facts(reader),
        "clock": clock.facts(reader, live),
        "memory": memory.facts(reader),
        "net": net.facts(reader),
        "process": process.facts(reader),
        "kernel": _kernel(reader),
        "limits": limits.facts(reader),
        "boot": boot.facts(reader, live),
    }
    return Host(facts, root)


def _kernel(reader: Reader) -> dict[str, Any]:
    return {
        "release": reader.text("/proc/sys/kernel/osrelease"),
        "version": reader.text("/proc/sys/kernel/version"),
        "cmdline": reader.text("/proc/cmdline"),
        "arch": platform.machine() if reader.root == Path("/") else None,
    }
