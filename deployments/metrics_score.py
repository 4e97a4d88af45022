"""What the score path counts: plain increments, summed up a few dozen bundles at a time."""

from bisect import bisect_left
from collections import Counter

import numpy as np

from bidding.auction import Winner
from bidding.evaluate import Evaluation
from bidding.pricing import PricingModel
from bidding.reasons import Reason
from deployments.metrics import LATENCY, LATENCY_EDGES, OVER_ALL_EDGES, Key, key
from deployments.score_answer import PARTS
from deployments.scorer import Scored

# Bundles summed up in one stroke: numpy's price per call is then paid by all of them.
_STROKE = 64
_EDGE_NAMES = (*(f"{edge:g}" for edge in LATENCY_EDGES), OVER_ALL_EDGES)


class ScoreMeter:
    """Counters of one ingress since its start; `record` takes about a microsecond."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self._latencies = [0] * len(_EDGE_NAMES)
        self._latency_sum = 0.0
        self._misses = 0
        self._degraded: Counter[str] = Counter()
        self._degraded_bundles = 0
        self._pending: list[Evaluation] = []
        self._pricing = np.zeros(max(PricingModel) + 1, np.int64)
        self._reasons = np.zeros(max(Reason) + 1, np.int64)
        self._wins = 0
        self._win_vpi = 0.0

    def record(self, scored: Scored) -> None:
        """Count one answered bundle."""
        took_s = scored.took_s
        self._latencies[bisect_left(LATENCY_EDGES, took_s)] += 1
        self._latency_sum += took_s
        if took_s * 1000.0 > scored.request.tmax_ms:
            self._misses += 1
        if scored.degraded:
            self._degraded_bundles += 1
            self._degraded.update(scored.degraded)
        pending = self._pending
        pending.append(scored.evaluation)
        if len(pending) >= _STROKE:
            self._sum_up()

    def read(self) -> dict[Key, float]:
        """Every counter's value."""
        self._sum_up()
        found: dict[Key, float] = {
            key("adbid_wins_total"): self._wins,
            key("adbid_win_vpi_total"): self._win_vpi,
            key("adbid_deadline_misses_total"): self._misses,
            key("adbid_degraded_bundles_total"): self._degraded_bundles,
            (LATENCY, ("sum",)): self._latency_sum,
            key("adbid_score_requests_total", "200"): sum(self._latencies),
        }
        for edge, count in zip(_EDGE_NAMES, self._latencies, strict=True):
            found[LATENCY, (edge,)] = count
        for status, count in self.statuses.items():
            found[key("adbid_score_requests_total", str(status))] = count
        for part in PARTS:
            found[key("adbid_degraded_total", part)] = self._degraded[part]
        for model in PricingModel:
            found[key("bid_requests_total", model.name)] = int(self._pricing[model])
        for reason in Reason:
            count = int(self._reasons[reason])
            found[key("adbid_bid_outcomes_total", reason.name)] = count
            if reason.is_no_bid:
                found[key("adbid_no_bids_total", reason.name)] = count
        return found

    def _sum_up(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        models = np.concatenate([each.bids.pricing_models for each in pending])
        reasons = np.concatenate([each.reason for each in pending])
        self._pricing += np.bincount(models, minlength=len(self._pricing))
        self._reasons += np.bincount(reasons, minlength=len(self._reasons))
        for each in pending:
            winner = each.winner
            if isinstance(winner, Winner):
                self._wins += 1
                self._win_vpi += float(each.vpi[winner.index])
