"""Figures by name, shares of a ceiling, and remarks, of scripted streams."""

import math
from dataclasses import replace

import pytest
import torch

from evaluation.speed.figures import Timed, figures, latencies, quality, remarks, shares, stages
from evaluation.speed.runs import COPY, DECODE, DENOISE, STREAM, Run, Speed
from evaluation.speed.work import Ceiling, Work
from tests.evaluation.speed.scripted import World, run

STEADY = [0.3] * 25


def student() -> Speed:
    world = World()
    (speed,) = world.measure(world.student(), repeats=3)
    return speed


def of(*runs: Run, ramp: int = 0) -> Speed:
    return Speed("a", runs[0], runs, ramp, 10.0)


def test_latencies_of_a_student_by_hand() -> None:
    found = latencies(student().within("codec"))
    assert found == pytest.approx(
        {
            "fps": 4,
            "fps_slowest_run": 4,
            "fps_fastest_run": 4,
            "fps_with_ramp": 12 / 2.75,
            "fps_ramp": 6,
            "first_frame_s": 0.5,
            "first_frame_cold_s": 0.5,
            "chunk_p50_s": 0.75,
            "chunk_p90_s": 0.75,
            "chunk_p95_s": 0.75,
            "chunk_p99_s": 0.75,
            "chunk_max_s": 0.75,
            "realtime": 0.4,
            "growth_s_per_chunk": 0,
            "growth_per_chunk": 0,
        }
    )


def test_figures_of_a_client_by_hand() -> None:
    found = figures(student())
    assert found["first_frame_s"] == pytest.approx(1.5)
    assert found["text_s"] == pytest.approx(1.0)
    assert (found["stalls"], found["stalled_s"]) == pytest.approx((3, 3 * 0.45))
    assert found["buffer_needed_s"] == pytest.approx(1.35)
    assert math.isnan(found["joules_per_frame"])
    assert found["memory_resident"] == found["memory_peak"] == 100
    assert found["memory_beyond"] == 0


def test_peaks_leave_out_what_the_allocator_keeps() -> None:
    memory = {"held": (5, 5), "allocated": (9, 8), "reserved": (50, 50)}
    found = figures(of(run([1.0, 1.0], memory=memory, before=4)))
    assert (found["memory_peak"], found["memory_beyond"], found["memory_reserved"]) == (9, 5, 50)


def test_stages_of_a_steady_chunk() -> None:
    assert stages(student()) == pytest.approx({DENOISE: 0.5, DECODE: 0.25, COPY: 0.0})
    assert stages(of(run([1.0]))) == {}


def test_shares_of_the_ceiling_by_hand() -> None:
    work = Work(denoise=(10.0, 20.0, 30.0, 30.0), decode=(0.0, 4.0, 4.0, 4.0), memory=0)
    timed = Timed(student(), work, Ceiling(measured=100.0, how="", published=200.0))
    denoiser = shares(timed, "denoiser")
    assert denoiser == pytest.approx(
        {
            "flops_per_chunk": 80 / 3,
            "flops_per_s": 80 / 1.5,
            "share_of_ceiling": 0.8 / 1.5,
            "share_of_published": 0.4 / 1.5,
            "ceiling_fps": 9 * 100 / 80,
        }
    )
    assert denoiser["ceiling_fps"] * denoiser["share_of_ceiling"] == pytest.approx(student().within("denoiser").fps)
    whole = shares(timed, "end_to_end")
    assert whole["flops_per_s"] == pytest.approx(92 / 2.25)


def test_without_known_work_there_are_no_shares() -> None:
    assert shares(Timed(student()), "denoiser") == {}
    work = Work((1.0,) * 4, (1.0,) * 4, 0)
    assert "share_of_published" not in shares(Timed(student(), work, Ceiling(1.0, "")), "denoiser")


def test_a_good_measurement_needs_no_remark() -> None:
    assert remarks(of(*[run(STEADY)] * 3)) == []


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (of(*[run(STEADY)] * 2), "only 2 runs count"),
        (of(*[run(STEADY[:10])] * 3), "only 10 steady chunks a run"),
        (of(*[run(STEADY)] * 2, run([0.4] * 25)), "runs differ by 33%"),
        (of(*[run([0.3 + 0.01 * i for i in range(25)])] * 3), "chunks take longer and longer: +2.4% each"),
        (of(*[run(STEADY, memory={"held": tuple(range(0, 25 * 2**20, 2**20))})] * 3), "grows by 1.00 MiB a chunk"),
        (of(*[run(STEADY, stages={STREAM: (0.2,) * 25})] * 3), "stages and wall clock differ by 33%"),
        (of(*[run(STEADY)] * 3, ramp=25), "no chunk after the first 25: the ramp is counted"),
    ],
)
def test_what_is_wrong_is_remarked(speed: Speed, said: str) -> None:
    (found,) = remarks(speed)
    assert found.startswith("a: ")
    assert said in found


def test_a_clip_of_one_chunk_is_not_blamed_for_its_length() -> None:
    assert remarks(of(*[run([2.0], frames=21)] * 3)) == []


def test_suspicious_frames_and_frames_that_change_are_remarked() -> None:
    seen = student().runs[0].stamp
    assert seen is not None
    frozen = replace(seen, change=0.0)
    said = " ".join(remarks(of(run(STEADY, stamp=seen), run(STEADY, stamp=frozen), run(STEADY, stamp=seen))))
    assert "suspicious frames: a frozen picture" in said
    assert "not the same" not in said
    other = replace(seen, digest="other")
    (said,) = remarks(of(run(STEADY, stamp=seen), run(STEADY, stamp=other), run(STEADY, stamp=seen)))
    assert "the frames of its runs are not the same" in said


def test_the_stamp_is_part_of_the_result() -> None:
    found = quality(student())
    assert found["verdict"] == "plausible"
    assert "presence" not in found, "not of the toy world"
    assert quality(of(run([1.0]))) == {}
    grey = torch.full((1, 3, 3, 8, 8), 9, dtype=torch.uint8)
    world = World()
    cell = replace(world.cell("a", [1.0]), start=lambda: iter([grey]))
    (speed,) = world.measure(cell)
    assert quality(speed)["verdict"] == "suspicious"
    assert quality(speed)["suspicions"] == ["hardly any contrast", "a frozen picture"]
