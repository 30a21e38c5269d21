"""Runs inside the user's interpreter, which has `vbench` and nothing of ours: `python -c THIS_TEXT job.json`.

Only what Python 3.8 knows. The class is called instead of the command, which insists on CUDA and on a process group.
"""

import importlib
import json
import sys
from pathlib import Path


def main(path: str) -> None:
    """Score one dimension as a job says."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    package = importlib.import_module("vbench")
    torch = sys.modules.get("torch")  # the package has imported it
    device = torch.device(job["device"]) if torch else job["device"]
    package.VBench(device, job["full_info"], job["output"]).evaluate(
        videos_path=job["videos"],
        name="vbench",
        prompt_list=job["prompts"],
        dimension_list=[job["dimension"]],
        local=job["local"],
        read_frame=False,
        mode=job["mode"],
        imaging_quality_preprocessing_mode="longer",
    )


if __name__ == "__main__":
    main(sys.argv[1])
