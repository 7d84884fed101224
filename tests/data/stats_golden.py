"""Writes stats_golden.json: what scipy and statsmodels say of tests and intervals.

    python tests/data/stats_golden.py    # scipy 1.17.1, statsmodels 0.15.0, numpy 2.4.6

Deterministic: inputs come from numpy's PCG64 with the seeds below and are rounded, so that they are the same numbers here and in
the tests. Bootstrap quantiles are not drawn: resampling n samples of which a share is right gives a binomial number of right ones,
so the percentile interval that endless resamples would reach is known exactly.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


def mcnemar_cases():
    pairs = [(0, 1), (1, 0), (1, 1), (0, 6), (2, 11), (13, 4), (50, 50), (51, 80), (130, 90), (1249, 1251), (700, 900), (20000, 20500)]
    return [
        {"only_first": b, "only_second": c, "p": float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)} for b, c in pairs
    ]


def paired_t_cases():
    out = []
    for seed, (n, shift, scale, decimals) in enumerate(
        [(2, 0.1, 1.0, 3), (3, -0.5, 1.0, 3), (20, 0.05, 0.2, 3), (200, 0.01, 0.1, 4), (1500, -0.004, 0.15, 4), (1500, 0.0, 1.0, 0), (40, 5.0, 0.5, 2)]
    ):
        random = np.random.default_rng(seed)
        first = np.round(random.random(n), decimals)
        second = np.round(first + random.normal(shift, scale, n), decimals)
        result = stats.ttest_rel(second, first)
        out.append(
            {
                "first": first.tolist(),
                "second": second.tolist(),
                "t": float(result.statistic),
                "degrees": int(result.df),
                "p": float(result.pvalue),
                "difference": float(np.mean(second) - np.mean(first)),
            }
        )
    return out


def holm_cases():
    random = np.random.default_rng(7)
    lists = [[0.04], [0.01, 0.01, 0.01], [0.03, 0.02, 0.01, 0.04], [0.9, 0.8, 0.7], [0.0, 1.0, 0.5]]
    lists += [np.round(random.random(n) ** 3, 6).tolist() for n in (7, 8, 40)]
    return [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in lists]


def accuracy_intervals():
    out = []
    for right, n in [(30, 60), (50, 60), (1, 40), (900, 1500), (1450, 1500)]:
        low, high = (stats.binom.ppf(q, n, right / n) / n for q in (0.025, 0.975))
        out.append({"right": right, "n": n, "low": float(low), "high": float(high)})
    return out


def mean_intervals():
    """scipy's own percentile bootstrap, with its own draws: to be met within what chance does to both."""
    out = []
    for seed, n in [(11, 60), (12, 500)]:
        values = np.round(np.random.default_rng(seed).beta(0.6, 2.0, n) * 4, 3)
        found = stats.bootstrap((values,), np.mean, n_resamples=40000, method="percentile", rng=np.random.default_rng(1))
        out.append(
            {
                "values": values.tolist(),
                "low": float(found.confidence_interval.low),
                "high": float(found.confidence_interval.high),
                "standard_error": float(found.standard_error),
            }
        )
    return out


def paired_bootstrap_cases():
    """The chance that a resample's difference vanishes or turns, by adding up the trinomial distribution."""
    out = []
    for only_first, only_second, both in [(3, 9, 28), (5, 5, 30), (10, 22, 48), (2, 3, 15)]:
        n = only_first + only_second + both
        step = np.zeros(3)
        step[0], step[1], step[2] = only_first / n, both / n, only_second / n
        distribution = np.array([1.0])
        for _ in range(n):
            distribution = np.convolve(distribution, step)
        at = np.arange(-n, n + 1)
        at_most, at_least = distribution[at <= 0].sum(), distribution[at >= 0].sum()
        cumulated = np.cumsum(distribution)
        quantile = lambda q: int(at[np.searchsorted(cumulated, q)])
        out.append(
            {
                "only_first": only_first,
                "only_second": only_second,
                "both": both,
                "p": float(min(1.0, 2 * min(at_most, at_least))),
                "low": quantile(0.025) / n,
                "high": quantile(0.975) / n,
            }
        )
    return out


golden = {
    "made_by": "stats_golden.py",
    "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__},
    "mcnemar": mcnemar_cases(),
    "paired_t": paired_t_cases(),
    "holm": holm_cases(),
    "accuracy_intervals": accuracy_intervals(),
    "mean_intervals": mean_intervals(),
    "paired_bootstrap": paired_bootstrap_cases(),
}
path = Path(__file__).with_name("stats_golden.json")
path.write_text(json.dumps(golden, separators=(",", ":")).replace('},{', '},\n{') + "\n")
