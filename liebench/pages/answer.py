"""The first sentence of a page: written from the verdicts, true for every combination of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liebench.contract import Word
from liebench.judge import RunVerdicts


def answer(verdicts: RunVerdicts, titles: Mapping[str, str]) -> str:
    """The page in a sentence or two, true for every combination of verdicts."""
    judged = {k: v for k, v in verdicts.probes.items() if k not in verdicts.rigs}
    if not judged:
        why = f"{len(verdicts.failed)} failed" if verdicts.failed else "no probe could run here"
        return f"Nothing was measured: {why}."
    groups = {w: [k for k, v in judged.items() if v.word is w] for w in Word}
    costly, open_ = groups[Word.COSTLY], groups[Word.INCONCLUSIVE]
    names = [titles.get(k, k) for k in costly]
    if costly:
        first = f"{_count(len(costly), 'layer')} told this host a costly lie: {_listed(names)}."
    elif len(open_) == len(judged):
        first = "Nothing could be decided: every verdict is inconclusive."
    else:
        first = "Nothing that was measured costs this host dearly."
    rest = []
    for word, says in ((Word.HARMLESS, "are harmless"), (Word.HELPFUL, "help"), (Word.HONEST, "are honest")):
        if groups[word]:
            n = len(groups[word])
            rest.append(f"{_number(n)} {_singular(says) if n == 1 else says}")
    if open_ and len(open_) < len(judged):
        n = len(open_)
        rest.append(f"{_number(n)} {'is' if n == 1 else 'are'} open")
    tail = f" Of the others, {_listed(rest)}." if rest and costly else f" {_listed(rest).capitalize()}." if rest else ""
    return first + tail


def _singular(says: str) -> str:
    return {"are harmless": "is harmless", "help": "helps", "are honest": "is honest"}[says]


def _number(n: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[n] if n < len(words) else str(n)


def _count(n: int, noun: str) -> str:
    return f"{_number(n).capitalize()} {noun}{'' if n == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"
