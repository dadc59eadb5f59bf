"""Answers requests to decode with llama.cpp: ids in, logits out, no tokenizer and no sampler."""

import argparse
import ctypes
import random
import time
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import llama_cpp as c

from serve import serve


class Llama:
    """A GGUF file that has been loaded."""

    def __init__(self, model: str, threads: int) -> None:
        c.llama_backend_init()
        loaded = c.llama_model_load_from_file(model.encode(), c.llama_model_default_params())
        if not loaded:
            raise SystemExit(f"llama.cpp can't load {model}")
        self.model, self.threads = loaded, threads
        self.vocab = c.llama_vocab_n_tokens(c.llama_model_get_vocab(loaded))

    def decode(self, batch: int, prompt: int, tokens: int) -> dict[str, Any]:
        """Steps of greedy decoding behind the prompts."""
        context = Context(self, batch, prompt + tokens)
        try:
            numbers = random.Random(0)
            last = []
            for sequence in range(batch):
                ids = [numbers.randrange(self.vocab) for _ in range(prompt)]
                last += context.feed([(id, at, sequence) for at, id in enumerate(ids)])
            start = time.perf_counter()
            for position in range(prompt, prompt + tokens):
                last = context.feed([(id, position, row) for row, id in enumerate(last)])
            seconds = time.perf_counter() - start
        finally:
            context.free()
        return {"seconds": seconds, "tokens": batch * tokens}


class Context:
    """The KV cache of `batch` sequences."""

    def __init__(self, llama: Llama, batch: int, positions: int) -> None:
        params = c.llama_context_default_params()
        params.n_ctx = batch * -(-positions // 256) * 256  # It counts in blocks of 256.
        params.n_batch = params.n_ubatch = max(batch, positions)
        params.n_seq_max = batch
        params.n_threads = params.n_threads_batch = llama.threads
        self.context = c.llama_init_from_model(llama.model, params)
        if not self.context:
            raise RuntimeError("llama.cpp can't make a context")
        self.batch = c.llama_batch_init(max(batch, positions), 0, 1)
        self.vocab = llama.vocab

    def feed(self, tokens: list[tuple[int, int, int]]) -> list[int]:
        """Reads (id, position, sequence); returns the likeliest id after the last of each
        sequence, which follow one another."""
        self.batch.n_tokens = len(tokens)
        asked = []
        for i, (id, position, sequence) in enumerate(tokens):
            self.batch.token[i] = id
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            is_last = i + 1 == len(tokens) or tokens[i + 1][2] != sequence
            self.batch.logits[i] = is_last
            if is_last:
                asked.append(i)
        code = c.llama_decode(self.context, self.batch)
        if code != 0:
            raise RuntimeError(f"llama_decode says {code}")
        return [int(self._logits(i).argmax()) for i in asked]

    def _logits(self, i: int) -> np.ndarray:
        logits = c.llama_get_logits_ith(self.context, i)
        return np.ctypeslib.as_array(logits, shape=(self.vocab,))

    def free(self) -> None:
        c.llama_batch_free(self.batch)
        c.llama_free(self.context)


@c.llama_log_callback
def _quiet(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """llama.cpp's log."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    c.llama_log_set(_quiet, None)
    llama = Llama(options.model, options.threads)
    about = {
        "llama-cpp-python": llama_cpp.__version__,
        "threads": options.threads,
        "vectors": c.llama_print_system_info().decode().strip(),
    }
    serve(about, {"decode": llama.decode})


if __name__ == "__main__":
    main()
