"""Runs one numbered script: reads its settings, calls its main, and turns what went wrong into the right exit code."""

import ctypes
import io
import os
import re
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise

WHICH_RUN = ("--config", "--run", "--runs_folder")


class UserError(Exception):
    """Something that the user can put right. The message says what is wrong and what to do: one paragraph."""


def run(main: Callable, section: str) -> None:
    """Calls main(settings) and leaves the process.

    Exit codes: 0 done; 1 a UserError or a place where nothing may be written, shown without a traceback unless --debug; 130
    stopped with Ctrl-C.
    """
    from emojisummary.settings import read_settings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    speak_utf8()
    keep_freed_memory()
    debug = "--debug" in sys.argv
    try:
        main(read_settings(section, sys.argv[1:], description=sys.modules["__main__"].__doc__))
    except UserError as error:
        if debug:
            raise
        sys.exit(f"error: {on_this_run(str(error), sys.argv[1:])}")
    except (NotADirectoryError, PermissionError) as error:
        if debug:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}. Name another place with --runs_folder, or make way there.")
    except KeyboardInterrupt:
        print("\nStopped. Everything finished so far is kept; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def speak_utf8() -> None:
    """Emoji come in and go out whatever encoding the system prefers. A closed standard input is an empty one."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def keep_freed_memory() -> None:
    """Has glibc keep what is freed for what comes next. What it gives back to the system has to be mapped and cleared again, in
    every step of a training."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, another system
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # as in its malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 64 * 2**20)
    mallopt(mmap_threshold, 32 * 2**20)


def on_this_run(message: str, flags: list[str]) -> str:
    """The message, with its commands for the run that these flags are about: without them, they would work on another one.

    >>> on_this_run("Make it with: python 1_emoji.py", ["--limit", "9", "--config", "recipes/tiny.yaml"])
    'Make it with: python 1_emoji.py --config recipes/tiny.yaml'
    >>> on_this_run("Make it with: python 1_emoji.py", [])
    'Make it with: python 1_emoji.py'
    """
    which = []
    for flag, value in pairwise([*flags, ""]):
        if flag in WHICH_RUN:
            which += [flag, value]
        elif flag.partition("=")[0] in WHICH_RUN:
            which.append(flag)
    return re.sub(r"python \d_\w+\.py(?! --)", lambda command: shlex.join([*command[0].split(), *which]), message)
