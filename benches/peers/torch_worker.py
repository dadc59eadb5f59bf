"""Answers requests for work with PyTorch and transformers; see `c3_bench::speed`."""

import argparse
from functools import partial
from pathlib import Path

import torch
import transformers

from serve import serve
from torch_models import DTYPES, Models
from torch_roundtrip import roundtrip
from torch_works import Works


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint, a folder")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16", help="of all values")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    about = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
    }
    models = Models(options.model, DTYPES[options.dtype])
    works = Works(models)
    names = ["encode", "decode", "verify", "gemm", "attention", "load"]
    handlers = {name: getattr(works, name) for name in names}
    handlers["roundtrip"] = partial(roundtrip, models)
    with torch.inference_mode():
        serve(about, handlers)


if __name__ == "__main__":
    main()
