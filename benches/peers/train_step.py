"""Times steps of `c3 train` at the built-in model's shape in turn with the same step in PyTorch with
transformers (bf16 autocast, AdamW), and prints the ratio of tokens a second. README.md says how to
prepare for it."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from text import english

ROOT = Path(__file__).resolve().parents[2]
SEGMENT = 256
LATENTS = 32
SHAPE = json.loads((ROOT / "models" / "c3-tiny" / "config.json").read_text())
SIZES = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]
SIZES += ["num_key_value_heads", "max_position_embeddings"]
VOCABULARY = SHAPE["vocab_size"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="a turn; the first is not counted")
    parser.add_argument("--tokens", type=int, default=8192, help="of a step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--c3", type=Path, default=ROOT / "target/release/c3")
    options = parser.parse_args()
    if options.steps < 2 or options.pairs < 1 or options.tokens < SEGMENT:
        parser.error(f"expected 2 steps, 1 pair and {SEGMENT} tokens at least")
    theirs = Torch(options.tokens // SEGMENT, options.threads)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), options)
        for pair in range(options.pairs):
            ours = c3_steps(Path(folder), pair, options)
            torch = [theirs.step() for _ in range(options.steps)][1:]
            pairs.append((statistics.median(ours), statistics.median(torch)))
            print(f"pair {pair + 1}: {pairs[-1][0]:.0f} and {pairs[-1][1]:.0f} tokens/s", flush=True)
    ratios = [ours / torch for ours, torch in pairs]
    print()
    print("| ours, tokens/s | PyTorch | ratio (min–max) |\n|---|---|---|")
    middle = [statistics.median(side) for side in zip(*pairs)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    print(f"| {middle[0]:.0f} | {middle[1]:.0f} | {spread} |")


def prepare(folder: Path, options: argparse.Namespace) -> None:
    (folder / "text.txt").write_text(english(ROOT / "fixtures", 300_000), encoding="utf-8")
    model = json.dumps(str(ROOT / "models" / "c3-tiny"))
    (folder / "train.toml").write_text(
        f'[from]\ncheckpoint = {model}\n[data]\ntrain = ["text.txt"]\nvalid = ["text.txt"]\n'
        f"[[stages]]\nsteps = {options.steps}\nlengths = [{SEGMENT}]\n"
        f"ratios = [{SEGMENT // LATENTS}]\ntokens = {options.tokens}\n"
        "[run]\nevaluate_steps = 1000000\nevaluate_segments = 1\n"
    )


def c3_steps(folder: Path, pair: int, options: argparse.Namespace) -> list[float]:
    """Tokens a second of all steps but the first."""
    command = [options.c3, "train", folder / "train.toml", "--out", folder / f"run{pair}"]
    command += ["--json", "--quiet", "--threads", str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"c3 train failed with {done.returncode}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    return [step["tokens"] / step["seconds"] for step in steps][1:]


class Torch:
    """Both stages as two Qwen2 models, fed as `c3 train` feeds its own."""

    def __init__(self, rows: int, threads: int) -> None:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model

        torch.set_num_threads(threads)
        config = Qwen2Config(
            vocab_size=VOCABULARY,
            **{name: SHAPE[name] for name in SIZES},
            tie_word_embeddings=True,
            attn_implementation="sdpa",
        )
        width = config.hidden_size
        self.torch, self.rows = torch, rows
        self.reader, self.writer = Qwen2Model(config), Qwen2ForCausalLM(config)
        self.queries = torch.nn.Parameter(torch.randn(LATENTS, width) * 0.02)
        self.projector = torch.nn.Linear(width, width)
        modules = [self.reader, self.writer, self.projector]
        self.weights = [p for module in modules for p in module.parameters()] + [self.queries]
        self.optimizer = torch.optim.AdamW(self.weights, lr=1e-4, fused=True)
        # What the ids are changes nothing in the time, but transformers takes falling ones for packed texts.
        read, written = range(SEGMENT + 1 + LATENTS), range(1 + LATENTS + 1 + SEGMENT)
        self.read = torch.tensor(read).expand(rows, -1)
        self.written = torch.tensor(written).expand(rows, -1)

    def step(self) -> float:
        """Tokens a second of one."""
        torch, rows = self.torch, self.rows
        ids = torch.randint(0, VOCABULARY - 8, (rows, SEGMENT))
        marker = torch.full((rows, 1), VOCABULARY - 3)
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            embed = self.reader.embed_tokens
            queries = self.queries.expand(rows, -1, -1)
            x = torch.cat([embed(ids), embed(marker), queries], 1)
            hidden = self.reader(inputs_embeds=x, position_ids=self.read, use_cache=False)
            latents = self.projector(hidden.last_hidden_state[:, -LATENTS:]).float()
            embed = self.writer.model.embed_tokens
            x = torch.cat([embed(marker), latents, embed(marker), embed(ids)], 1)
            hidden = self.writer.model(inputs_embeds=x, position_ids=self.written, use_cache=False)
            logits = self.writer.lm_head(hidden.last_hidden_state[:, -(SEGMENT + 1) :])
        targets = torch.cat([ids, marker], 1).flatten()
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return rows * SEGMENT / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
