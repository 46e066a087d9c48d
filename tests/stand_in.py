"""A server that speaks as Ollama and as OpenAI do, answers without a model, and fails on demand.

    with StandIn(slots=8, latency=0.05) as server:
        answer = ollama.Client(server.url).chat("stand-in", [{"role": "user", "content": "Pizza?"}])
        print(answer.message.content)  # Kite dog ... the same whenever the last message is the same
        print(server.log[0].answered, server.highest_in_flight)  # True 1

OpenAI's client takes `base_url=server.url + "/v1"`. The server has a thread of its own; to outlive its client it needs a
process of its own, which prints its URL as its first line and serves until it's killed (`in_process` runs one for a test):

    python -m tests.stand_in --port 0 --slots 8 --latency 0.05 --model tiny --model large --fault reset:0.05 --fault hang:0.01

Like Ollama it has one model loaded, answers as many requests at once as it has slots, in order of arrival, lets a bounded
number wait, and drops the request of a client that has gone.

A fault is named by `faults(number, request)`, where the first request for an answer has number 1:

    400 401 404 429 500 503   an error in the shape of the real one, at once
    hang         nothing, until the client goes or the server stops; it takes a slot
    reset, cut   half of the body, then the connection is reset, or closed as by a server that was killed
    drip         the body 8 bytes at a time, with a pause before each
    malformed    status 200, and half of the JSON
    html         status 200, and a page
    empty        a whole answer without text
    think        a block of <think> before the text
    length       half of the text, as if it had come to the limit of tokens
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

CHAT, GENERATE, OPENAI_CHAT = "/api/chat", "/api/generate", "/v1/chat/completions"
JSON, LINES, EVENTS = "application/json; charset=utf-8", "application/x-ndjson", "text/event-stream"
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
THOUGHT = "<think>\nWhat would they want to hear?\n</think>\n\n"
ERRORS = {  # status: message, OpenAI's type, OpenAI's code
    400: ("prompt too long; exceeded max context length", "invalid_request_error", "context_length_exceeded"),
    401: ("unauthorized", "invalid_request_error", "invalid_api_key"),
    402: ("insufficient credits", "invalid_request_error", "insufficient_credits"),
    404: ("model '{model}' not found", "invalid_request_error", "model_not_found"),
    429: ("too many requests", "rate_limit_error", "rate_limit_exceeded"),
    500: ("model runner has unexpectedly stopped, this may be due to resource limitations", "api_error", None),
    503: ("server busy, please try again.  maximum pending requests exceeded", "api_error", None),
}
FAULTS = (*map(str, ERRORS), "hang", "reset", "cut", "drip", "malformed", "html", "empty", "think", "length")
WORDS = "sun rain cake cat dog rose song tea moon train snow book star bread boat kite"
DETAILS = {"parent_model": "", "format": "gguf", "family": "stand-in", "families": ["stand-in"]}
DETAILS |= {"parameter_size": "1M", "quantization_level": "F16"}
Reply = Callable[[dict], str]


# --- what a request says, and what is replied ---


def texts(request: dict) -> list[str]:
    """The contents of its messages, or its system and prompt: those that aren't empty."""
    contents = [message.get("content") for message in request.get("messages") or ()]
    contents += [request.get("system"), request.get("prompt")]
    return ["".join(part.get("text", "") for part in text) if isinstance(text, list) else text for text in contents if text]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(request: dict) -> str:
    """12 hex digits that stand for its messages: equal questions have equal keys, whatever the model and the path."""
    return digest("\n".join(texts(request)))[:12]


def schema_of(request: dict) -> dict | None:
    """The JSON schema that the answer must fit; {} for any JSON, None for text."""
    wanted = request.get("format") or request.get("response_format")
    if not isinstance(wanted, dict):
        return {} if wanted else None
    if "response_format" not in request:
        return wanted
    return {"json_schema": wanted.get("json_schema", {}).get("schema"), "json_object": {}}.get(wanted["type"])


def fitting(schema: dict, text: str, yes: bool):
    """A value that fits a plain schema: choices, the verdict and booleans say `yes` or no, all other strings are `text`.

    {"type": "object", "properties": {"verdict": {"enum": ["yes", "no"]}, "reason": {"type": "string"}}} ->
    {"verdict": "yes", "reason": text}
    """
    word, kind = "yes" if yes else "no", schema.get("type")
    if choices := schema.get("enum"):
        return next((choice for choice in choices if str(choice).lower() == word), choices[0])
    if "properties" in schema:
        return {name: fitting(part, word if name == "verdict" else text, yes) for name, part in schema["properties"].items()}
    if kind == "array":
        return [fitting(schema.get("items", {}), text, yes)] * max(1, schema.get("minItems", 1))
    number = max(int(yes), schema.get("minimum", 0))
    values = {"boolean": yes, "integer": number, "number": number, "null": None, "object": {}}
    return values.get(kind, text[: schema.get("maxLength")])


def in_form(request: dict, text: str, yes: bool = True) -> str:
    """The text itself, or JSON if that was asked for."""
    schema = schema_of(request)
    return text if schema is None else json.dumps(fitting(schema, text, yes) if schema else {"answer": text})


def sentence(text: str) -> str:
    """Twelve words that depend on the text."""
    words = WORDS.split()
    return " ".join(words[int(digit, 16)] for digit in digest(text)[:12]).capitalize() + "."


def hashed(request: dict) -> str:
    """A sentence made from the last message; a verdict is yes for half of the messages."""
    last = texts(request)[-1]
    return in_form(request, sentence(last), digest(last)[-1] < "8")


REPLIES: dict[str, Reply] = {
    "hash": hashed,
    "echo": lambda request: in_form(request, texts(request)[-1]),
    "yes": lambda request: in_form(request, "yes"),
    "no": lambda request: in_form(request, "no", yes=False),
}


# --- the answer as it goes over the wire ---


def tokens(text: str) -> list[str]:
    """Words, each with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def said(request: dict, reply: Reply, fault: str | None) -> tuple[str, str]:
    """The text of the answer, and why it ends. Without a message Ollama only loads the model."""
    if not texts(request) or fault == "empty":
        return "", "stop" if texts(request) else "load"
    text = THOUGHT + reply(request) if fault == "think" else reply(request)
    if fault == "length":
        return text[: len(text) // 2], "length"
    options = request.get("options") or {}
    limit = options.get("num_predict") or request.get("max_completion_tokens") or request.get("max_tokens") or -1
    return ("".join(tokens(text)[:limit]), "length") if 0 < limit < len(tokens(text)) else (text, "stop")


def ollama_parts(path: str, request: dict, text: str, reason: str, seconds: float) -> list[dict]:
    """The objects of a stream, or the one if there is none; the last has the statistics."""
    total, asked = int(seconds * 1e9), len(" ".join(texts(request)).split())
    end = {"done": True, "done_reason": reason, "total_duration": total, "load_duration": total // 10}
    end |= {"prompt_eval_count": asked, "prompt_eval_duration": total // 10}
    end |= {"eval_count": len(tokens(text)), "eval_duration": total * 8 // 10}

    def part(text: str, rest: dict) -> dict:
        content = {"response": text} if path == GENERATE else {"message": {"role": "assistant", "content": text}}
        return {"model": request["model"], "created_at": now(), **content, **rest}

    if not request["stream"]:
        return [part(text, end)]
    return [*(part(token, {"done": False}) for token in tokens(text)), part("", end)]


def openai_parts(request: dict, text: str, reason: str) -> list[dict]:
    asked, answered = len(" ".join(texts(request)).split()), len(tokens(text))
    usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    same = {"id": f"chatcmpl-{key_of(request)}", "object": "chat.completion", "created": int(time.time())}
    same |= {"model": request["model"], "system_fingerprint": "fp_stand_in"}

    def part(reason: str | None, **content) -> dict:
        return {**same, "choices": [{"index": 0, **content, "finish_reason": reason}]}

    if not request["stream"]:
        return [part(reason, message={"role": "assistant", "content": text}) | {"usage": usage}]
    same["object"] = "chat.completion.chunk"
    deltas = [{"role": "assistant", "content": ""}, *({"content": token} for token in tokens(text))]
    with_usage = (request.get("stream_options") or {}).get("include_usage")
    last = [{**same, "choices": [], "usage": usage}] if with_usage else []
    return [*(part(None, delta=delta) for delta in deltas), part(reason, delta={}), *last]


def body_of(path: str, request: dict, reply: Reply, fault: str | None, seconds: float) -> tuple[str, list[bytes]]:
    """Its content type and its pieces, several if it's streamed: Ollama streams without being asked, OpenAI doesn't."""
    openai, text_and_reason = path == OPENAI_CHAT, said(request, reply, fault)
    request = {**request, "stream": request.get("stream", not openai)}
    parts = openai_parts(request, *text_and_reason) if openai else ollama_parts(path, request, *text_and_reason, seconds)
    pieces = [as_json(part) for part in parts]
    if fault == "html":
        return "text/html", [PAGE]
    if fault == "malformed":
        pieces = [pieces[0][: len(pieces[0]) // 2]]
    if not request["stream"]:
        return JSON, pieces
    if openai:
        return EVENTS, [b"data: " + piece + b"\n\n" for piece in [*pieces, b"[DONE]"]]
    return LINES, [piece + b"\n" for piece in pieces]


def as_json(value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def head(status: int, kind: str, length: int | None, more: str = "") -> bytes:
    """The lines above a body; a body whose length isn't known comes in chunks."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n{size}\r\n{more}\r\n".encode()


def chunked(pieces: list[bytes]) -> list[bytes]:
    *before, end = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [*before, end + b"0\r\n\r\n"]


def whole(value, status: int = 200, more: str = "") -> bytes:
    body = as_json(value)
    return head(status, JSON, len(body), more) + body


def error(path: str, status: int, model: str, retry_after: float) -> bytes:
    message, type, code = ERRORS[status]
    message = message.format(model=model)
    openai = {"message": message, "type": type, "param": None, "code": code}
    more = f"Retry-After: {retry_after:g}\r\n" if status == 429 else ""
    return whole({"error": openai if path.startswith("/v1") else message}, status, more)


# --- slots, connections, the server ---


@dataclass
class Slots:
    """Lets requests in by order of arrival, a few at once; another model is loaded when all those before are answered."""

    slots: int = 4
    queue: int | None = 512  # how many may wait beyond the slots; None: any number
    swap: float = 0  # seconds to load a model in place of another

    swaps: int = field(default=0, init=False)
    in_flight: int = field(default=0, init=False)  # requests in slots
    waiting: int = field(default=0, init=False)
    highest_in_flight: int = field(default=0, init=False)
    highest_open: int = field(default=0, init=False)  # in slots or waiting

    def open(self) -> None:
        """Nothing loaded, all slots free. Belongs into the event loop that will use them."""
        self.loaded: str | None = None
        self.door, self.free, self.idle = asyncio.Lock(), asyncio.Semaphore(self.slots), asyncio.Event()
        self.idle.set()

    @property
    def full(self) -> bool:
        return self.queue is not None and self.in_flight + self.waiting >= self.slots + self.queue

    async def _load(self, model: str) -> None:
        if self.loaded not in {None, model}:
            await self.idle.wait()
            self.swaps += 1
            await asyncio.sleep(self.swap)
        self.loaded = model

    @asynccontextmanager
    async def slot(self, model: str):
        self.waiting += 1
        self.highest_open = max(self.highest_open, self.waiting + self.in_flight)
        try:
            async with self.door:  # where they stand in line
                await self._load(model)
                await self.free.acquire()
        finally:
            self.waiting -= 1
        self.in_flight += 1
        self.highest_in_flight = max(self.highest_in_flight, self.in_flight)
        self.idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            self.free.release()
            if not self.in_flight:
                self.idle.set()


class Connection(asyncio.Protocol):
    """A client's connection: one request after the other. When the client goes, the work for it ends."""

    def __init__(self, server: "StandIn"):
        self.server, self.received, self.task = server, b"", None

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.server.connections.add(self)
        if self.server.stopping.is_set():
            transport.abort()

    def connection_lost(self, problem) -> None:
        self.server.connections.discard(self)
        if self.task:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._next()

    def _next(self) -> None:
        """Starts on the next request if it's all there, and none is being answered."""
        top, end, rest = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", top, re.IGNORECASE)
        length = int(length[1]) if length else 0
        if end and not self.task and len(rest) >= length:
            self.received = rest[length:]
            method, path = top.decode("latin-1").split(" ")[:2]
            self.task = asyncio.create_task(self.server.handle(self, method, path, rest[:length]))
            self.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task) -> None:
        self.task = None
        if not task.cancelled() and task.exception():
            problem = {"message": "The stand-in failed itself.", "exception": task.exception()}
            asyncio.get_running_loop().call_exception_handler(problem)
            self.transport.abort()
        elif not self.transport.is_closing():
            self._next()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # for 0 seconds: to close is then to reset
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


@dataclass
class Record:
    """A request, and what became of it."""

    number: int
    path: str
    request: dict
    came: float  # seconds since 1970
    fault: str | None = None
    answered: bool = False  # with status 200, and sent whole
    sent: float = 0  # seconds since 1970, of the end of the answer

    @property
    def model(self) -> str:
        return self.request.get("model") or ""

    def public(self) -> dict:
        known = {"number": self.number, "path": self.path, "model": self.model, "key": key_of(self.request)}
        return {**known, "answered": self.answered, "sent": self.sent, "fault": self.fault}


def parsed(body: bytes) -> dict:
    """The request; an empty one, which lacks a model, if it's no JSON object."""
    try:
        request = json.loads(body)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def with_tag(model: str) -> str:
    """Ollama's full name: `tiny` is `tiny:latest`."""
    return model if ":" in model else f"{model}:latest"


@dataclass(kw_only=True)
class StandIn(Slots):
    """The server: use it with `with`, or start() and stop() it. What it records stays through restarts."""

    latency: float = 0  # seconds that an answer takes in its slot
    models: tuple[str, ...] = ("stand-in",)
    reply: Reply = hashed
    faults: Callable[[int, dict], str | None] = lambda number, request: None
    port: int = 0  # 0: any that is free, and that one again after stop()
    drip: float = 0.02  # seconds before each 8 bytes of a "drip"
    retry_after: float = 1  # seconds, as said with a 429
    log: list[Record] = field(default_factory=list, init=False)  # requests for an answer, by arrival
    lookups: list[Record] = field(default_factory=list, init=False)  # all others, as those for the list of models

    def __post_init__(self):
        self.connections: set[Connection] = set()
        self.thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "StandIn":
        ready: Future[int] = Future()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self.thread.start()
        self.port = ready.result()
        return self

    def stop(self) -> None:
        """Drops all connections, as if the server had been killed."""
        if self.thread:
            self.loop.call_soon_threadsafe(self.stopping.set)
            self.thread.join()
            self.thread = None

    def restart(self) -> None:
        """On the same port, with no model loaded."""
        self.stop()
        self.start()

    def __enter__(self) -> "StandIn":
        return self.start()

    def __exit__(self, *problem) -> None:
        self.stop()

    async def _serve(self, ready: Future) -> None:
        self.loop, self.stopping = asyncio.get_running_loop(), asyncio.Event()
        self.open()
        try:
            listening = await self.loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, backlog=1024)
        except OSError as problem:
            self.thread = None
            ready.set_exception(problem)
            return
        ready.set_result(listening.sockets[0].getsockname()[1])
        await self.stopping.wait()
        listening.close()
        for connection in list(self.connections):
            connection.transport.abort()

    async def handle(self, connection: Connection, method: str, path: str, body: bytes) -> None:
        record = Record(0, path, parsed(body), time.time())
        if method == "POST" and path in {CHAT, GENERATE, OPENAI_CHAT}:
            await self._ask(connection, record)
        else:
            self.lookups.append(record)
            record.answered = path != "/api/show" or self._has(record.model)
            connection.transport.write(self._found(path) if record.answered else self._error(record, 404))

    async def _ask(self, connection: Connection, record: Record) -> None:
        self.log.append(record)
        record.number = len(self.log)
        record.fault = self.faults(record.number, record.request)
        if record.fault not in {*FAULTS, None}:
            raise ValueError(f"no fault {record.fault}; there are {', '.join(FAULTS)}")
        if status := self._problem(record):
            connection.transport.write(self._error(record, status))
            return
        async with self.slot(with_tag(record.model)):
            end = await self._speak(connection, record)
        record.answered, record.sent = bool(end) and not connection.transport.is_closing(), time.time()
        connection.transport.write(end)  # whoever has the whole answer finds its slot free

    def _problem(self, record: Record) -> int | None:
        """The status of the error that it gets at once, if any."""
        if (record.fault or "").isdigit():
            return int(record.fault)
        if not record.model:
            return 400
        if not self._has(record.model):
            return 404
        return 503 if self.full else None

    def _error(self, record: Record, status: int) -> bytes:
        return error(record.path, status, record.model, self.retry_after)

    def _has(self, model: str) -> bool:
        return with_tag(model) in map(with_tag, self.models)

    async def _speak(self, connection: Connection, record: Record) -> bytes:
        """Writes the answer but for its end, which it returns; or what a fault leaves of it, and then b""."""
        fault, write = record.fault, connection.transport.write
        if fault == "hang":
            await asyncio.Event().wait()
        seconds = time.time() - record.came + self.latency
        kind, pieces = body_of(record.path, record.request, self.reply, fault, seconds)
        streams = kind in {LINES, EVENTS}
        top = head(200, kind, None if streams else len(pieces[0]))
        frames = chunked(pieces) if streams else pieces
        body, pause = b"".join(frames), self.latency / len(frames)
        if fault in {"reset", "cut"}:
            await asyncio.sleep(self.latency)
            write(top + body[: len(body) // 2])
            connection.reset() if fault == "reset" else connection.transport.close()
            return b""
        if fault == "drip":
            frames, pause = [body[start : start + 8] for start in range(0, len(body), 8)], self.drip
        for frame in frames[:-1]:
            await asyncio.sleep(pause)
            write(top + frame)
            top = b""
        await asyncio.sleep(pause)
        return top + frames[-1]

    def _found(self, path: str) -> bytes:
        """What it answers when it isn't asked for text."""
        time_and_size = {"modified_at": now(), "size": 10**6, "details": DETAILS}
        all = [{"name": name, "model": name, "digest": digest(name), **time_and_size} for name in map(with_tag, self.models)]
        loaded = [{**one, "expires_at": now(), "size_vram": 10**6} for one in all if one["name"] == self.loaded]
        show = {"license": "", "modelfile": "", "parameters": "", "template": "{{ .Prompt }}", "details": DETAILS}
        openai = [{"id": name, "object": "model", "created": 0, "owned_by": "library"} for name in self.models]
        known = {
            "/api/tags": {"models": all},
            "/api/ps": {"models": loaded},
            "/api/show": {**show, "model_info": {}, "capabilities": ["completion"], "modified_at": now()},
            "/api/version": {"version": "0.12.6"},
            "/v1/models": {"object": "list", "data": openai},
            "/stand-in/log": [record.public() for record in self.log],
        }
        return whole(known[path]) if path in known else whole({"error": "404 page not found"}, 404)


# --- in a process of its own ---


@contextmanager
def in_process(*flags: str) -> Iterator[str]:
    """The URL of a server that outlives whatever happens to its clients, until the end of the `with`."""
    command = [sys.executable, "-m", "tests.stand_in", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as process:
        try:
            url = process.stdout.readline().strip()
            assert url, "the stand-in did not start: see its own error above"
            yield url
        finally:
            process.kill()


def by_chance(rates: dict[str, float], seed: int) -> Callable[[int, dict], str | None]:
    """{"reset": 0.05}: every twentieth request, on average, the same ones for the same seed."""
    chance, kinds, weights = random.Random(seed), [*rates, None], [*rates.values(), 1 - sum(rates.values())]
    return lambda number, request: chance.choices(kinds, weights)[0]


def named_rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition(":")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"{name}: one of {', '.join(FAULTS)}")
    return name, float(rate or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in {"port": int, "slots": int, "queue": int, "latency": float, "swap": float, "drip": float}.items():
        parser.add_argument(
            f"--{name}", type=kind, default=getattr(StandIn, name), help=f"{getattr(StandIn, name)} if not given"
        )
    parser.add_argument("--model", action="append", dest="models", help="a model that it has; repeatable")
    parser.add_argument("--reply", choices=REPLIES, default="hash")
    parser.add_argument("--fault", action="append", dest="faults", type=named_rate, default=[], metavar="NAME:RATE")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    flags = vars(parser.parse_args())
    faults = by_chance(dict(flags.pop("faults")), flags.pop("seed"))
    models = tuple(flags.pop("models") or StandIn.models)
    server = StandIn(**flags | {"models": models, "faults": faults, "reply": REPLIES[flags["reply"]]})
    print(server.start().url, flush=True)
    server.thread.join()


if __name__ == "__main__":
    main()
