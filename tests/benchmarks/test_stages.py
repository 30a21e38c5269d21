"""What the time of a stream is spent on."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.stages import KERNELS, of_kernel, on_gpu, shares, stages


@pytest.mark.parametrize(
    ("kernel", "stage"),
    [
        ("nvjet_tst_192x192_64x4_2x1_v_bz_coopA_TNT", "linear layers"),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_cublas", "linear layers"),
        ("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x128", "attention"),
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64>>", "attention"),
        ("sm90_xmma_fprop_implicit_gemm_indexed_bf16bf16_bf16f32_f32_nhwckrsc_nhwc", "convolutions"),
        ("triton_red_fused_native_layer_norm_0", "generated"),
        ("void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float>", "normalisation"),
        ("void at::native::vectorized_elementwise_kernel<4, GeluCUDAKernelImpl>", "elementwise"),
        ("void at::native::(anonymous namespace)::CatArrayBatchedCopy<OpaqueType<2u>>", "copies"),
        ("Memcpy DtoH (Device -> Pinned)", "copies"),
        ("something else", "rest"),
    ],
)
def test_kernels_belong_to_stages(kernel: str, stage: str) -> None:
    assert of_kernel(kernel) == stage
    assert {stage} <= {*KERNELS, "rest"}


def test_shares_are_of_all_the_time_and_sorted() -> None:
    told = shares(iter([("a", 1.0), ("b", 5.0), ("a", 2.0)]))
    assert [*told.items()] == [("b", 0.625), ("a", 0.375)]
    assert shares(iter([])) == {}


def test_products_are_found_in_a_stream_of_products() -> None:
    one = torch.randn(64, 64)
    told = stages(iter(torch.mm(one, one) for _ in range(3)), 3)
    assert told["attention"] > 0
    assert sum(told.values()) == pytest.approx(1, abs=0.01)


def test_time_of_the_host_is_none_of_a_gpu() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        torch.mm(torch.ones(2, 2), torch.ones(2, 2))
    assert not any(map(on_gpu, measured.key_averages()))
    assert str(torch._C._autograd.DeviceType.CUDA) == "DeviceType.CUDA"
