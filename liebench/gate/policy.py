"""What a gate makes of each metric: levels, limits and words, read from ``ci/gate.toml``. Pure.

    [gate]                     # of everything that is not named below
    limit = "5 %"              # the contract: more is a regression
    floor = "1 %"              # what no pair of equal sides is allowed to differ by
    tail = "10 %"              # the limit of the 90th percentile
    inconclusive = "fail"      # or "pass": whether "cannot tell" ends with 3

    [levels]                   # by layer, probe, probe/case or probe/case/arm; the longest name wins
    clock = "error"
    timer-wake = "warn"
    "clock-read/vdso" = "off"
    smt-core = { level = "error", limit = "8 %", worse-than = "harmless" }

``worse-than``: beside the comparison, the lie itself must not be proven worse than this word on the candidate.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from liebench.contract import Word
from liebench.errors import UsageError
from liebench.judge.family import Limits
from liebench.judge.rule import ORDER

TAIL = "quantile 0.9"


class Level(StrEnum):
    """What a "worse" does: fail the build, be printed, or nothing: it is not even measured."""

    ERROR = "error"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LevelRule:
    """Of one metric. Shares: 0.05 is 5 %."""

    level: Level = Level.ERROR
    limit: float = 0.05
    floor: float = 0.01
    tail: float = 0.10
    worse_than: Word | None = None

    def limits(self, statistic: str) -> Limits:
        """A tail is gated against getting worse; that it stayed the same is not asked of it."""
        return Limits(self.tail, self.floor, False) if statistic == TAIL else Limits(self.limit, self.floor)


@dataclass(frozen=True, slots=True)
class Policy:
    base: LevelRule = LevelRule()
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inconclusive_fails: bool = True

    def rule(self, layer: str, probe: str, case: str = "", arm: str = "", preview: bool = False) -> LevelRule:
        """The rule of one metric: from the general to the special. A preview never fails a gate."""
        parts = [p for p in (probe, case, arm) if p]
        names = [layer, *("/".join(parts[: n + 1]) for n in range(len(parts)))]
        found = self.base
        for name in names:
            found = replace(found, **self.rules.get(name, {}))
        _checked(found, f"the policy's lines about {'/'.join(parts)} together")
        return replace(found, level=Level.WARN) if preview and found.level is Level.ERROR else found

    def strangers(self, known: Collection[str]) -> list[str]:
        """Names in [levels] that begin with no layer and no probe of ``known``: a slip would gate nothing, silently."""
        return [name for name in self.rules if name.partition("/")[0] not in known]

    def stored(self) -> dict[str, Any]:
        """As ``policy_of`` reads it back, for the run file."""
        ends = {"inconclusive": "fail" if self.inconclusive_fails else "pass"}
        return {"gate": _plain(asdict(self.base)) | ends, "levels": {k: _plain(v) for k, v in self.rules.items()}}

    def with_limits(self, limit: float | None, floor: float | None) -> Policy:
        """What the command line says wins over the file's general rule."""
        base = self.base
        if limit is not None:
            base = replace(base, limit=limit, tail=2 * limit)
        if floor is not None:
            base = replace(base, floor=floor)
        return replace(self, base=_checked(base, "the command line"))


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {k.replace("_", "-"): v for k, v in fields.items() if v is not None}
    return {k: str(v) if isinstance(v, StrEnum) else v for k, v in named.items()}


def share(value: object, place: str) -> float:
    """``"5 %"`` or 0.05 as 0.05. Raises UsageError naming the place."""
    text = str(value).strip()
    try:
        found = float(text.removesuffix("%").strip()) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if isinstance(value, bool) or not 0 <= found < 10:
        raise UsageError(f'{place} should be a share such as "5 %" or 0.05, but is {value!r}')
    return found


def _checked(rule: LevelRule, place: str) -> LevelRule:
    if not rule.floor < rule.limit or not rule.floor < rule.tail:
        raise UsageError(f"{place}: the floor ({rule.floor:.3g}) must be below the limits ({rule.limit:.3g})")
    return rule


def _fields(row: object, place: str) -> dict[str, Any]:
    """What one line of [levels], or [gate], sets. Raises UsageError for a key or a value that means nothing."""
    table = {"level": row} if isinstance(row, str) else row
    if not isinstance(table, Mapping):
        raise UsageError(f'{place} should be "error", "warn", "off" or a table, but is {row!r}')
    found: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{place}.{key}"
        if key in ("limit", "floor", "tail"):
            found[key] = share(value, where)
        elif key == "level":
            if value not in list(Level):
                raise UsageError(f"{where} should be error, warn or off, but is {value!r}")
            found[key] = Level(value)
        elif key == "worse-than":
            if value not in ORDER:
                raise UsageError(f"{where} should be {', '.join(ORDER)}, but is {value!r}")
            found["worse_than"] = Word(value)
        else:
            raise UsageError(f"{where} means nothing here; known are level, limit, floor, tail, worse-than")
    if "limit" in found and "tail" not in found:
        found["tail"] = 2 * found["limit"]
    return found


def parse_policy(text: str, name: str) -> Policy:
    """Raises UsageError naming the file and the place."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{name} is no TOML: {error}") from error
    return policy_of(data, name)


def policy_of(data: Mapping[str, Any], name: str) -> Policy:
    """A policy from its tables. Raises UsageError naming the file and the place."""
    unknown = set(data) - {"gate", "levels"}
    if unknown:
        raise UsageError(f"{name} has a table [{min(unknown)}] that means nothing here; known are [gate] and [levels]")
    if not isinstance(data.get("gate", {}), Mapping):
        raise UsageError(f"{name}: [gate] should be a table")
    general = dict(data.get("gate", {}))
    ends = general.pop("inconclusive", "fail")
    if ends not in ("fail", "pass"):
        raise UsageError(f'{name}: gate.inconclusive should be "fail" or "pass", but is {ends!r}')
    base = _checked(replace(LevelRule(), **_fields(general, f"{name}: gate")), f"{name}: gate")
    levels = data.get("levels", {})
    if not isinstance(levels, Mapping):
        raise UsageError(f"{name}: [levels] should be a table")
    rules = {str(k): _fields(v, f"{name}: levels.{k}") for k, v in levels.items()}
    for key, found in rules.items():
        _checked(replace(base, **found), f"{name}: levels.{key}")
    return Policy(base, rules, ends == "fail")
