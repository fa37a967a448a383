"""The first words of a page: written from the verdicts, true for every combination of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liebench.contract import Word
from liebench.judge.cost import Bill
from liebench.judge.run import RunVerdicts
from liebench.pages.forest import how_often

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Answer:
    """``head``: the answer in one clause. ``first``: anchor, name and sentence of the dearest lie, if one is costly."""

    head: str
    first: tuple[str, str, str] | None
    others: Sequence[tuple[str, str]]  # anchor, name: costly too
    rest: str


def answer(
    verdicts: RunVerdicts,
    names: Sequence[str],
    titles: Mapping[str, str],
    sentences: Mapping[str, str],
    bills: Mapping[str, Bill],
) -> Answer:
    """``names``: probe ids, the dearest first. Rigs demonstrate and are not counted."""
    judged = [n for n in names if n not in verdicts.rigs]
    if not judged:
        return Answer(_nothing(verdicts), None, (), "")
    groups = {w: [n for n in judged if verdicts.probes[n].word is w] for w in Word}
    costly, unsure = groups[Word.COSTLY], groups[Word.INCONCLUSIVE]
    first = None
    if costly:
        head = f"{_count(len(costly), 'lie')} of {len(judged)} {_is(len(costly))} costly on this host."
        often = how_often(Word.COSTLY, bills.get(costly[0], Bill()))
        said = sentences.get(costly[0], "")
        first = (costly[0], titles.get(costly[0], costly[0]), f"{said} This is {often}." if often else said)
    elif len(unsure) == len(judged):
        head = "Nothing could be decided: every verdict is inconclusive."
    else:
        head = "Nothing that was measured costs this host dearly."
    return Answer(head, first, [(n, titles.get(n, n)) for n in costly[1:]], _rest(verdicts, len(judged), len(unsure)))


def _nothing(verdicts: RunVerdicts) -> str:
    if verdicts.rigs:
        return "Only rigs of ours were measured; they say nothing about this host."
    why = f"{len(verdicts.failed)} failed" if verdicts.failed else "no probe could run here"
    return f"Nothing was measured: {why}."


def _rest(verdicts: RunVerdicts, judged: int, unsure: int) -> str:
    """What must not be overlooked: open questions, probes that failed or were skipped."""
    said = []
    if unsure and unsure < judged:
        said.append(f"{_count(unsure, 'question')} {_is(unsure)} open: too little was seen here to say.")
    if verdicts.failed:
        said.append(f"{_count(len(verdicts.failed), 'probe')} failed.")
    if verdicts.skipped:
        said.append(f"{_count(len(verdicts.skipped), 'probe')} could not run here.")
    return " ".join(said)


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _count(n: int, noun: str) -> str:
    number = NUMBERS[n] if n < len(NUMBERS) else str(n)
    return f"{number.capitalize()} {noun}{'' if n == 1 else 's'}"
