"""Both stages of a C3 checkpoint as transformers' Qwen2."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model
from transformers.utils import logging

logging.set_verbosity_error()  # A decoder's files hold tensors that a Qwen2 doesn't have.
logging.disable_progress_bar()

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}

Model = TypeVar("Model", Qwen2Model, Qwen2ForCausalLM)


def _of_rows(weights: Any, name: str) -> torch.Tensor:
    """A tensor, multiplied with the factor of each row where it is stored in 8 bits."""
    tensor = weights.get_tensor(name)
    if tensor.dtype != torch.int8:
        return tensor
    return tensor.float() * weights.get_tensor(f"{name}_scale")[:, None]


def _in_memory(model: Model) -> Model:
    """Copies the weights, which transformers leaves in their mapped files: there they would be in
    small pages, and could be evicted while they are being timed."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model.eval()


@dataclass
class Models:
    """A checkpoint; its stages are loaded when first asked for."""

    folder: Path
    dtype: torch.dtype

    def __post_init__(self) -> None:
        self.config: dict[str, Any] = json.loads((self.folder / "config.json").read_text())
        encoder = self.folder / "llm1" / "config.json"
        self.encoder_fields: dict[str, Any] = json.loads(encoder.read_text())
        self._encoder: Qwen2Model | None = None
        self._decoder: Qwen2ForCausalLM | None = None

    @property
    def encoder(self) -> Qwen2Model:
        """The encoder without a head."""
        if self._encoder is None:
            self._encoder = self.load_encoder()
        return self._encoder

    @property
    def decoder(self) -> Qwen2ForCausalLM:
        """The decoder's language model."""
        if self._decoder is None:
            self._decoder = self.load_decoder()
        return self._decoder

    def load_encoder(self) -> Qwen2Model:
        """The encoder, read anew."""
        folder = self.folder / "llm1"
        if self.encoder_fields.get("torch_dtype") == "int8":
            config = Qwen2Config(**self.encoder_fields, attn_implementation="sdpa")
            return self._of_rows(Qwen2Model(config), folder, "model.")
        return _in_memory(Qwen2Model.from_pretrained(folder, **self._options()))

    def load_decoder(self) -> Qwen2ForCausalLM:
        """The decoder's language model, read anew."""
        fields = {name: value for name, value in self.config.items() if name != "model_type"}
        if fields.get("torch_dtype") == "int8":
            config = Qwen2Config(**fields, attn_implementation="sdpa")
            return self._of_rows(Qwen2ForCausalLM(config), self.folder, "")
        config = Qwen2Config(**fields)
        options = self._options()
        return _in_memory(Qwen2ForCausalLM.from_pretrained(self.folder, config=config, **options))

    def tensor(self, name: str) -> torch.Tensor:
        """One of the decoder's tensors that a Qwen2 doesn't have."""
        index = self.folder / "model.safetensors.index.json"
        file = "model.safetensors"
        if index.exists():
            file = json.loads(index.read_text())["weight_map"][name]
        with safe_open(self.folder / file, framework="pt") as weights:
            return _of_rows(weights, name).to(self.dtype)

    def _of_rows(self, model: Model, folder: Path, prefix: str) -> Model:
        """Fills a model from matrices in 8 bits, which transformers would take for the weights."""
        with safe_open(folder / "model.safetensors", framework="pt") as weights:
            names = {f"{prefix}{name}": name for name in model.state_dict()}
            stored = {names[key]: _of_rows(weights, key) for key in weights.keys() if key in names}
        missing = model.load_state_dict(stored, strict=False).missing_keys
        if set(missing) - {"lm_head.weight"}:
            raise ValueError(f"{folder} lacks {missing}")
        model.tie_weights()
        return model.to(self.dtype).eval()

    def _options(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "attn_implementation": "sdpa", "local_files_only": True}
