"""What the labels say about virtualization and containers: claims, never evidence."""

from __future__ import annotations

from typing import Any

from liebench.facts.reader import Reader

CONTAINER_MARKS = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
IDLE = "/sys/devices/system/cpu/cpuidle"
CGROUP_MARKS = ("docker", "kubepods", "lxc", "containerd", "podman")


def facts(reader: Reader) -> dict[str, Any]:
    flags = (reader.field("/proc/cpuinfo", "flags") or "").split()
    cgroup = reader.text("/proc/self/cgroup") or ""
    container = next((name for path, name in CONTAINER_MARKS.items() if reader.exists(path)), None)
    container = container or next((m for m in CGROUP_MARKS if m in cgroup), None)
    return {
        "hypervisor_flag": "hypervisor" in flags,
        "hypervisor": reader.text("/sys/hypervisor/type"),
        "vendor": reader.text("/sys/class/dmi/id/sys_vendor"),
        "product": reader.text("/sys/class/dmi/id/product_name"),
        "container": container,
        "halt_poll": _polls(reader),
    }


def _polls(reader: Reader) -> bool:
    """Whether an idle CPU polls before it halts: the governor must be in force, below a driver; else the knob is inert.

    Documentation/virt/guest-halt-polling.rst; drivers/cpuidle/governors/haltpoll.c.
    """
    governor = reader.text(f"{IDLE}/current_governor") or reader.text(f"{IDLE}/current_governor_ro")
    driver = reader.text(f"{IDLE}/current_driver")
    return reader.exists(POLL) and governor == "haltpoll" and driver not in (None, "none")
