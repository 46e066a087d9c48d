"""A small page to try a model in the browser, on this machine alone.

    .venv/bin/python -m emojisummary.serve --model runs/demo
    curl http://127.0.0.1:8000/predict --json '{"text": "We won the cup!", "top": 3}'

reads   runs/<run>/model/, and runs/<run>/emoji_data.yaml for the names of the emoji, if it's there
serves  / the page, POST /predict {text, top} -> {text, emoji, probability, ranked}, GET /names
"""

import json
import socket
from functools import cache
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, ConfigDict, Field

from emojisummary.models import connect_answering, task_of
from emojisummary.stage import UserError, run

HOST = "127.0.0.1"
LONGEST = 20_000  # characters of a text
TOP = 50
BODY = 12 * LONGEST + 1000  # bytes; JSON may write an emoji as \ud83c\udf54


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=LONGEST)
    top: int = Field(default=8, ge=1, le=TOP)


def main(settings):
    name = settings.model or str(settings.folder)
    with listen(settings.port) as door:
        model = connect_ranker(name, settings)
        names = read_names(Path(name) if Path(name).is_dir() else settings.folder)
        print(f"{name} answers at http://{HOST}:{settings.port} (Ctrl-C ends)", flush=True)
        serve(application(model, name, names), door)


def listen(port: int) -> socket.socket:
    """A socket at that port of this machine. Raises UserError where another program has it."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
        door.listen()  # on some systems two programs may bind a port, but never both listen
    except OSError as error:
        door.close()
        raise UserError(f"Port {port} can't be used ({error.strerror}). Choose another one: --port {port + 1}.") from None
    return door


def connect_ranker(name: str, settings):
    """The model of that name. Raises UserError where there is none, or it gives no probabilities."""
    model = connect_answering(name, settings)
    if not task_of(model).ranks:
        raise UserError(f"{name} doesn't rank emoji, and so can't be tried on this page: 7_evaluate_inference.py asks it.")
    return model


def read_names(folder: Path) -> dict[str, str]:
    """Emoji -> name; nothing where the run has no table."""
    from emojisummary.artifacts import read_emoji

    if not (folder / "emoji_data.yaml").exists():
        return {}
    return {emoji: facts["name"] for emoji, facts in read_emoji(folder).items()}


def application(model, title: str, names: dict[str, str]):
    """The web application. One text is answered at a time: a model isn't made for two at once."""
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse, Response
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(title="EmojiSummary", docs_url=None, redoc_url=None)
    # a page elsewhere whose name was pointed at this machine gets no answer
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    busy = Lock()

    @app.middleware("http")
    async def refuse_floods(request: Request, call_next):
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not (length.isdecimal() and int(length) <= BODY):
            return JSONResponse({"detail": f"A request has at most {BODY:,} bytes, and says how many."}, 413)
        return await call_next(request)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError):
        """What was wrong, without what came in: half an emoji can't be sent back."""
        detail = [{key: problem[key] for key in ("loc", "msg", "type")} for problem in error.errors()]
        return Response(json.dumps({"detail": detail}), 422, media_type="application/json")

    @app.get("/", response_class=HTMLResponse)
    def page():
        return HTMLResponse(html(title), headers={"Content-Security-Policy": POLICY})

    @app.get("/names")
    def all_names():
        return names

    @app.post("/predict")
    def predict(question: Question):
        with busy:
            answer = model.predict(question.text, question.top)
        return JSONResponse(answer, 422 if "error" in answer else 200)

    return app


POLICY = "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


@cache
def html(title: str) -> str:
    from emojisummary.page import environment, source

    parts = {"style": source("base.css") + source("serve.css"), "script": source("serve.js")}
    return environment().get_template("serve.html.jinja").render(title=title, longest=LONGEST, **parts)


def serve(app, door: socket.socket) -> None:
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[door])


if __name__ == "__main__":
    run(main, "serve")
