"""The loop of a worker written in Python."""

import json
import sys
from collections.abc import Callable
from typing import Any

Handler = Callable[..., dict[str, Any]]


def serve(about: dict[str, Any], handlers: dict[str, Handler]) -> None:
    """Answers requests until stdin ends; a request's `work` names the handler, the rest are its
    arguments. Whatever libraries print goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(about), file=out, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        work = request.pop("work")
        try:
            if work not in handlers:
                raise ValueError(f"unknown work {work}, expected one of {', '.join(handlers)}")
            answer = handlers[work](**request)
        except Exception as error:  # One request that fails must not end the others.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)
