from reward_forcing.callbacks.latest_outputs import LatestOutputs
from tests import training


def test_nothing_is_known_before_the_first_step() -> None:
    assert LatestOutputs().scalars == {}


def test_each_networks_newest_scalars_are_kept() -> None:
    """The student's of its last turn stand beside the fake score's of a later one."""
    latest, reports = LatestOutputs(), training.Reports()
    training.fit(training.distillation(), 6, latest, reports)
    student, fake_score = reports.all[3], reports.all[5]
    assert latest.scalars == {name: float(value) for name, value in {**student, **fake_score}.items()}
    assert {"student/loss", "student/reward", "fake_score/loss"} <= set(latest.scalars)
