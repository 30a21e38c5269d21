from reward_forcing.composition.places import groups, options
from reward_forcing.training_help import help_text


def test_every_group_option_and_experiment_is_listed() -> None:
    said = " ".join(help_text().split())
    for group in groups():
        assert f" {group}= {', '.join(options(group))}".rstrip() in said
    for name, comment in options("experiments").items():
        assert f"experiments={name} " in said
        assert " ".join(comment.split()) in said


def test_lines_fit_a_terminal() -> None:
    assert max(map(len, help_text().splitlines())) <= 120
