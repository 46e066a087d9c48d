"""Runs one numbered script: reads its settings, calls its main, and turns what went wrong into the right exit code."""

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something that the user can put right. The message says what is wrong and what to do: one paragraph."""


def run(main: Callable, section: str) -> None:
    """Calls main(settings) and leaves the process.

    Exit codes: 0 done; 1 a UserError, shown without its traceback unless --debug; 130 stopped with Ctrl-C.
    """
    from emojisummary.settings import read_settings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    debug = "--debug" in sys.argv
    try:
        main(read_settings(section, sys.argv[1:], description=sys.modules["__main__"].__doc__))
    except UserError as error:
        if debug:
            raise
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("\nStopped. Everything finished so far is kept; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
