"""What trials have proved on this host: ``<state>/proofs.jsonl``, one proof a line.

A proof holds for the values, the host and the configuration it was made with. The configuration is the one without
what liebench itself has applied (``config_of``): applying one change does not make the proofs of others lapse, while a
change by anybody else does. What two applied changes do together is shown by neither proof.

What is kept of every trial that could tell is its own interval. A win is confirmed only by the next trial of the same
change in the same place; one that did not win in between starts the count again, so that trying until it wins twice
proves nothing more often than it should. The published gain is the confirming trial's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from liebench.errors import StorageFull
from liebench.host import Host, stored_host
from liebench.runfile.fields import Json
from liebench.settings.catalogue import catalogue
from liebench.settings.knob import Knob, Scope
from liebench.state.jsonl import append, records
from liebench.trial.result import Found, TrialResult

FILE = "proofs.jsonl"
WINS = 2  # trials in a row, each with a seed of its own, that make a proof
LAST_WIN = ("first", "second", "third", "fourth")[WINS - 1]  # the one whose size is published
TELLS = (Found.WIN, Found.NO_EFFECT, Found.LOSS, Found.GUARD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One change that won. ``ratio``, ``low`` and ``high``: cost with ``to`` over cost with ``from_``, below 1 a win.

    ``change``: id of the knob. ``key``: its setting, with the name of the disk or card where it is one of several.
    ``workload``: ``your command``, or a probe's id. ``host`` and ``config``: hashes (``config_of``). ``trials``: ids
    of the ``WINS`` trial runs. ``made``: UTC, ISO 8601. ``confirmed``: the last of them agreed.
    ``seed``: of this trial's orders; None where an older liebench kept none.
    """

    change: str
    key: str
    from_: str
    to: str
    scope: Scope
    workload: str
    case: str
    host: str
    config: str
    ratio: float
    low: float
    high: float
    trials: tuple[str, ...]
    made: str
    confirmed: bool
    seed: int | None = None

    @property
    def words(self) -> str:
        """The grade of the evidence, as advice and drop-ins print it."""
        what = f"{self.workload} @ {self.scope}"
        return f"{'proved' if self.confirmed else 'seen once'}: {what}, cost x {self.ratio:.3g} " + (
            f"({self.low:.3g} to {self.high:.3g})"
        )


def workload_words(probe: str, more: Mapping[str, str]) -> str:
    """A probe as the workload of a proof, with what the user set in its rig beside the change: ``probe (k=v)``."""
    return probe + (f" ({', '.join(f'{k}={v}' for k, v in sorted(more.items()))})" if more else "")


def set_otherwise(proof: Proof, host: Host) -> str:
    """Why a proof says nothing about this host as it is set: its rig had another value of another knob. Else empty."""
    found = re.fullmatch(r"[a-z0-9-]+ \((.*)\)", proof.workload)
    for name, _, value in (part.partition("=") for part in found[1].split(", ")) if found else ():
        other = catalogue().get(name)
        now = other.read(host) if other is not None else value
        if now is None:
            return f"was made with {name}={value}, and what it is here cannot be told"
        if now != value:
            return f"was made with {name}={value}, and here it is {now}"
    return ""


def record_of(proof: Proof) -> dict[str, Any]:
    return {**asdict(proof), "scope": str(proof.scope), "trials": list(proof.trials)}


def proof_of(record: Mapping[str, Any]) -> Proof:
    """Raises KeyError, TypeError or ValueError for what is no proof; fields of a newer liebench are passed over."""
    values = {f.name: record[f.name] for f in fields(Proof) if f.name != "seed"}
    values["seed"] = record["seed"] if isinstance(record.get("seed"), int) else None
    values["scope"] = Scope(values["scope"])
    values["trials"] = tuple(str(t) for t in values["trials"])
    for name in ("ratio", "low", "high"):
        values[name] = float(values[name])
    for name in ("change", "key", "from_", "to", "workload", "case", "host", "config", "made"):
        if not isinstance(values[name], str):
            raise TypeError(f"{name} must be text")
    values["confirmed"] = values["confirmed"] is True
    return Proof(**values)


def add_proof(state: Path, proof: Proof) -> None:
    """Append, fsync. Raises StorageFull naming the file."""
    path = state / FILE
    try:
        append(path, record_of(proof))
    except OSError as error:
        raise StorageFull(f"{path} cannot be written: {error.strerror}; the proof was not kept") from error


def read_proofs(state: Path) -> tuple[list[Proof], list[str]]:
    """(proofs, oldest first; a sentence per line that is damaged or is no proof)."""
    path = state / FILE
    try:
        rows, said = records(path)
    except OSError as error:
        return [], [f"{path} cannot be read: {error.strerror}; without it nothing counts as proved"]
    found = []
    for row in rows:
        try:
            found.append(proof_of(row))
        except (KeyError, TypeError, ValueError) as error:
            said.append(f"{path} holds a record that is no proof ({str(error)[:60]}); it was passed over")
    return found, said


def config_of(host: Host, knob: Knob, originals: Mapping[str, str]) -> str:
    """Hash of the configuration in which a proof about this knob holds: whatever the knob itself is set to. Empty where
    a run file does not tell.

    ``originals``: what the settings that liebench has applied held before, by path (``apply.ledger.originals``).
    """
    return host.config({**originals, knob.path: ""})


def needed_scope(knob: Knob) -> Scope:
    """The least scope of a proof that suffices to apply a change: as far as the write reaches."""
    return Scope.HOST if knob.scope is Scope.REBOOT else knob.scope


def is_about(proof: Proof, knob: Knob, to: str) -> bool:
    """Whether it is about this value of this knob; a rig's is about no file of the host, so it speaks for each."""
    about = (knob.key, knob.family) if knob.in_rig else (knob.key,)
    return proof.change == knob.id and proof.key in about and proof.to == to


def lapse(proof: Proof, knob: Knob, from_: str, host: Host, originals: Mapping[str, str]) -> str:
    """Why what a trial found says nothing about this host as it is set; empty where it does."""
    if proof.host != host.hashes()["host"]:
        return "was made on another host"
    if proof.from_ != from_:
        return f"started from {proof.from_}, and the value is {from_ or 'not known'} now"
    config = config_of(host, knob, originals)
    if not config:
        return "cannot be held against this configuration: the run file does not tell all of it"
    if proof.config != config:
        return "lapsed: the configuration has changed since (kernel, limits, clock, huge pages or sysctls)"
    return set_otherwise(proof, host)


def why_not(proof: Proof, knob: Knob, from_: str, host: Host, originals: Mapping[str, str]) -> str:
    """Why a trial of this change does not prove it here; empty where it does."""
    if why := lapse(proof, knob, from_, host, originals):
        return why
    if proof.high >= 1:
        return f"is no win: its interval reaches a cost of x {proof.high:.3g}"
    if not proof.confirmed:
        return "was seen in one trial only; `liebench try` again confirms it or not"
    if proof.scope.rank < needed_scope(knob).rank:
        return f"holds in a {proof.scope} only; this write reaches the whole {needed_scope(knob)}"
    return ""


def _overruled(proof: Proof, others: Iterable[Proof]) -> str:
    """A later trial of the same in the same place that did not win starts the count again."""
    later = [p for p in others if p.made > proof.made and p.high >= 1 and _alike(p, proof)]
    return f"is overruled: the same trial of {max(p.made for p in later)} was no win" if later else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the trials of one change say about a host as it is set, which is what "proved" means everywhere.

    ``proof``: the newest that holds. ``others``: the trials that prove nothing here, newest first, each with the
    reason.
    """

    proof: Proof | None
    others: tuple[tuple[Proof, str], ...]

    @property
    def said(self) -> list[str]:
        """A sentence per trial that proves nothing here."""
        return [f"the proof of {p.made} ({p.words}) {why}" for p, why in self.others]


def standing(
    proofs: Sequence[Proof], knob: Knob, from_: str, to: str, host: Host, originals: Mapping[str, str]
) -> Standing:
    """What is proved of ``knob`` from ``from_`` (empty: not known) to ``to`` on ``host``, live or of a run file.

    ``originals``: what liebench has applied held before, by path (``apply.ledger.originals``).
    """
    about = sorted((p for p in proofs if is_about(p, knob, to)), key=lambda p: p.made, reverse=True)
    rows = [(p, why_not(p, knob, from_, host, originals) or _overruled(p, about)) for p in about]
    return Standing(next((p for p, why in rows if not why), None), tuple((p, why) for p, why in rows if why))


def proof_from(result: TrialResult, trial: str, seed: int | None, host: str, config: str, made: str) -> Proof | None:
    """What this trial alone shows; None where it could not tell. A result that is no win keeps an interval up to 1."""
    if result.found not in TELLS or result.ratio is None or result.low is None or result.high is None:
        return None
    s = result.subject
    high = result.high if result.found is Found.WIN else max(result.high, 1.0)
    return Proof(
        change=s.knob,
        key=s.key,
        from_=s.now,
        to=s.to,
        scope=Scope(s.scope),
        workload=s.workload,
        case=result.case,
        host=host,
        config=config,
        ratio=result.ratio,
        low=result.low,
        high=high,
        trials=(trial,),
        made=made,
        confirmed=False,
        seed=seed,
    )


def _alike(one: Proof, other: Proof) -> bool:
    names = ("change", "key", "from_", "to", "scope", "workload", "host", "config")
    return all(getattr(one, n) == getattr(other, n) for n in names)


def stored_proof(result: TrialResult, doc: Json) -> Proof | None:
    """``proof_from`` with what the trial's own file holds of seed, host, configuration and time.

    The file does not tell what liebench had applied: here that counts as set by anybody. None also for a scope that
    this liebench does not know.
    """
    if result.subject.scope not in list(Scope):
        return None
    settings, hashes = doc.get("settings") or {}, doc["hashes"]
    knob = catalogue().get(result.subject.knob)
    config = config_of(stored_host(doc), knob, {}) if knob else ""
    return proof_from(
        result, doc["id"], settings.get("seed"), hashes["host"], config or hashes["config"], str(doc.get("started"))
    )


def confirmed(new: Proof, past: Sequence[Proof]) -> Proof:
    """The same proof, confirmed where the trials before it won too, ``WINS`` in a row: same change, same place, each
    with another seed."""
    row = [*[p for p in past if _alike(p, new)][1 - WINS :], new]
    if len(row) < WINS or any(p.high >= 1 for p in row) or any(set(p.trials) & set(new.trials) for p in row[:-1]):
        return new
    if len({p.seed for p in row}) < WINS:  # the same orders and coins: nothing that they brought about is ruled out
        return new
    return replace(new, confirmed=True, trials=tuple(p.trials[-1] for p in row))
