"""What the package's programs share: a mistake is one line, and what their exit statuses are."""
from __future__ import annotations

import argparse
import sys
from typing import Callable, NoReturn


class Mistake(Exception):
    """The user's: what is wrong, and where, in a line."""


class Parser(argparse.ArgumentParser):
    """An error is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise it, for `run` to tell."""
        raise Mistake(f"{message}; see {self.prog} --help")


def run(name: str, program: Callable[[], None]) -> int:
    """Run a program; its exit status: 0, 2 after a mistake of the user's, 1 when the machine fails, which a line tells."""
    try:
        program()
        return 0
    except Mistake as mistake:
        print(f"{name}: {mistake}", file=sys.stderr)
        return 2
    except ImportError as problem:
        print(f"{name}: {problem}: install Debian's python3-{problem.name or 'matplotlib'}", file=sys.stderr)
    except (OSError, MemoryError) as problem:
        print(f"{name}: {problem or 'out of memory'}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1
