"""A tiny package named `vbench`, with the entry points of the real one, and an interpreter that has it.

The real package needs gigabytes of weights. This one scores by file size, and writes the official files.
"""

import json
import sys
from pathlib import Path
from typing import Final

from tests.evaluation.vbench.vbench_copy import ENTRIES

PACKAGE: Final = """
import json, os, time

class VBench:
    def __init__(self, device, full_info_dir, output_path):
        self.device, self.full_info_dir, self.output_path = device, full_info_dir, output_path

    def evaluate(self, videos_path, name, prompt_list=[], dimension_list=None, local=False, read_frame=False,
                 mode="vbench_standard", **kwargs):
        info = []
        names = sorted(os.listdir(videos_path))
        if mode == "custom_input":
            for file in names:
                info.append({"prompt_en": prompt_list[file], "video_list": [os.path.join(videos_path, file)]})
        else:
            for entry in json.load(open(self.full_info_dir)):
                if set(entry["dimension"]) & set(dimension_list):
                    wanted = [f"{entry['prompt_en']}-{i}.mp4" for i in range(5)]
                    files = [os.path.join(videos_path, file) for file in wanted if file in names]
                    info.append({**entry, "video_list": files})
        self.save(info, name + "_full_info.json")
        results = {}
        for dimension in dimension_list:
            print(f"scoring {dimension} on {self.device}, python path {os.environ.get('OURS')}")
            if dimension == "color":
                raise RuntimeError("No module named 'detectron2'")
            if dimension == "appearance_style":
                time.sleep(60)
            videos = [file for entry in info for file in entry["video_list"]]
            scores = [len(os.path.basename(file)) / 100 for file in videos]
            records = [{"video_path": f, "video_results": s} for f, s in zip(videos, scores)]
            if dimension == "imaging_quality":
                records = [{**record, "video_results": 100 * record["video_results"]} for record in records]
            overall = sum(scores) / len(scores) if dimension != "aesthetic_quality" else float("nan")
            results[dimension] = [overall, records]
        self.save(results, name + "_eval_results.json")

    def save(self, content, name):
        with open(os.path.join(self.output_path, name), "w") as file:
            json.dump(content, file)
"""


def write_interpreter(folder: Path, package: str = PACKAGE) -> Path:
    """A program that runs this Python with the package, and without anything else of ours."""
    site = folder / "site"
    (site / "vbench").mkdir(parents=True)
    (site / "vbench/__init__.py").write_text(package)
    (site / "vbench/VBench_full_info.json").write_text(json.dumps(ENTRIES))
    (site / "vbench-0.1.5.dist-info").mkdir()
    (site / "vbench-0.1.5.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: vbench\nVersion: 0.1.5\n")
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nOURS="$PYTHONPATH" PYTHONPATH="{site}" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program
