"""Programs that answer lines of JSON on stdin with lines of JSON on stdout."""

import json
import os
import subprocess
from typing import Any

Answer = dict[str, Any]


class WorkerError(Exception):
    """What a worker said instead of an answer, or that it ended."""


class Worker:
    """A program that has been started. `name` is for messages, `about` the line it introduced
    itself with."""

    def __init__(self, name: str, command: list[str], threads: int) -> None:
        count = str(threads)
        # Libraries that a worker's own option doesn't reach count their threads by these.
        environment = os.environ | {
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "RAYON_NUM_THREADS": count,
            "HF_HUB_OFFLINE": "1",
            # PyTorch asks for huge pages only where it is told to.
            "THP_MEM_ALLOC_ENABLE": "1",
        }
        self._name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.about = self._read()

    def ask(self, request: dict[str, Any]) -> Answer:
        """The answer to `request`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # What follows says that it ended.
        return self._read()

    def close(self) -> None:
        """Ends the program: it has read all there is."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # It had ended already.
        self._process.wait()

    def _read(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self._name} ended with exit code {self._process.wait()}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer
