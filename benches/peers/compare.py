"""Times this repository's code and its peers in turn, A, B, A, B, …, and prints the ratios as a
Markdown table. README.md says how to prepare for it."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
import table
from text import english
from workers import Answer, Worker, WorkerError
from works import Models, Side, Work, works

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main() -> None:
    options = parse()
    about: dict[str, Any] = {"machine": machine.describe()}
    results: list[table.Result] = []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "english.txt"
        text.write_text(english(ROOT / "fixtures", options.text_bytes), encoding="utf-8")
        models = Models(
            real=options.checkpoint.resolve(),
            builtin=ROOT / "models" / "c3-tiny",
            text=text,
            tokens=options.tokens,
            steps=options.steps,
            batch=options.batch,
        )
        chosen = choose(works(models, options.builtin_dtype), options.works)
        running = Running(options)
        print(table.header(), flush=True)
        for work in chosen:
            try:
                result = compare(work, running, options.pairs, Path(folder))
            except WorkerError as error:
                running.forget()  # Whatever it was, the next work starts afresh.
                print(f"| {work.what} | {work.against} | | | | {work.goal} | {error} |", flush=True)
                continue
            results.append(result)
            print(table.row(result), flush=True)
        running.keep(set())
    about["machine"]["load at the end"] = machine.load()
    about |= running.about | {"threads": options.threads, "pairs": options.pairs}
    print()
    for name, value in about.items():
        print(f"- {name}: {json.dumps(value, ensure_ascii=False)}")
    if options.json:
        report = {"about": about, "results": [vars(result) for result in results]}
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="random weights of the authors' sizes")
    parser.add_argument("--works", help="names, with commas between [default: all]")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=1280, help="of the text encoded, verified")
    parser.add_argument("--steps", type=int, default=32, help="of decoding")
    parser.add_argument("--batch", type=int, default=16, help="segments decoded at once")
    parser.add_argument("--text-bytes", type=int, default=1_000_000, help="of the round trip")
    parser.add_argument("--builtin-dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--speed", type=Path, default=ROOT / "target/release/examples/speed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    return options


def choose(every: list[Work], names: str | None) -> list[Work]:
    """Those asked for, in the order that shares workers."""
    if names is None:
        return every
    asked = set(names.split(","))
    unknown = asked - {work.name for work in every}
    if unknown:
        have = ", ".join(work.name for work in every)
        sys.exit(f"no work is named {', '.join(sorted(unknown))}; there are {have}")
    return [work for work in every if work.name in asked]


class Running:
    """The workers that are running. Only those that one work needs: models are large."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.about: dict[str, Any] = {}
        self._workers: dict[tuple[str, Path, str], Worker] = {}

    def get(self, side: Side) -> Worker:
        if side.worker not in self._workers:
            name = f"{side.kind} {side.dtype}"
            worker = Worker(name, self._command(side), self.options.threads)
            self._workers[side.worker] = worker
            self.about[side.kind] = worker.about
        return self._workers[side.worker]

    def keep(self, needed: set[tuple[str, Path, str]]) -> None:
        """Ends all others."""
        for key in set(self._workers) - needed:
            self._workers.pop(key).close()

    def forget(self) -> None:
        """Ends all."""
        self.keep(set())

    def _command(self, side: Side) -> list[str]:
        shared = ["--model", str(side.model), "--threads", str(self.options.threads)]
        if side.kind == "ours":
            return [str(self.options.speed), "--dtype", side.dtype, *shared]
        script = HERE / f"{side.kind}_worker.py"
        dtype = ["--dtype", side.dtype] if side.kind == "torch" else []
        return [sys.executable, str(script), *dtype, *shared]


def compare(work: Work, running: Running, pairs: int, folder: Path) -> table.Result:
    """Both sides once to load and warm up, then in turn."""
    running.keep({work.ours.worker, work.theirs.worker})
    ours, theirs = running.get(work.ours), running.get(work.theirs)
    requests = dict(work.ours.request), dict(work.theirs.request)
    if work.name == "roundtrip":
        asked = {"work": "segments", "file": requests[0]["file"], "ratio": requests[0]["ratio"]}
        segments = folder / "segments.json"
        segments.write_text(json.dumps(ours.ask(asked)["segments"]))
        requests[1]["segments"] = str(segments)
    answers: list[tuple[Answer, Answer]] = []
    for pair in range(pairs + 1):
        both = ours.ask(requests[0]), theirs.ask(requests[1])
        if pair > 0:
            answers.append(both)
    rates = [[side[work.measure] / side["seconds"] for side in both] for both in answers]
    return table.Result(
        name=work.name,
        what=work.what,
        against=work.against,
        goal=work.goal,
        measure=work.measure,
        ours=[ours for ours, _ in rates],
        theirs=[theirs for _, theirs in rates],
        note=note(answers[-1]),
    )


def note(both: tuple[Answer, Answer]) -> str:
    """Whether both did the same, where they can tell."""
    if "generated" in both[0] and "generated" in both[1]:
        return f"tokens generated: ours {both[0]['generated']:,}, theirs {both[1]['generated']:,}"
    return ""


if __name__ == "__main__":
    main()
