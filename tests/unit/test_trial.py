"""What a candidate's trial leaves in its run."""

from pathlib import Path

from tests.unit.test_gate import evidence, rows
from training.trial import JUDGED_PLOT, log_judged_plot


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
