"""What the registry tells of our models: when the newest was made, what the gate said of it,
how well the champion is calibrated."""

from collections import Counter

from deployments.metrics import Key, key
from stores.live_quality import LiveQuality, Span
from stores.model_registry import CHAMPION, CTR_MODEL, CVR_MODEL, ModelVersion, Registry

MODELS = (CTR_MODEL, CVR_MODEL)
GATE = "gate"  # the tag of a version that holds the verdict
VERDICTS = ("passed", "failed")
# With fewer outcomes chance alone moves the ratio by more than 5%.
LEAST_OUTCOMES = 400


async def look_at_models(registry: Registry) -> dict[Key, float]:
    """The gauges that the registry tells. Raises `StoreUnavailable`."""
    found: dict[Key, float] = {}
    for name in MODELS:
        found |= gauges_of(name, await registry.versions(name))
    return found


async def look_at_outcomes(
    registry: Registry, quality: LiveQuality, span: Span
) -> dict[Key, float]:
    """Predicted over actual outcomes of what each champion won. Raises `StoreUnavailable`."""
    found: dict[Key, float] = {}
    for name in MODELS:
        version = await registry.resolve(name, CHAMPION)
        if version is None:
            continue
        sums = await quality.served(name, version, span)
        if sums.ratio is not None and sums.actual >= LEAST_OUTCOMES:
            found[key("adbid_model_calibration_ratio", name)] = sums.ratio
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
