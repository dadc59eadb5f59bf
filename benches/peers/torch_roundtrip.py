"""A text into latents and back in PyTorch, batch by batch, from segments that are cut already.

What one would write with care: rows are padded on the left, the decoder keeps a KV cache, and
rows that are done leave the batch.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import DynamicCache

from torch_models import Models

Ids = list[int]

# As the decoder of this repository: tokens beyond the segment's own length.
SPARE_TOKENS = 16


@dataclass
class Roundtrip:
    """One query bank of a checkpoint with aligned positions and a prompt of `<img>`, latents,
    `</img>`, as the built-in model has."""

    models: Models
    ratio: int

    def __post_init__(self) -> None:
        c3 = self.models.config["c3"]
        prompt = {"system": None, "before": "<img>", "after": "</img>", "question": ""}
        if c3["query_positions"] != "aligned" or c3["prompt"] != prompt:
            raise ValueError("only the built-in model's layout is known")
        tokenizer = json.loads((self.models.folder / "tokenizer.json").read_text())
        special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
        self.open, self.close = special["<img>"], special["</img>"]
        self.stop = special["<|im_end|>"]
        self.queries = self.models.tensor(f"model.Q_banks.{self.ratio}.weight")
        self.weight = self.models.tensor("model.mm_projector.weight")
        self.bias = self.models.tensor("model.mm_projector.bias")

    def encode(self, segments: list[Ids]) -> list[torch.Tensor]:
        """Latents of one batch: for each segment `[latents, hidden]`."""
        encoder = self.models.encoder
        counts = [min(max(-(-len(ids) // self.ratio), 1), len(self.queries)) for ids in segments]
        rows, positions = [], []
        for ids, count in zip(segments, counts):
            text = encoder.embed_tokens(torch.tensor([*ids, self.open]))
            rows.append(torch.cat([text, self.queries[:count]]))
            # Each query stands at the last token of its part of the text.
            aligned = self.ratio * torch.arange(1, count + 1) - 1
            positions.append(torch.cat([torch.arange(len(ids)), torch.zeros(1).long(), aligned]))
        x, position_ids, mask = _left_padded(rows, positions)
        hidden = encoder(
            inputs_embeds=x, position_ids=position_ids, attention_mask=mask, use_cache=False
        ).last_hidden_state
        return [row[-count:] for row, count in zip(hidden, counts)]

    def decode(self, latents: list[torch.Tensor], limits: list[int]) -> list[Ids]:
        """Greedy ids of one batch, without the stop token."""
        model = self.models.decoder
        markers = model.model.embed_tokens(torch.tensor([self.open, self.close]))
        last_position = 1  # of `</img>`: the text begins where the latents began
        rows, positions = [], []
        for of_one in latents:
            projected = F.linear(of_one, self.weight, self.bias)
            rows.append(torch.cat([markers[:1], projected, markers[1:]]))
            before = 1 + self.ratio * torch.arange(len(of_one))
            edge = torch.tensor([0]), torch.tensor([last_position])
            positions.append(torch.cat([edge[0], before, edge[1]]))
        x, position_ids, mask = _left_padded(rows, positions)
        cache = DynamicCache(config=model.config)
        step: dict[str, Any] = {"inputs_embeds": x, "position_ids": position_ids}
        outputs: list[Ids] = [[] for _ in latents]
        active = list(range(len(latents)))
        while True:
            logits = model(
                **step, attention_mask=mask, cache=cache, use_cache=True, logits_to_keep=1
            ).logits
            last = logits[:, -1].argmax(-1)
            staying = []
            for row, (segment, id) in enumerate(zip(active, last.tolist())):
                if id != self.stop:
                    outputs[segment].append(id)
                    if len(outputs[segment]) < limits[segment]:
                        staying.append(row)
            if not staying:
                return outputs
            if len(staying) < len(active):
                index = torch.tensor(staying)
                cache.batch_select_indices(index)
                last, mask = last[index], mask[index]
                active = [active[row] for row in staying]
            last_position += 1
            mask = F.pad(mask, (0, 1), value=1)
            position_ids = torch.full((len(active), 1), last_position)
            step = {"input_ids": last[:, None], "position_ids": position_ids}


def _left_padded(
    rows: list[torch.Tensor], positions: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings, position ids and mask of a batch, `[batch, longest, ..]`."""
    longest = max(len(row) for row in rows)
    x = torch.stack([F.pad(row, (0, 0, longest - len(row), 0)) for row in rows])
    ids = torch.stack([F.pad(row, (longest - len(row), 0)) for row in positions])
    mask = torch.ones(len(rows), longest, dtype=torch.long)
    for row, embeddings in enumerate(rows):
        mask[row, : longest - len(embeddings)] = 0
    return x, ids, mask


def roundtrip(
    models: Models, file: str, ratio: int, batch: int, segments: str
) -> dict[str, Any]:
    """All segments of the JSON file `segments`, those of the text in `file`."""
    todo: list[Ids] = json.loads(Path(segments).read_text())
    job = Roundtrip(models, ratio)
    _ = models.encoder, models.decoder  # Loading isn't timed.
    start = time.perf_counter()
    latents: list[torch.Tensor] = []
    for first in range(0, len(todo), batch):
        latents += job.encode(todo[first : first + batch])
    encode_seconds = time.perf_counter() - start
    exact = generated = 0
    for first in range(0, len(todo), batch):
        these = slice(first, first + batch)
        limits = [len(ids) + SPARE_TOKENS for ids in todo[these]]
        outputs = job.decode(latents[these], limits)
        exact += sum(read == written for read, written in zip(todo[these], outputs))
        generated += sum(len(ids) for ids in outputs)
    return {
        "seconds": time.perf_counter() - start,
        "encode_seconds": encode_seconds,
        "tokens": sum(len(ids) for ids in todo),
        "bytes": Path(file).stat().st_size,
        "generated": generated,
        "exact": exact,
    }
