"""What apply would do: every check before anything is touched, and the difference in words. Reads only."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from liebench.apply.conflicts import rivals
from liebench.apply.dropin import dropin_text
from liebench.apply.ledger import VALUES, Change, Ledger, originals, same
from liebench.apply.target import Hands
from liebench.apply.transaction import Wanted
from liebench.errors import UsageError
from liebench.host import program
from liebench.settings.catalogue import parse
from liebench.settings.knob import Knob, Scope, offered
from liebench.settings.launch import is_launch, kept_by
from liebench.settings.origin import whence
from liebench.state.journal import held
from liebench.trial.proofs import needed_scope, read_proofs, standing
from liebench.trial.words import way_to_prove
from liebench.words import wrapped

INDENT = "  "
UNTESTED = "untested: nobody has measured this change on this host"
DEFAULT_S, LEAST_S, MOST_S = 600.0, 1.0, 86400.0
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Plan:
    """``already``: words about what is in force anyway."""

    wanted: tuple[Wanted, ...]
    confirm_s: float | None
    already: tuple[str, ...] = ()


def seconds(text: str) -> float:
    """``10m``, ``90s``, ``1h`` or plain seconds. Raises UsageError outside 1 s to 24 h."""
    match = re.fullmatch(r"([0-9]{1,6})([smh]?)", text)
    value = int(match[1]) * UNITS[match[2]] if match else 0.0
    if not LEAST_S <= value <= MOST_S:
        raise UsageError(f"--confirm takes a time from 1s to 24h, as 10m, or never; not {text[:20]!r}")
    return float(value)


def _is_network(knob: Knob) -> bool:
    return knob.network or knob.path.startswith(("/proc/sys/net/", "/sys/class/net/"))


def _elsewhere(hands: Hands) -> bool:
    """Whether our network namespace is another than that of the first process; not where that cannot be seen."""
    try:
        ours, first = (os.readlink(hands.at(f"/proc/{pid}/ns/net")) for pid in ("self", "1"))
    except OSError:
        return False
    return ours != first


def confirm_seconds(text: str | None, knobs: Sequence[Knob]) -> float | None:
    """How long a command waits for its confirmation. Raises UsageError for never where a network key is among them."""
    network = [k.key for k in knobs if _is_network(k)]
    if text == "never" and network:
        raise UsageError(
            f"{network[0]} can cut off the connection you came by, so it is always confirmed: leave --confirm away "
            "(10 minutes), or name a time, as --confirm 2m"
        )
    if text is None:
        return DEFAULT_S if network else None
    return None if text == "never" else seconds(text)


def plan(hands: Hands, ledger: Ledger, texts: Sequence[str], untested: bool, confirm: str | None) -> Plan:
    """Raises UsageError with the reason for the first change that cannot be."""
    found: dict[str, Wanted] = {}
    already = []
    for text in texts:
        knob, now, to = parse(text, hands.host, untested)
        _may_be(hands, knob, to)
        if knob.path in found:
            raise UsageError(f"{knob.key} is named twice; one value at a time")
        if same(now, to):
            already.append(f"{knob.key} is {to} already")
            continue
        found[knob.path] = Wanted(
            knob, now, to, _evidence(hands, ledger, knob, now, to, untested), _rivals(hands, knob, to)
        )
    return Plan(tuple(found.values()), confirm_seconds(confirm, [w.knob for w in found.values()]), tuple(already))


def _may_be(hands: Hands, knob: Knob, to: str) -> None:
    if is_launch(knob.id):
        raise UsageError(
            f"{knob.key}: a file of ours cannot hold it, for it is not the whole host's. Keep it with "
            f"{kept_by(knob.id, to)}"
        )
    if knob.scope in (Scope.PROCESS, Scope.REBOOT):
        raise UsageError(
            f"{knob.key} is not set for a whole running host ({knob.scope}); liebench try shows its effect"
        )
    text = hands.host.read(knob.path) or ""
    if knob.bracketed and to not in offered(text):
        raise UsageError(f"{knob.key} takes one of what the kernel offers, {text[:80]}; not {to[:40]!r}")
    if _is_network(knob) and _elsewhere(hands):
        raise UsageError(
            f"this process is in a network namespace of its own, and a file of ours would set {knob.key} for the host; "
            "apply it from the host's namespace"
        )
    pid = held(hands.state).get(str(hands.at(knob.path)))
    if pid is not None:
        raise UsageError(f"a measurement (process {pid}) holds {knob.key} for now; apply when it has ended")


def _evidence(hands: Hands, ledger: Ledger, knob: Knob, now: str, to: str, untested: bool) -> str:
    """The proof in words. Raises UsageError where there is none and ``untested`` was not given."""
    proofs, said = read_proofs(hands.state)
    found = standing(proofs, knob, now, to, hands.host, originals(ledger))
    if found.proof is not None:
        return f"{found.proof.words}; trials {', '.join(found.proof.trials)}"
    if untested:
        return UNTESTED
    why = "; ".join([*found.said[:3], *said]) or "no trial of it has been made here"
    way = way_to_prove(knob, knob.key if knob.family else knob.id, to)
    raise UsageError(
        f"nothing proves on this host that {knob.key} {now} -> {to} helps (needed: a proof at {needed_scope(knob)} "
        f"scope): {why}. {way[0].upper()}{way[1:]}, or apply it unproved with --untested"
    )


def _rivals(hands: Hands, knob: Knob, to: str) -> tuple[str, ...]:
    """Words about who else sets it and loses. Raises UsageError where somebody would win over us."""
    said = []
    whole = " ".join(knob.text_for(hands.host.read(knob.path) or "", to).split())
    for rival in rivals(hands.host, knob.path):
        if same(rival.value, whole):
            said.append(f"{rival.where} sets the same value")
        elif rival.wins:
            raise UsageError(
                f"{rival.where} sets {knob.key} to {rival.value[:80]} and wins over a file of ours at the next boot; "
                f"change that line to {whole[:80]}, or remove it, then repeat this. Nothing was changed"
            )
        else:
            said.append(f"{rival.where} sets {rival.value[:80]}; from now on ours wins over it")
    return tuple(said)


def _late(hands: Hands, changes: Sequence[Change]) -> list[str]:
    """What a drop-in for sysfs cannot promise."""
    if not any(c.dropin == VALUES for c in changes):
        return []
    if not program(hands.host, "systemd-tmpfiles"):
        return wrapped(f"at boot {VALUES} is read by systemd-tmpfiles, which is not here: it will not last", INDENT)
    if any(c.path.startswith(("/sys/block/", "/sys/class/net/", "/sys/fs/cgroup/")) for c in changes):
        return wrapped(
            "at boot it is set once: a disk, card or control group that comes later keeps its default", INDENT
        )
    return []


def difference(hands: Hands, ledger: Ledger, changes: Sequence[Change], wanted: Sequence[Wanted]) -> list[str]:
    """What would change: values, evidence, risk, whom it overrides, and the drop-ins as a unified difference."""
    lines: list[str] = []
    for change, w in zip(changes, wanted, strict=True):
        lines += [f"{change.key}: {change.from_} -> {change.to}", *wrapped(whence(w.knob, hands.host), INDENT)]
        lines += wrapped(change.evidence, INDENT)
        lines += wrapped(f"what can get worse: {change.risk}", INDENT)
        lines += [line for words in w.overrides for line in wrapped(words, INDENT)]
        lines += [f"  {path} becomes 0 by it; it is {text}" for path, text in change.beside.items()]
    lines += _late(hands, changes)
    for file in dict.fromkeys(c.dropin for c in changes):
        mine = [c for c in changes if c.dropin == file]
        before = (hands.ours(file, ledger) or b"").decode(errors="replace").splitlines()
        kept = {c.path: c for c in [*ledger.kept(file), *mine]}
        after = dropin_text(file, sorted(kept.values(), key=lambda c: c.number)).splitlines()
        lines += difflib.unified_diff(before, after, file if before else "/dev/null", file, lineterm="", n=1)
    return lines
