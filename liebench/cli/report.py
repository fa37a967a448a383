"""liebench report: one HTML page, chosen by what it is given."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.judge.rows import Table

Doc = dict[str, Any]
KINDS = ("run", "comparison", "history", "fleet", "trial", "gate")


@dataclass(frozen=True, slots=True)
class Made:
    """What a kind of page can give: the page, the same as text for a terminal, and a table where there is one."""

    page: Callable[[], str]
    text: Callable[[], str]
    table: Callable[[], Table] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The files that were named: their documents, those of the first side (``--against``), and how to make a page."""

    sources: Sequence[str]
    docs: Sequence[Doc]
    against: Sequence[Doc]
    raw: bool
    limit: float
    floor: float


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…|FOLDER]", help="Run, trial or gate files, reports, folders or -; default: newest run."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; default: beside the newest file.")] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", help="Runs of the first side: a page that compares.")
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", help="run, comparison, history, fleet, trial or gate; by default as fits.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the same for a terminal instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a table for a pull request instead.")] = False,
    limit: Annotated[str, typer.Option("--limit", help='Comparison, history: more is worse: "5 %".')] = "5 %",
    floor: Annotated[str, typer.Option("--floor", help='Comparison: less is no difference: "1 %".')] = "1 %",
    embed: Annotated[str, typer.Option("--embed", help="A run's page: values, or raw for all samples.")] = "values",
) -> None:
    """Write a page without script or network: of a run, two sides, a host's history, a fleet, trials or a gate."""
    from liebench.errors import UsageError
    from liebench.gate.policy import share
    from liebench.state.files import write_atomic

    gc.disable()  # a short life, and millions of small objects that stay: collecting costs a fifth of the time
    if embed not in ("values", "raw"):
        raise UsageError(f"--embed takes values or raw, not {embed!r}")
    if as_ not in (None, *KINDS):
        raise UsageError(f"--as takes {', '.join(KINDS)}, not {as_!r}")
    sources, docs = _opened(runs or (), as_)
    first = _opened(against, as_)[1] if against else ()
    given = Given(
        sources=sources,
        docs=docs,
        against=first,
        raw=embed == "raw",
        limit=share(limit, "--limit"),
        floor=share(floor, "--floor"),
    )
    kind = as_ or chosen(given)
    made = MAKERS[kind](given)
    if markdown:
        print(_markdown(kind, made))
    elif text:
        print(made.text())
    else:
        target = out or _target(kind, given)
        write_atomic(target, made.page().encode())
        if kind != "run" and as_ is None:
            common.say(f"a page of the kind {kind}; --as takes another one")
        print(target)


def _opened(paths: Sequence[str], kind: str | None) -> tuple[list[str], list[Doc]]:
    """(names, documents) of files, and of those of the wanted kind in folders."""
    from liebench.errors import UsageError
    from liebench.runfile.files import run_files
    from liebench.runfile.reader import read_run

    wanted = kind if kind in ("trial", "gate") else "run"
    names: list[str] = []
    for path in paths or (str(common.latest_run()),):
        inside = run_files(Path(path), wanted) if Path(path).is_dir() else [path]
        if not inside:
            raise UsageError(f"there is no {wanted} file in {path}; `liebench run --out {path}` makes one")
        names += map(str, inside)
    return names, [read_run(name) for name in names]


def chosen(given: Given) -> str:
    """The kind of page that fits what was given. Raises UsageError where nothing does."""
    from liebench.errors import UsageError

    kinds = {str(d.get("kind") or "run") for d in (*given.docs, *given.against)}
    if len(kinds) > 1:
        raise UsageError(f"files of different kinds ({', '.join(sorted(kinds))}) make no page together; name one kind")
    if kinds == {"trial"}:
        return "trial"
    if kinds == {"gate"}:
        return "gate"
    if given.against or len(given.docs) == 2:
        return "comparison"
    if len(given.docs) == 1:
        return "run"
    return "history" if len({str(d["hashes"].get("host")) for d in given.docs}) == 1 else "fleet"


def _target(kind: str, given: Given) -> Path:
    """Beside the newest of the files; a run's page has its name, others that of their kind before it."""
    from liebench.words import clean

    newest = max(range(len(given.docs)), key=lambda i: str(given.docs[i].get("started")))
    source, name = given.sources[newest], clean(given.docs[newest]["id"], 60).replace("/", "_")
    folder = Path() if source == "-" else Path(source).parent
    if kind != "run":
        return folder / f"{kind}-{name}.html"
    return Path(f"{name}.html") if source == "-" else Path(source).with_suffix(".html")


def _markdown(kind: str, made: Made) -> str:
    from liebench.errors import UsageError
    from liebench.export.markdown import as_markdown

    if made.table is None:
        raise UsageError(f"--markdown writes runs, comparisons, gates and single trials, no {kind}; --text prints it")
    return as_markdown(made.table()).rstrip()


def _only(given: Given, kind: str) -> Doc:
    from liebench.errors import UsageError

    if len(given.docs) != 1:
        raise UsageError(f"a page of the kind {kind} is of one file, and {len(given.docs)} were named")
    return given.docs[0]


def _run(given: Given) -> Made:
    from liebench.judge.table import run_table
    from liebench.pages.frame import run_page
    from liebench.runfile.files import file_hash
    from liebench.text.run import summary

    doc = _only(given, "run")
    verdicts, advice = common.judged(doc)
    return Made(
        lambda: run_page(doc, verdicts, advice, raw=given.raw, of_run=file_hash(given.sources[0])),
        lambda: summary(doc, verdicts, advice),
        lambda: run_table(doc, verdicts),
    )


def _comparison(given: Given) -> Made:
    from liebench.compare.sides import alike, compare, compare_table, open_side
    from liebench.errors import UsageError
    from liebench.judge.family import Limits
    from liebench.pages.many import comparison_page
    from liebench.text.table import table_text

    if not given.against and len(given.docs) < 2:
        raise UsageError("one run has nothing to be compared with; name two, or use --against")
    if given.floor >= given.limit:
        raise UsageError("--floor must be below --limit")
    sides = (given.against, given.docs) if given.against else (given.docs[:1], given.docs[1:])
    a, b = (open_side(side) for side in sides)
    found = compare(a, b, alike(Limits(given.limit, given.floor)))
    names = [side[0].id if len(side) == 1 else f"{len(side)} runs" for side in (b, a)]
    table = compare_table(found, b[-1], " against ".join(names))
    return Made(lambda: comparison_page(table), lambda: table_text(table), lambda: table)


def _history(given: Given) -> Made:
    import math

    from liebench.compare.history import lies_of
    from liebench.compare.sides import open_side
    from liebench.errors import UsageError
    from liebench.pages.many import history_page
    from liebench.text.history import history_text

    runs = open_side([*given.against, *given.docs])
    if len({m.host for m in runs}) > 1:
        raise UsageError("a history is of one host, and these runs are of several; --as fleet compares hosts")
    step = math.log1p(given.limit)
    return Made(lambda: history_page(runs, step), lambda: history_text(lies_of(runs, step), runs))


def _fleet(given: Given) -> Made:
    from liebench.compare.fleet import frame_of, summarise
    from liebench.compare.sides import open_side
    from liebench.pages.many import fleet_page
    from liebench.text.fleet import fleet_text

    runs = open_side([*given.against, *given.docs])
    return Made(lambda: fleet_page(runs), lambda: fleet_text(summarise(frame_of(runs))))


def _trial(given: Given) -> Made:
    from liebench.gate.table import gate_table, stored_policy
    from liebench.pages.many import trials_page
    from liebench.text.trial import trial_text
    from liebench.trial.result import trial_result

    docs = [*given.against, *given.docs]
    one = (lambda: gate_table(docs[0], stored_policy(docs[0]))) if len(docs) == 1 else None
    return Made(lambda: trials_page(docs), lambda: "\n\n".join(trial_text(trial_result(d)) for d in docs), one)


def _gate(given: Given) -> Made:
    from liebench.gate.table import gate_table, stored_policy
    from liebench.pages.many import gate_page
    from liebench.text.table import table_text

    doc = _only(given, "gate")
    table = gate_table(doc, stored_policy(doc))
    return Made(lambda: gate_page(table), lambda: table_text(table), lambda: table)


MAKERS = dict(zip(KINDS, (_run, _comparison, _history, _fleet, _trial, _gate), strict=True))
