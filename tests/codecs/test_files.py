import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from reward_forcing.codecs.files import fingerprint, first_line, read_tensors, require_fit, require_none


def tensors() -> dict[str, Tensor]:
    return {
        "layer.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "layer.half": torch.tensor([0.1, -7.0], dtype=torch.bfloat16),
        "scalar": torch.tensor(3),
    }


def write(path: Path, held: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        save_file(held, path)
    else:
        torch.save(held, path)
    return path


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt", "a.bin", "without_suffix"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    found = read_tensors(write(tmp_path / name, tensors()))
    assert set(found) == set(tensors())
    for key, value in tensors().items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_changing_what_was_read_leaves_the_file_alone(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, tensors())
    before = path.read_bytes()
    read_tensors(path)["layer.weight"].fill_(9)
    assert path.read_bytes() == before


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    torch.save({"layer.weight": Bomb(tmp_path / "executed")}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"^codec: .*bad\.pth cannot be read as a file of tensors"):
        read_tensors(tmp_path / "bad.pth")
    assert not (tmp_path / "executed").exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert (tmp_path / "executed").exists(), "the bomb of this test is none"


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("kept", [0, 5, -1])
def test_files_that_are_cut_off_are_named_in_one_line(tmp_path: Path, name: str, kept: int) -> None:
    path = write(tmp_path / name, tensors())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="cannot be read as a file of tensors") as refused:
        read_tensors(path, "text")
    assert str(refused.value).startswith(f"text: {path} ")
    assert "\n" not in str(refused.value)


def test_what_is_no_mapping_and_what_is_not_there(tmp_path: Path) -> None:
    torch.save(torch.tensor(1.0), tmp_path / "number.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": 1}))
    for name in ("number.pth", "plain.pth", "nowhere.pth", "nowhere.safetensors"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a file of tensors \(.+\)$"):
            read_tensors(tmp_path / name)


def test_a_modules_own_tensors_fit_it() -> None:
    expected = nn.Linear(3, 2).state_dict()
    require_fit(expected, nn.Linear(3, 2).state_dict(), "weights", "a layer")
    require_fit(expected, dict(reversed(expected.items())), "weights", "a layer")
    require_fit(expected, {name: value.half() for name, value in expected.items()}, "weights", "a layer")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"a": (2,)}, "1 missing, first b"),
        ({}, "2 missing, first a"),
        ({"a": (2,), "b": (3, 1), "z": (), "y": ()}, "2 unexpected, first z"),
        ({"a": (2,), "b": (1, 3)}, "1 misshaped, first b [1, 3], not [3, 1]"),
        ({"a": (1,), "b": (3,)}, "2 misshaped, first a [1], not [2]"),
        ({"c": (9,), "b": (3,)}, "1 missing, first a; 1 unexpected, first c; 1 misshaped, first b [3], not [3, 1]"),
    ],
)
def test_what_does_not_fit_is_told_in_full(given: dict[str, tuple[int, ...]], reason: str) -> None:
    expected = {"a": torch.zeros(2), "b": torch.zeros(3, 1)}
    with pytest.raises(ValueError, match="does not fit") as refused:
        require_fit(expected, {name: torch.zeros(shape) for name, shape in given.items()}, "vae.pth", "the codec")
    assert str(refused.value) == f"vae.pth does not fit the codec: {reason}"


def test_the_first_line_of_errors() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"


@pytest.mark.parametrize("size", [0, 10, 5_000, 3_000_000])
def test_fingerprints_are_of_content_alone(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    for name in ("a", "deep/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content[:size])
    (tmp_path / "longer").write_bytes(content[: size + 1])
    assert fingerprint([tmp_path / "a"]) == fingerprint([tmp_path / "deep/b"]) != fingerprint([tmp_path / "longer"])
    assert fingerprint([tmp_path / "a"]) != fingerprint([tmp_path / "a"], "more") != fingerprint([])


@pytest.mark.parametrize("place", [0.0, 0.5, 0.99])
def test_other_weights_have_another_fingerprint(tmp_path: Path, place: float) -> None:
    """Wherever one sixtieth of it is another; training changes all of it."""
    content = bytearray(4_000_000)
    (tmp_path / "a").write_bytes(content)
    start = int(place * len(content))
    content[start : start + 64_000] = b"x" * len(content[start : start + 64_000])
    (tmp_path / "b").write_bytes(content)
    assert fingerprint([tmp_path / "a"]) != fingerprint([tmp_path / "b"])


def test_faults_are_counted_and_the_first_of_each_kind_named() -> None:
    require_none({"missing": [], "unexpected": []}, "here", "a network")
    with pytest.raises(ValueError, match="^here does not fit a network: 2 missing, first a; 1 unexpected, first c$"):
        require_none({"missing": ["a", "b"], "unexpected": ["c"], "misshaped": []}, "here", "a network")
