import torch
from torch.testing import assert_close

from reward_forcing.losses.flow_matching import flow_matching
from tests.tiny import latents


def test_the_true_velocity_costs_nothing() -> None:
    clean, noise = latents(seed=1), latents(seed=2)
    assert flow_matching(noise - clean, clean, noise) == 0


def test_it_is_the_mean_square_error() -> None:
    velocity, clean, noise = (latents(2, 3, seed) for seed in range(3))
    errors = [float(error) ** 2 for error in (velocity - noise + clean).flatten()]
    assert_close(flow_matching(velocity, clean, noise), torch.tensor(sum(errors) / len(errors)))


def test_weights_count_frames() -> None:
    velocity, clean, noise = (latents(1, 3, seed) for seed in range(3))
    weight = torch.tensor([0.0, 3.0, 0.0])[None, :, None, None, None]
    only = flow_matching(velocity[:, 1:2], clean[:, 1:2], noise[:, 1:2])
    assert_close(flow_matching(velocity, clean, noise, weight), only)
    assert_close(flow_matching(velocity, clean, noise, 2.0), 2 * flow_matching(velocity, clean, noise))
