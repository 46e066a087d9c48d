"""llama.cpp's own server with a GGUF file, in a process of its own, and what it's asked.

python -m emojisummary.models.llamacpp model.gguf    # prints its URL, serves until its standard input ends
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from emojisummary.stage import UserError

ROOT = Path(__file__).parent.parent.parent


def serve(path: str, context: int = 4096, parallel: int = 4) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = path, {"tiny"}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel, params.n_batch, params.n_gpu_layers = parallel * context, parallel, 512, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = params.fit_params = params.cache_prompt = False
    params.cache_ram_mib = params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


class Engine:
    """llama.cpp with a model, until the end of the `with`. Whatever becomes of this process, it ends with it."""

    def __init__(self, model: Path):
        self.command = [sys.executable, "-m", "emojisummary.models.llamacpp", str(model.resolve())]

    def __enter__(self) -> "Engine":
        self.said = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said}
        self.process = subprocess.Popen(self.command, cwd=ROOT, text=True, **pipes)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            code = self.process.wait()
            self.said.seek(0)
            raise UserError(f"llama.cpp didn't start, exit code {code}: {self.said.read().strip()[-300:]}")
        return self

    def __exit__(self, *_) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.said):
            pipe.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, where: str, **content) -> dict:
        """What the server answers to a request. Raises UserError where it refuses it."""
        body = json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/{where}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as reply:
                return json.load(reply)
        except OSError as error:
            raise UserError(f"llama.cpp doesn't answer: {error}.") from None


if __name__ == "__main__":
    serve(sys.argv[1])
