"""A kernel and an /etc made of plain files, and proofs about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from liebench.apply.ledger import Change
from liebench.apply.plan import plan
from liebench.apply.target import Hands
from liebench.apply.transaction import apply, intended
from liebench.apply.undo import chosen, undo
from liebench.host import Host, read_host
from liebench.settings.knob import Scope
from liebench.trial.proofs import Proof

SWAPPINESS, RMEM = "proc/sys/vm/swappiness", "proc/sys/net/ipv4/tcp_rmem"
IDLE, THP = "proc/sys/net/ipv4/tcp_slow_start_after_idle", "sys/kernel/mm/transparent_hugepage/enabled"
FOUND = {SWAPPINESS: "60", IDLE: "1", RMEM: "4096\t131072\t16777216", "proc/sys/kernel/random/boot_id": "boot-1"}


def machine(root: Path) -> Host:
    """The fake host below ``root``, made at the first call. A file holds as many characters as any value of it."""
    for path, text in FOUND.items():
        if not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    (root / "etc/sysctl.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/tmpfiles.d").mkdir(parents=True, exist_ok=True)
    return read_host(root)


def proof(**changes: Any) -> Proof:
    values: dict[str, Any] = {
        "change": "swappiness", "key": "vm.swappiness", "from_": "60", "to": "10", "scope": Scope.HOST,
        "workload": "your command", "case": "command", "host": "h", "config": "c", "ratio": 0.8, "low": 0.75,
        "high": 0.85, "trials": ("20260101T000000Z-00000001", "20260102T000000Z-00000002"),
        "made": "2026-01-02T00:00:00Z", "confirmed": True,
    }  # fmt: skip
    return Proof(**(values | changes))


def hands(root: Path) -> Hands:
    return Hands(machine(root / "root"), root / "state")


def value(h: Hands, path: str = SWAPPINESS) -> str:
    return h.at(path).read_text()


def files(h: Hands) -> list[str]:
    """Every file below /etc of the fake host."""
    return sorted(str(p.relative_to(h.host.root)) for p in h.at("etc").rglob("*") if p.is_file())


def wanted(h: Hands, *texts: str, confirm: str | None = None) -> list[Change]:
    """Planned as the command does, untested."""
    ledger = h.ledger()
    found = plan(h, ledger, texts, True, confirm)
    return intended(h, found.wanted, found.confirm_s, ledger.next_number)


def applied(h: Hands, *texts: str, confirm: str | None = None) -> list[Change]:
    changes = wanted(h, *texts, confirm=confirm)
    apply(h, changes, lambda seconds: None)
    return changes


def undo_all(h: Hands) -> list[str]:
    return undo(h, chosen(h.ledger(), "all"))
