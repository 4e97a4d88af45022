"""The nightly run with its fit spread over the cluster, whatever the number of rows.

`python -m tests.chaos.cluster_job STORAGE`, as a Ray job: but for the threshold, the size of the
workers and fewer folds it is `python -m training.nightly`.
"""

import os
import sys
from datetime import UTC, datetime

from stores.feature_contract import load_contract
from stores.settings import load_settings
from training import dry_run, registry
from training.nightly import Job, retrain
from training.spec import TrainingSpec, load_spec


def spread(storage: str) -> TrainingSpec:
    """Two workers of more than half of a node's free CPUs each, so that two nodes have to help."""
    spec = load_spec()
    cluster = spec.nightly.cluster.model_copy(
        update={"from_rows": 1, "workers": 2, "cpus_per_worker": 2.0, "storage": storage}
    )
    nights = spec.nightly.model_copy(update={"cluster": cluster})
    return spec.model_copy(update={"nightly": nights, "recalibration_folds": 2})


def main(storage: str) -> None:
    """Retrain once; the last line says the verdict of each model."""
    settings, spec = load_settings(), spread(storage)
    os.nice(spec.nightly.niceness)
    job = Job(
        settings=settings,
        spec=spec,
        contract=load_contract(),
        client=registry.connect(str(settings.mlflow_tracking_uri)),
        now=datetime.now(UTC),
        say=lambda text: print(text, flush=True),
        service=dry_run.service_of(settings),
    )
    results = retrain(job)
    print("done:", ", ".join(f"{r.name} {r.version} {r.verdict.word}" for r in results))


if __name__ == "__main__":
    main(sys.argv[1])
