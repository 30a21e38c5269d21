import copy
import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from reward_forcing.networks.compiling import compile_in_place
from reward_forcing.networks.wan import WanTransformer
from tests import tiny


def compiled_and_not(backend: str, device: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.networks.compiled_run", backend, device]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told


def test_a_compiled_network_learns_as_it_did_with_checkpointing_too() -> None:
    told = compiled_and_not("aot_eager", "cpu")
    assert told["apart"] < 1e-5
    assert told["tensors"] > 20
    assert told["graphs"] > 0, "it was compiled"


def test_names_stay_and_copies_are_not_compiled() -> None:
    plain, compiled = WanTransformer(**tiny.SIZES), WanTransformer(**tiny.SIZES, compiled="inductor")
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    assert [type(part) for part in compiled.modules()] == [type(part) for part in plain.modules()]
    assert all(block._compiled_call_impl is not None for block in compiled.blocks)
    assert all(block._compiled_call_impl is None for block in copy.deepcopy(compiled).blocks)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match=r"network.compiled is 'gcc'; allowed: null, .*inductor"):
        compile_in_place([], "gcc")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_kernels_made_for_a_gpu_learn_the_same() -> None:
    assert compiled_and_not("inductor", "cuda")["apart"] < 1e-3
