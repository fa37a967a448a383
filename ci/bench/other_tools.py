"""What other tools say about the samples of two sides, by their own code where they have it, else by their rule.

Each function takes baseline and candidate as times, shape (runs, samples), in the order in which that tool takes them
(all of one side, then all of the other), and says whether it would call the candidate slower.

pyperf     ``pyperf._compare``, what ``pyperf compare_to`` prints as "slower": Student's t on all values
asv        ``asv.commands.compare``, what ``asv compare`` and ``asv continuous`` mark with "+": Mann-Whitney with
           p < 0.002 and a factor of 1.1 between the estimates of ``asv_runner.statistics``; a run is one sample
benchstat  by its rule (golang.org/x/perf): Mann-Whitney at 0.05 on the means of ten runs
threshold  one mean each, more than 110 %: github-action-benchmark's form, with a limit in use
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np
import pyperf
from asv.commands.compare import _is_result_better
from asv_runner.statistics import compute_stats
from numpy.typing import NDArray
from pyperf._compare import CompareData, CompareResult
from scipy.stats import mannwhitneyu

Times = NDArray[np.float64]
COUNT = 10  # runs of benchstat, as its documentation asks for


def _benchmark(times: Times) -> pyperf.Benchmark:
    return pyperf.Benchmark(
        [pyperf.Run(run.tolist(), metadata={"name": "metric"}, collect_metadata=False) for run in times]
    )


def by_pyperf(before: Times, after: Times) -> bool:
    result = CompareResult(*(CompareData(n, _benchmark(t)) for n, t in (("a", before), ("b", after))))
    return bool(result.significant) and result.norm_mean > 1


def by_asv(before: Times, after: Times) -> bool:
    a, b = (t.mean(axis=1).tolist() for t in (before, after))
    (old, first), (new, second) = compute_stats(a, 1), compute_stats(b, 1)
    return bool(_is_result_better(old, new, (first, a), (second, b), 1.1))


def by_benchstat(before: Times, after: Times) -> bool:
    a, b = (t[:COUNT].mean(axis=1) for t in (before, after))
    return bool(mannwhitneyu(a, b).pvalue < 0.05 and np.median(b) > np.median(a))


def by_threshold(before: Times, after: Times) -> bool:
    return bool(after.mean() > 1.1 * before.mean())


TOOLS: Mapping[str, Callable[[Times, Times], bool]] = {
    f"pyperf {version('pyperf')}": by_pyperf,
    f"asv {version('asv')}": by_asv,
    "benchstat, by its rule": by_benchstat,
    "one mean each, 110 %": by_threshold,
}
