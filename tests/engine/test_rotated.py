import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine.rotated import Rotated, Turning, turned
from reward_forcing.memory.kv import KV
from reward_forcing.networks.rotary import rotate, rotations
from tests import tiny

ROWS, COLUMNS, HEADS, HEAD_DIM = 2, 3, 2, 12
TOKENS = ROWS * COLUMNS


def turning() -> Turning:
    return Turning(ROWS, COLUMNS, HEAD_DIM, torch.device("cpu"))


def frames(count: int, seed: int = 0, batch: int = 2) -> KV:
    shape = (batch, count, TOKENS, HEADS, HEAD_DIM)
    return KV(tiny.normal(*shape, seed=seed), tiny.normal(*shape, seed=seed + 99))


def tokens(states: Tensor) -> Tensor:
    """As attention takes them: [batch, head, token, head_dim]."""
    return states.flatten(1, 2).transpose(1, 2)


def placed(keys: Tensor, start: int) -> Tensor:
    """Keys rotated by the reference, as frames from `start` on."""
    positions = torch.arange(start, start + keys.shape[1]).float()
    return tokens(rotate(keys, rotations(positions, ROWS, COLUMNS, HEAD_DIM)))


def test_turning_is_the_reference_bit_for_bit() -> None:
    keys, table = frames(4).keys, turning()
    for start in (0, 3, 1):
        found = turned(keys.flatten(1, 2), table.following(start * TOKENS, 4 * TOKENS))
        assert torch.equal(tokens(found.unflatten(1, (4, TOKENS))), placed(keys, start))


def test_far_rotations_are_as_exact_as_near_ones() -> None:
    table = turning()
    far = table.following(5000 * TOKENS, TOKENS)
    assert_close(far.abs(), torch.ones_like(far.real), rtol=0, atol=2e-7)
    assert torch.equal(far, rotations(torch.tensor([5000.0]), ROWS, COLUMNS, HEAD_DIM).flatten(0, 1))


def test_a_table_grows_by_doubling() -> None:
    table, sizes = turning(), []
    for frame in range(9):
        table.following(frame * TOKENS, TOKENS)
        sizes.append(len(table.table) // TOKENS)
    assert sizes == [1, 2, 4, 4, 8, 8, 8, 8, 16]


def test_a_chunk_comes_behind_what_is_remembered() -> None:
    rotated, table, past, chunk = Rotated(0), turning(), frames(3), frames(2, 5)
    rotated.fill(past, table)
    own = turned(chunk.keys.flatten(1, 2), table.following(rotated.filled, 2 * TOKENS))
    keys, values = rotated.put(own, chunk.values.flatten(1, 2))
    assert torch.equal(keys, torch.cat([placed(past.keys, 0), placed(chunk.keys, 3)], 2))
    assert torch.equal(values, torch.cat([tokens(past.values), tokens(chunk.values)], 2))


def test_the_next_chunk_takes_its_place() -> None:
    rotated = Rotated(0)
    rotated.fill(frames(3), turning())
    for seed in (5, 6):
        chunk = frames(2, seed)
        keys, values = rotated.put(chunk.keys.flatten(1, 2), chunk.values.flatten(1, 2))
        assert torch.equal(keys[:, :, -2 * TOKENS :], tokens(chunk.keys))
        assert torch.equal(values[:, :, -2 * TOKENS :], tokens(chunk.values))
        assert keys.shape[2] == 5 * TOKENS


def test_nothing_remembered_is_nothing() -> None:
    rotated = Rotated(0)
    rotated.fill(frames(3), turning())
    rotated.fill(None, turning())
    chunk = frames(1)
    keys, _ = rotated.put(chunk.keys.flatten(1, 2), chunk.values.flatten(1, 2))
    assert torch.equal(keys, tokens(chunk.keys))


def test_the_buffers_stay_where_they_are() -> None:
    """With room for the window, nothing is allocated any more, however long the video."""
    rotated, table = Rotated(5 * TOKENS), turning()
    places = set()
    for chunk in range(6):
        rotated.fill(frames(min(3, chunk), chunk), table)
        new = frames(2, 50 + chunk)
        rotated.put(new.keys.flatten(1, 2), new.values.flatten(1, 2))
        places.add((rotated.keys.data_ptr(), rotated.values.data_ptr()))
    assert len(places) == 1


def test_without_a_window_they_grow_by_doubling() -> None:
    rotated, table, rooms = Rotated(0), turning(), []
    for chunk in range(1, 10):
        past, new = frames(chunk, chunk), frames(1, 50 + chunk)
        rotated.fill(past, table)
        keys, values = rotated.put(new.keys.flatten(1, 2), new.values.flatten(1, 2))
        assert torch.equal(keys[:, :, : chunk * TOKENS], placed(past.keys, 0))
        assert torch.equal(values[:, :, : chunk * TOKENS], tokens(past.values))
        rooms.append(rotated.keys.shape[1] // TOKENS)
    assert rooms == sorted(rooms)
    assert len(set(rooms)) <= 5
