"""What the registry tells of our models: when the newest was made, what the gate said of it,
how well the champion is calibrated."""

from collections import Counter

from deployments.metrics import Key, key
from stores.model_registry import CHAMPION, CTR_MODEL, CVR_MODEL, ModelVersion, Registry

MODELS = (CTR_MODEL, CVR_MODEL)
GATE = "gate"  # the tag of a version that holds the verdict
VERDICTS = ("passed", "failed")
# Predicted over actual outcomes: later rows that training never saw, else out of fold.
CALIBRATION = ("holdout_ratio", "cv_ratio")


async def look_at_models(registry: Registry) -> dict[Key, float]:
    """The gauges. Raises `StoreUnavailable`."""
    found: dict[Key, float] = {}
    for name in MODELS:
        versions = await registry.versions(name)
        found |= gauges_of(name, versions)
        for version in versions:
            if CHAMPION in version.aliases:
                figures = await registry.figures(version.run_id)
                found |= _calibration(name, figures)
    return found


def gauges_of(name: str, versions: list[ModelVersion]) -> dict[Key, float]:
    """The gauges of one model; nothing for one that has no version."""
    if not versions:
        return {}
    newest_s = max(version.created_at_ms for version in versions) / 1000.0
    verdicts = Counter(version.tags.get(GATE, "") for version in versions)
    found: dict[Key, float] = {key("adbid_model_trained_timestamp_seconds", name): newest_s}
    for verdict in VERDICTS:
        found[key("adbid_gate_verdicts", name, verdict)] = verdicts[verdict]
    return found


def _calibration(name: str, figures: dict[str, float]) -> dict[Key, float]:
    known = [figures[figure] for figure in CALIBRATION if figure in figures]
    return {key("adbid_model_calibration_ratio", name): known[0]} if known else {}
