import hashlib
import json
from datetime import datetime
from pathlib import Path

import torch

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.planning import make_plan
from reward_forcing.sweeps.record import code, device_name, record


def test_a_run_records_how_it_was_done() -> None:
    values = plain(compose())
    noted = json.loads(json.dumps(record(values, 10, torch.device("cpu"))))
    plan = make_plan(values)
    assert plan is not None
    assert noted["planned_flops"] == plan.flops * 10
    assert noted["threads"] == torch.get_num_threads()
    assert 0.05 < noted["peak_memory_gib"] < 64
    assert {"python", "torch", "lightning", "reward-forcing", "source"} == {*noted["versions"]}
    assert noted["device"] == device_name(torch.device("cpu"))
    assert datetime.fromisoformat(noted["finished"]).tzinfo is not None


def test_operations_of_a_codec_are_not_counted() -> None:
    assert record(plain(compose(["experiments=toy_codec"])), 10, torch.device("cpu"))["planned_flops"] is None


def test_code_is_known_by_its_source() -> None:
    """A digest of every file of the package, whatever version it calls itself."""
    code.cache_clear()
    source = hashlib.sha256()
    for file in sorted((Path(__file__).parents[2] / "src/reward_forcing").rglob("*.py")):
        source.update(file.read_bytes())
    assert code()["source"] == source.hexdigest()[:16]
