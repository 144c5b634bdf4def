"""Building plans: what the builder is given, the cache, failures, and the process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import InferenceBackend
from engine.backends.model_file import read_model
from engine.backends.plans import PlanStore
from engine.backends.precision import read_variant
from engine.backends.tensorrt import TensorRtBackend
from engine.backends.tensorrt_build import profiles_of
from engine.backends.tensorrt_engines import PlanBuild, build_missing, main
from engine.config import GpuConfig
from engine.errors import BackendError
from engine.types import Float32
from tests.fakes.gpu import FakeGpu
from tests.fakes.tensorrt_module import FakeTensorRt

ModelMaker = Callable[..., Path]
FP32 = GpuConfig(precision="fp32")
ROOT = Path(__file__).parents[3]
#: A child on the fake GPU; everything after the import of the fakes is the real code.
FAKE_CHILD = (
    sys.executable,
    "-c",
    "import sys; from tests.fakes.tensorrt_module import install; install();"
    "from engine.backends.tensorrt_engines import main; sys.exit(main(sys.argv[1:]))",
)


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(tmp_path / "engines")


def never() -> InferenceBackend:
    raise AssertionError("the plan of a failed build was opened")


def test_profiles_are_for_one_face_and_for_several(action_unit_model: ModelMaker) -> None:
    contract = read_model(action_unit_model()).contract
    one, several = profiles_of(contract, 8)
    assert str(one["image"]) == "1x1x96x96 1x1x96x96 1x1x96x96"
    assert str(several["image"]) == "2x1x96x96 4x1x96x96 8x1x96x96"
    assert str(one["noise"]) == str(several["noise"]) == "1x2x12x12 20x2x12x12 20x2x12x12"
    assert len(profiles_of(contract, 1)) == 1
    assert str(profiles_of(contract, 3)[1]["image"]) == "2x1x96x96 3x1x96x96 3x1x96x96"


def test_the_builder_gets_types_workspace_and_profiles(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    path, built = build_missing(read_model(expression_model()), replace(FP32, workspace_mb=256), store)
    assert built
    assert path.parent == store.folder
    (settings,) = trt.built
    assert settings.workspace == 256 * 2**20
    assert trt.network_flags == [1 << 1]  # STRONGLY_TYPED
    assert [profile.ranges["image"][2] for profile in settings.profiles] == [(1, 1, 48, 48), (8, 1, 48, 48)]


def test_a_plan_in_the_store_is_not_built_again(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    model = read_model(expression_model())
    first = build_missing(model, FP32, store)
    assert build_missing(model, FP32, store) == (first[0], False)
    assert len(trt.built) == 1
    assert build_missing(model, FP32, store, force=True) == first
    assert len(trt.built) == 2


def test_a_damaged_plan_is_built_again(trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker) -> None:
    model = read_model(expression_model())
    path, _ = build_missing(model, FP32, store)
    path.write_bytes(path.read_bytes()[:-1])
    assert build_missing(model, FP32, store) == (path, True)
    assert len(trt.built) == 2


def test_the_timing_cache_goes_from_build_to_build(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    model = read_model(expression_model())
    build_missing(model, FP32, store)
    build_missing(model, FP32, store, force=True)
    assert [settings.timing and settings.timing.content for settings in trt.built] == [b"", b"timings"]


def test_a_timing_cache_that_tensorrt_refuses_is_replaced(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlanStore, "read_timing", lambda self, key: b"of another driver")
    assert build_missing(read_model(expression_model()), FP32, store)[1]
    assert trt.built[0].timing is not None
    assert trt.built[0].timing.content == b""


@pytest.mark.parametrize(
    "error",
    ["Error Code 2: OutOfMemory (Requested size was 4 GB)", MemoryError("std::bad_alloc"), RuntimeError("x\ny")],
)
def test_a_failed_build_has_its_reason_on_one_line(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, error: str | Exception
) -> None:
    trt.build_error = error
    with pytest.raises(BackendError, match="tensorrt cannot build .*expression.onnx: ") as caught:
        build_missing(read_model(expression_model()), FP32, store)
    assert " ".join(str(error).split()) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.stored() == []


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_a_plan_with_other_numbers_than_onnx_runtime_is_not_stored(
    gpu: FakeGpu,
    trt: FakeTensorRt,
    store: PlanStore,
    expression_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
    wrong: float,
) -> None:
    run = TensorRtBackend.run

    def off(self: TensorRtBackend, inputs: dict[str, Float32]) -> dict[str, Float32]:
        return {name: array + np.float32(wrong) for name, array in run(self, inputs).items()}

    monkeypatch.setattr(TensorRtBackend, "run", off)
    with pytest.raises(BackendError, match="computes expression.onnx wrongly: logits is off by (1|nan)"):
        build_missing(read_model(expression_model()), FP32, store)
    assert store.stored() == []
    assert gpu.used_bytes == 0


def test_a_network_that_cannot_be_parsed_names_the_node(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    model = replace(read_model(expression_model()), content=b"not a network")
    with pytest.raises(BackendError, match="cannot parse .*In node 3"):
        build_missing(model, FP32, store)


def test_the_float16_file_is_derived_for_the_build_and_its_hash_is_in_the_key(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    model = read_model(expression_model())
    build_missing(model, GpuConfig(precision="fp16"), store)
    half = read_variant(model, "fp16", store.folder)
    assert half.path.parent == store.folder
    assert [plan.key and plan.key.model_sha256 for plan in store.stored()] == [half.contract.sha256]


def test_a_child_builds_the_plan(store: PlanStore, expression_model: ModelMaker) -> None:
    opened: list[str] = []
    build = PlanBuild(expression_model(), FP32, store, lambda: opened.append("plan"), FAKE_CHILD)  # type: ignore[arg-type,func-returns-value]
    build.open()
    assert build.ready()
    assert opened == ["plan"]
    assert [plan.key and plan.key.gpu for plan in store.stored()] == ["Fake GPU"]
    build.close()
    build.close()


def test_a_child_without_a_gpu_reports_why(store: PlanStore, expression_model: ModelMaker) -> None:
    try:
        from engine.backends.cuda import open_driver

        open_driver()
    except BackendError:
        pass
    else:
        pytest.skip("this machine has a GPU")
    build = PlanBuild(expression_model(), FP32, store, never)
    with pytest.raises(BackendError, match="the fp32 engine of expression.onnx was not built: tensorrt cannot run: "):
        build.open()
    build.close()


def test_a_child_that_is_killed_is_reported(store: PlanStore, expression_model: ModelMaker) -> None:
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
    build = PlanBuild(expression_model(), FP32, store, never, sleeper)
    assert not build.ready()
    build._child.send_signal(signal.SIGKILL)
    with pytest.raises(BackendError, match="ended by signal 9; is there enough memory"):
        build.open()
    build.close()


def test_closing_ends_the_child(store: PlanStore, expression_model: ModelMaker) -> None:
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
    build = PlanBuild(expression_model(), FP32, store, never, sleeper)
    build.close()
    assert build._child.poll() is not None


def test_a_child_that_cannot_be_started_is_reported(store: PlanStore, expression_model: ModelMaker) -> None:
    with pytest.raises(BackendError, match="cannot be started"):
        PlanBuild(expression_model(), FP32, store, never, (str(store.folder / "no-python"),))


def test_a_request_that_cannot_be_read_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    request = {"model": "m", "folder": "f", "gpu": asdict(FP32) | {"precision": "fp8"}}
    assert main([json.dumps(request)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_two_builders_of_a_store_take_turns(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    """The second finds the plan of the first."""
    model = read_model(expression_model())
    results: list[tuple[Path, bool]] = []
    threads = [threading.Thread(target=lambda: results.append(build_missing(model, FP32, store))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(built for _, built in results) == [False, True]
    assert len(trt.built) == 1


def test_the_module_runs_as_a_program() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "engine.backends.tensorrt_engines", "{}"], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
