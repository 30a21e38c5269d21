"""DINO's transformer against timm's blocks, and its places against a slow interpolation."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from evaluation.networks.dino import DINOV2, Dino, load_dino
from tests.evaluation.networks.filling import filled, noise, on_meta, parameters

SMALL: dict[str, Any] = {"patch": 8, "grid": 3, "dim": 16, "layers": 2, "heads": 2}


def pixels(*size: int) -> torch.Tensor:
    return noise(2, 3, *size).float() / 128 - 1


def timms(second: bool) -> Any:
    name = "vit_base_patch14_dinov2" if second else "vit_base_patch16_224"
    sizes: dict[str, Any] = {
        "img_size": 24,
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 0,
    }
    return filled(timm.create_model(name, pretrained=False, global_pool="token", **sizes), std=0.2)


@pytest.mark.parametrize("second", [False, True])
def test_it_is_timms_on_the_size_it_was_trained_on(second: bool) -> None:
    reference, network = timms(second), Dino(**SMALL, second=second).eval()
    more = {"mask_token": torch.zeros(1, 16)} if second else {}
    network.load_state_dict({**reference.state_dict(), **more})
    torch.testing.assert_close(network(pixels(24, 24)), reference(pixels(24, 24)))


@pytest.mark.parametrize(
    ("size", "grid"), [((24, 41), (3, 5)), ((41, 24), (5, 3)), ((40, 40), (5, 5)), ((24, 27), (3, 3))]
)
def test_places_are_stretched_by_the_references_odd_factor(size: tuple[int, int], grid: tuple[int, int]) -> None:
    """Bicubic at (i + 0.5) * 3 / (n + 0.1) - 0.5, taken one weight at a time; the edge is repeated."""
    network = filled(Dino(**SMALL), std=0.2)
    found = network.places(*size)[0, 1:].unflatten(0, grid)
    table = network.pos_embed[0, 1:].unflatten(0, (3, 3))
    for row in range(grid[0]):
        for column in range(grid[1]):
            expected = torch.zeros(16)
            for (y, at_y), (x, at_x) in ((v, h) for v in taps(row, grid[0]) for h in taps(column, grid[1])):
                expected += at_y * at_x * table[y, x]
            torch.testing.assert_close(found[row, column], expected, atol=1e-5, rtol=1e-4)


def taps(index: int, count: int) -> list[tuple[int, float]]:
    """Which places of a row of three a new one is made of, with their weights (Keys' kernel with a = -0.75)."""
    place = (index + 0.5) * 3 / (count + 0.1) - 0.5
    first = int(place // 1)
    weights = []
    for n in range(first - 1, first + 3):
        d = abs(place - n)
        inner, outer = 1.25 * d**3 - 2.25 * d**2 + 1, -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
        weights.append((min(max(n, 0), 2), inner if d <= 1 else outer))
    return weights


def test_the_table_is_taken_as_it_is_where_it_fits() -> None:
    network = filled(Dino(**SMALL), std=0.2)
    assert network.places(24, 24) is network.pos_embed
    assert not torch.equal(network.places(24, 27), network.pos_embed)  # the same grid, but not square


def test_pixels_that_do_not_fill_a_patch_are_not_seen() -> None:
    network, seen = filled(Dino(**SMALL), std=0.2), pixels(24, 47)
    other = seen.clone()
    other[..., 40:] = 0
    assert torch.equal(network(seen), network(other))


def test_sizes_are_the_published_ones() -> None:
    assert parameters(on_meta(Dino)) == 85_798_656
    assert parameters(on_meta(lambda: Dino(**DINOV2))) == 86_580_480


def test_it_loads_what_was_saved(tmp_path: Path) -> None:
    network = filled(Dino(**SMALL), std=0.2)
    torch.save({"teacher": network.state_dict()}, tmp_path / "dino.pth")
    assert torch.equal(load_dino(tmp_path / "dino.pth", **SMALL)(pixels(24, 24)), network(pixels(24, 24)))
    with pytest.raises(ValueError, match=r"dinov2: .*dino.pth does not fit Dino: .* missing, first mask_token"):
        load_dino(tmp_path / "dino.pth", "dinov2", **SMALL, second=True)
