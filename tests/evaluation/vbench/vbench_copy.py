"""A small VBench of our own, in the formats of the real one."""

import json
import zipfile
from pathlib import Path
from typing import Any, Final

ENTRIES: Final[list[dict[str, Any]]] = [
    {"prompt_en": "a still pond", "dimension": ["temporal_flickering"]},
    {
        "prompt_en": "a red kite",
        "dimension": ["color"],
        "auxiliary_info": {"color": {"color": "red"}},
    },
    {"prompt_en": "a meadow", "dimension": ["overall_consistency", "aesthetic_quality", "imaging_quality"]},
    {"prompt_en": "A meadow", "dimension": ["overall_consistency", "aesthetic_quality", "imaging_quality"]},
    {
        "prompt_en": "a harbour, oil painting",
        "dimension": ["overall_consistency", "aesthetic_quality", "imaging_quality"],
    },
    {
        "prompt_en": "a harbour, oil painting",
        "dimension": ["appearance_style"],
        "auxiliary_info": {"appearance_style": {"appearance_style": "oil painting"}},
    },
]
PROMPTS: Final = [entry["prompt_en"] for entry in ENTRIES]
LONGER: Final = [f"{prompt}, told at length ({number})" for number, prompt in enumerate(PROMPTS)]
CONFIGS: Final = {
    "clip_length_mix.yaml": "overall_consistency: 10.0\naesthetic_quality: 2.0\n\ncolor: 2.0  # seconds\n",
    "subject_mapping_table.yaml": "0.0: 0.0\n0.5: 0.8\n1.0: 1.0",
    "slow_fast_params.yaml": "w_inclip_sb: 0.7\nw_clip2clip_sb: 0.3\ninclip_mean_sb: 0.9\n",
}


def write_package(root: Path) -> Path:
    """What the registry's package holds."""
    (root / "vbench").mkdir(parents=True)
    (root / "vbench/__init__.py").write_text("raise RuntimeError('a copy is never imported')")
    (root / "vbench/VBench_full_info.json").write_text(json.dumps(ENTRIES))
    (root / "vbench-0.1.5.dist-info").mkdir()
    return root


def write_clone(root: Path) -> Path:
    """What a clone holds besides: lists in another order than the package's, and the tables of VBench-Long."""
    write_package(root).joinpath("vbench-0.1.5.dist-info").rmdir()
    lists = {
        "prompts/all_dimension.txt": reversed(PROMPTS),
        "prompts/prompts_per_dimension/overall_consistency.txt": PROMPTS[2:5],
        "prompts/augmented_prompts/some/all_dimension_aug_wanx.txt": reversed(LONGER),
        "prompts/gpt_enhanced_prompts/prompts_per_dimension_longer/overall_consistency_longer.txt": LONGER[2:5],
    }
    for path, lines in lists.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(" \n".join(lines) + "\n")
    (root / "vbench2_beta_long/configs").mkdir(parents=True)
    for name, text in CONFIGS.items():
        (root / "vbench2_beta_long/configs" / name).write_text(text)
    return root


def write_wheel(path: Path) -> Path:
    """The package as downloaded."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vbench/VBench_full_info.json", json.dumps(ENTRIES))
    return path
