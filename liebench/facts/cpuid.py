"""What cpuid says about the hypervisor, from a dump (``liebench-core cpuid-dump``, or a recorded one). Pure.

Leaf numbers and bits: Documentation/virt/kvm/x86/cpuid.rst; Hypervisor Top Level Functional Specification 2.4;
xen/include/public/arch-x86/cpuid.h; VMware KB 1009458; QEMU target/i386/cpu.c (TCG signature).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Leaves = Mapping[tuple[int, int], tuple[int, int, int, int]]

SIGNATURES = {
    "KVMKVMKVM": "KVM",
    "Linux KVM Hv": "KVM",
    "Microsoft Hv": "Hyper-V",
    "XenVMMXenVMM": "Xen",
    "VMwareVMware": "VMware",
    "TCGTCGTCGTCG": "TCG",
    "bhyve bhyve": "bhyve",
    "ACRNACRNACRN": "ACRN",
    "VBoxVBoxVBox": "VirtualBox",
    "QNXQVMBSQG": "QNX",
}
KVM_FEATURES = {
    0: "clocksource",
    1: "nop-io-delay",
    3: "clocksource2",
    4: "async-pf",
    5: "steal-time",
    6: "pv-eoi",
    7: "pv-unhalt",
    9: "pv-tlb-flush",
    10: "async-pf-vmexit",
    11: "pv-send-ipi",
    12: "poll-control",
    13: "pv-sched-yield",
    14: "async-pf-int",
    15: "msi-ext-dest-id",
    24: "clocksource-stable",
}
HYPERV_FEATURES = {0: "vp-runtime", 1: "reference-counter", 2: "synic", 3: "synthetic-timers", 9: "reference-tsc"}
HYPERV_HINTS = {0: "pv-address-switch", 1: "pv-local-flush", 2: "pv-tlb-flush", 5: "relaxed-timing", 10: "pv-send-ipi"}
XEN_FEATURES = {0: "apic-virt", 1: "x2apic-virt", 2: "iommu-mappings", 3: "vcpu-id", 4: "domain-id"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """``family``: KVM, Hyper-V, ...; ``bare metal`` without the hypervisor bit, ``unknown`` for another signature."""

    family: str
    signature: str
    hypervisor_bit: bool
    vendor: str
    offered: tuple[str, ...]
    tsc_khz: int | None = None


def parse(text: str) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Leaves of a dump; what is damaged in it is left out."""
    found = {}
    for part in text.replace("\n", ";").split(";"):
        name, _, values = part.strip().partition(":")
        leaf, _, sub = name.partition(".")
        try:
            a, b, c, d = (int(v, 16) for v in values.split(","))
            found[int(leaf, 16), int(sub or "0", 16)] = (a, b, c, d)
        except ValueError:
            continue
    return found


def _text(*registers: int) -> str:
    raw = b"".join((r & 0xFFFFFFFF).to_bytes(4, "little") for r in registers)
    return raw.rstrip(b"\0").decode("latin-1")


def _bits(value: int, names: Mapping[int, str]) -> list[str]:
    return [name for bit, name in names.items() if value >> bit & 1]


def decode(leaves: Leaves) -> Told:
    """Who the leaves say we run on, and what is offered there. A hypervisor that hides leaves gives ``unknown``."""
    one = leaves.get((1, 0), (0, 0, 0, 0))
    zero = leaves.get((0, 0), (0, 0, 0, 0))
    bit = bool(one[2] >> 31 & 1)
    vendor = _text(zero[1], zero[3], zero[2])
    if not bit:
        return Told(family="bare metal", signature="", hypervisor_bit=False, vendor=vendor, offered=())
    head = leaves.get((0x40000000, 0), (0, 0, 0, 0))
    signature = _text(*head[1:])
    family = SIGNATURES.get(signature.strip(), "unknown")
    offered = _offered(family, leaves)
    if family == "Hyper-V" and _text(*leaves.get((0x40000100, 0), (0, 0, 0, 0))[1:]) == "KVMKVMKVM":
        family = "KVM"  # KVM that also speaks Hyper-V to its guests
        offered += _bits(leaves.get((0x40000101, 0), (0,))[0], KVM_FEATURES)
    khz = leaves.get((0x40000010, 0), (0, 0, 0, 0))[0] if head[0] >= 0x40000010 else 0
    return Told(
        family=family,
        signature=signature,
        hypervisor_bit=True,
        vendor=vendor,
        offered=tuple(offered),
        tsc_khz=khz or None,
    )


def _offered(family: str, leaves: Leaves) -> list[str]:
    def register(leaf: int) -> int:
        return leaves.get((leaf, 0), (0, 0, 0, 0))[0]

    if family == "KVM":
        return _bits(register(0x40000001), KVM_FEATURES)
    if family == "Hyper-V":
        return _bits(register(0x40000003), HYPERV_FEATURES) + _bits(register(0x40000004), HYPERV_HINTS)
    if family == "Xen":
        return _bits(register(0x40000004), XEN_FEATURES)
    return []
