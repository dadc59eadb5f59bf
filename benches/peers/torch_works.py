"""The pieces of work in PyTorch, with the same requests and answers as `c3_bench::speed`."""

import time
from typing import Any

import torch
import torch.nn.functional as F
from transformers import DynamicCache

from torch_models import Models

Answer = dict[str, Any]


class Works:
    """Work with one checkpoint."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def encode(self, tokens: int) -> Answer:
        """Last hidden states of text, `<img>` and the context queries."""
        encoder = self.models.encoder
        queries = self.models.tensor("model.Q.weight")  # [latents, hidden]
        ids = _ids((1, tokens + 1), encoder.config.vocab_size)
        start = time.perf_counter()
        x = torch.cat([encoder.embed_tokens(ids), queries[None]], dim=1)
        hidden = encoder(inputs_embeds=x, use_cache=False).last_hidden_state
        hidden[:, -queries.shape[0] :].sum().item()
        return {"seconds": time.perf_counter() - start, "tokens": tokens}

    def decode(self, batch: int, prompt: int, tokens: int) -> Answer:
        """Steps of greedy decoding behind the prompts."""
        model = self.models.decoder
        cache = DynamicCache(config=model.config)
        ids = _ids((batch, prompt), model.config.vocab_size)
        logits = model(ids, cache=cache, use_cache=True, logits_to_keep=1).logits
        last = logits[:, -1:].argmax(-1)
        start = time.perf_counter()
        for _ in range(tokens):
            logits = model(last, cache=cache, use_cache=True, logits_to_keep=1).logits
            last = logits[:, -1:].argmax(-1)
        last.sum().item()
        return {"seconds": time.perf_counter() - start, "tokens": batch * tokens}

    def verify(self, tokens: int, prompt: int = 64) -> Answer:
        """The greedy choice at each token of a text that is given as a whole."""
        model = self.models.decoder
        ids = _ids((1, prompt + tokens), model.config.vocab_size)
        start = time.perf_counter()
        logits = model(ids, use_cache=False, logits_to_keep=tokens + 1).logits
        logits.argmax(-1).sum().item()
        return {"seconds": time.perf_counter() - start, "tokens": tokens}

    def gemm(self, rows: int) -> Answer:
        """A linear layer of the encoder's first `gate_proj`'s size."""
        fields = self.models.encoder_fields
        n, k = fields["intermediate_size"], fields["hidden_size"]
        x = torch.randn(rows, k).to(self.models.dtype)
        w = torch.randn(n, k).to(self.models.dtype)
        start = time.perf_counter()
        F.linear(x, w)
        return {"seconds": time.perf_counter() - start, "operations": 2 * rows * n * k}

    def attention(
        self, queries: int, keys: int, heads: int, kv_heads: int, head_dim: int
    ) -> Answer:
        """Every query sees every key. Of the two ways to give PyTorch grouped heads, its own
        option and the query heads of a group as further rows, the faster one counts."""
        dtype = self.models.dtype
        q = torch.randn(1, heads, queries, head_dim).to(dtype)
        k = torch.randn(1, kv_heads, keys, head_dim).to(dtype)
        v = torch.randn(1, kv_heads, keys, head_dim).to(dtype)
        start = time.perf_counter()
        F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        middle = time.perf_counter()
        group = heads // kv_heads
        F.scaled_dot_product_attention(q.view(1, kv_heads, group * queries, head_dim), k, v)
        seconds = min(middle - start, time.perf_counter() - middle)
        return {"seconds": seconds, "operations": 4 * queries * keys * heads * head_dim}

    def load(self, stage: str) -> Answer:
        """Loads one stage, which is then dropped."""
        start = time.perf_counter()
        model = self.models.load_encoder() if stage == "encoder" else self.models.load_decoder()
        seconds = time.perf_counter() - start
        parameters = model.parameters()
        return {"seconds": seconds, "bytes": sum(p.numel() * p.element_size() for p in parameters)}


def _ids(shape: tuple[int, int], vocab: int) -> torch.Tensor:
    return torch.randint(vocab, shape)
