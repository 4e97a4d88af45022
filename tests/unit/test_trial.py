"""A candidate's trial: what it leaves in its run, and a service that does not answer."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bidding.errors import StoreUnavailable
from tests.dry_run_service import dry_run_service
from tests.servers import free_port
from tests.unit.test_gate import evidence, rows
from training.dry_run import Patience, Service
from training.gate import NO_SERVICE
from training.trial import JUDGED_PLOT, dry_run_of, log_judged_plot


class Run:
    """The artifacts of one run, as MLflow's client would take them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str) -> None:
        self.files[f"{run_id}/{artifact_path}/{Path(local_path).name}"] = Path(
            local_path
        ).read_bytes()


def test_the_gates_plot_has_the_champion_beside_the_candidate_where_they_were_compared() -> None:
    alone, compared = Run(), Run()
    log_judged_plot(alone, "r", evidence(rows()))  # type: ignore[arg-type]
    log_judged_plot(compared, "r", evidence(rows(), rows(skill=0.3)))  # type: ignore[arg-type]
    path = f"r/plots/{JUDGED_PLOT}"
    assert list(alone.files) == list(compared.files) == [path]
    assert alone.files[path].startswith(b"\x89PNG")
    assert alone.files[path] != compared.files[path]


@dataclass
class Clock:
    """Time that passes by sleeping alone."""

    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept.append(seconds)

    @property
    def patience(self) -> Patience:
        return Patience(60.0, 10.0, lambda: self.now_s, self.sleep)


def test_a_service_that_is_away_for_a_moment_costs_no_candidate_its_night() -> None:
    clock = Clock()
    with dry_run_service(503, 429, 200) as service:
        found = dry_run_of(service, "adbid-ctr", "2", clock.patience)
    assert (found.bundles, found.errors) == (1, ())
    assert clock.slept == [10.0, 10.0]


@pytest.mark.parametrize("status", [429, 502, 503, 504, None], ids=str)
def test_a_service_that_stays_away_is_no_verdict_on_the_candidate(status: int | None) -> None:
    clock = Clock()
    with dry_run_service(status or 200) as there:
        service = there if status else Service(f"http://127.0.0.1:{free_port()}", "adb_key")
        with pytest.raises(StoreUnavailable, match="service"):
            dry_run_of(service, "adbid-ctr", "2", clock.patience)
    assert clock.slept == [10.0] * 6


@pytest.mark.parametrize("status", [401, 404, 422, 500])
def test_an_answer_that_waiting_does_not_change_is_an_error_of_the_dry_run(status: int) -> None:
    clock = Clock()
    with dry_run_service(status) as service:
        found = dry_run_of(service, "adbid-ctr", "2", clock.patience)
    assert found.errors == (f"{status}: not now",)
    assert dry_run_of(None, "adbid-ctr", "2", clock.patience) == NO_SERVICE
    assert clock.slept == []
