"""How much slower is a training step than nnU-Net's own?

Builds a phantom dataset, lets real nnU-Net plan and preprocess it, then takes steps of
``nnUNetTrainer`` and of every trainer under test in turn, in one process: ``next`` batch (drawn and
augmented in the same process) plus ``train_step``. Prints the ratio of each pair of steps (on a CPU
of their CPU time, which other processes on the machine change less than their duration), and
also the memory: the largest sum of all tensors alive in a step (weights, optimiser,
activations, gradients); on a GPU as counted by the allocator, on a CPU without the scratch space
of the operations.

Trainers that build on a base use ``nnUNetTrainer`` as it is after its first validation. The table
is written in Markdown.

    python benchmarks/training_step.py --shape 128 128           # 2D, nnU-Net's own network
    python benchmarks/training_step.py --shape 32 64 64          # 3D
    python benchmarks/training_step.py --trial --steps 200       # the small network of `trial`
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Options that change what a step computes.
VARIATIONS = (
    "nnUNetTrainerMonitor_ema0.999",
    "nnUNetTrainerReweighting_countsbatch",
    "nnUNetTrainerGroupDRO_tail0.5",
    "nnUNetTrainerGroupDRO_objectivemean",
    "nnUNetTrainerFEBS_directionpaper",
    "nnUNetTrainerAPPLE_levelsall",
    "nnUNetTrainerDecoder_retrainheads",
)


def prepare_dataset(
    root: Path,
    shape: list[int],
    configuration: str,
    patients: int = 60,
    processes: int = 1,
    *,
    single: bool = False,
) -> None:
    """Make the dataset, half of it of either sex, and let nnU-Net preprocess it.

    Args:
        root: For nnU-Net's folders.
        shape: Of the images.
        configuration: Of nnU-Net.
        patients: How many.
        processes: For making and preprocessing.
        single: Make one image of every patient. nnU-Net plans smaller batches for few images.
    """
    from nnunetv2_fair.cli import phantoms, prepare

    size = [str(side) for side in shape]
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (root / variable).mkdir()
        os.environ[variable] = str(root / variable)
    arguments = ["-d", "901", "-n", "Benchmark", "--dimension", str(len(shape))]
    arguments += ["--shape", *size, "--patients", str(patients), "--bias", "difficulty"]
    arguments += ["-np", str(processes), *(["--images-per-patient", "1", "1"] if single else [])]
    if len(shape) == 3 and len(set(shape)) == 1:  # others have thick slices, as phantoms have
        arguments += ["--spacing", "1", "1", "1"]
    assert phantoms.main(arguments) == 0
    assert prepare.main(["-d", "901"]) == 0
    command = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    n = str(processes)
    options = ["-d", "901", "-c", configuration, "-np", n, "-npfp", n]
    environment = {**os.environ, "nnUNet_n_proc_DA": "1"}
    subprocess.run([str(command), *options], check=True, stdout=subprocess.DEVNULL, env=environment)


def all_trainers() -> list[str]:
    """Return a name of each trainer, and of those options that change what a step computes."""
    from nnunetv2_fair.trainers import METHODS

    every = [f"{n}_sex=female" if m.takes_group else n for n, m in METHODS.items()]
    return [*every, *VARIATIONS]


def start(name: str, configuration: str, device: str) -> Any:
    """Return a trainer that is ready to take steps."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args

    trainer = get_trainer_from_args("901", configuration, 0, name, device=torch.device(device))
    trainer.on_train_start()
    # some trainers weight samples only after they have seen a validation
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        outputs = [trainer.validation_step(next(trainer.dataloader_val)) for _ in range(3)]
    trainer.on_validation_epoch_end(outputs)
    trainer.on_train_epoch_start()
    return trainer


def write_base(trainer: Any) -> None:
    """Save a trainer as if it had finished, for those that build on it."""
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))


def peak_memory(trainer: Any) -> int:
    """Return the largest sum of tensors alive during a training step, in bytes."""
    import torch

    batch = next(trainer.dataloader_train)
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        others = torch.cuda.memory_allocated()
        trainer.train_step(batch)
        own = [*trainer.network.parameters(), *trainer.network.buffers()]
        states = trainer.optimizer.state.values()
        own += [v for state in states for v in state.values() if isinstance(v, torch.Tensor)]
        return torch.cuda.max_memory_allocated() - others + sum(p.nbytes for p in own)
    own = [*trainer.network.parameters(), *trainer.network.buffers()]
    own += [p.grad for p in trainer.network.parameters() if p.grad is not None]
    own += [v for state in trainer.optimizer.state.values() for v in state.values()]
    return tensor_memory(lambda: trainer.train_step(batch), own)


def tensor_memory(function: Callable[[], Any], before: Iterable[Any]) -> int:
    """Return the largest sum of all tensors alive while a function runs on the CPU, in bytes.

    Args:
        function: What to run.
        before: Tensors that exist beforehand.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watch(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: dict[int, int] = {}
            self.total = self.peak = 0

        def see(self, value: Any) -> None:
            if not isinstance(value, torch.Tensor):
                return
            storage = value.untyped_storage()
            key = storage._cdata
            if key not in self.sizes:
                self.sizes[key] = storage.nbytes()
                self.total += storage.nbytes()
                self.peak = max(self.peak, self.total)
                weakref.finalize(storage, self.forget, key)

        def forget(self, key: int) -> None:
            self.total -= self.sizes.pop(key)

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            for value in tree_leaves(result):
                self.see(value)
            return result

    watch = Watch()
    for tensor in before:
        watch.see(tensor)
    with watch:
        function()
    return watch.peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trainers", nargs="+", help="default: all, and some options")
    parser.add_argument("--shape", nargs="+", type=int, default=[128, 128], help="of the images")
    parser.add_argument("--trial", action="store_true", help="small network")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        configuration = "2d" if len(args.shape) == 2 else "3d_fullres"
        prepare_dataset(Path(folder), args.shape, configuration)
        if args.trial:
            from nnunetv2_fair.cli import trial

            options = ["-d", "901", "-c", configuration, "--patch", str(max(args.shape))]
            assert trial.main(options) == 0
            configuration += "_trial"
        os.environ["nnUNet_n_proc_DA"] = "0"

        import torch

        from nnunetv2_fair import registration

        registration.register()
        names = ["nnUNetTrainer", *(args.trainers or all_trainers())]
        trainers = []
        for name in names:
            trainers.append(start(name, configuration, args.device))
            if name == "nnUNetTrainer":
                write_base(trainers[0])
        batch = next(trainers[0].dataloader_train)["data"].shape
        clock = time.process_time if args.device == "cpu" else time.perf_counter
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for step in range(args.steps + 3):
            # the order alternates, so that no trainer always meets the other's warm caches
            order = list(zip(names, trainers, strict=True))[:: 1 if step % 2 else -1]
            for name, trainer in order:
                begun = clock()
                trainer.train_step(next(trainer.dataloader_train))
                if args.device == "cuda":
                    torch.cuda.synchronize()
                if step >= 3:
                    seconds[name].append(clock() - begun)
        print(f"\nbatch {tuple(batch)}, {args.device}, {args.steps} steps each, interleaved")
        base = seconds["nnUNetTrainer"]
        memory = dict(zip(names, map(peak_memory, trainers), strict=True))
        print("| trainer | median step | median ratio to `nnUNetTrainer` (quartiles) | peak memory "
              "| ratio |\n|---|---|---|---|---|")  # fmt: skip
        for name in names:
            print(row(name, seconds[name], base, memory[name], memory[names[0]]))


def row(
    name: str, seconds: Sequence[float], base: Sequence[float], memory: float, base_memory: float
) -> str:
    """Return a trainer's row of the table, steps paired with those of the baseline."""
    ratio = np.array(seconds) / np.array(base)
    low, high = np.percentile(ratio, [25, 75])
    spread = "1" if seconds is base else f"{np.median(ratio):.3f} ({low:.3f} to {high:.3f})"
    return (
        f"| `{name}` | {np.median(seconds):.3f} s | {spread} | {memory / 2**20:,.0f} MiB | "
        f"{memory / base_memory:.3f} |"
    )


if __name__ == "__main__":
    main()
