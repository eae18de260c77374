"""The command `narrows`: its commands by name, and how errors reach a person.

Each command lives in a module of its own that is loaded when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from narrows.errors import NarrowsError
from narrows.version import __version__

COMMANDS = {
    "demo": "The whole story offline, on small digits, with pictures.",
    "train": "Learn an autoencoder from data.",
    "evaluate": "Measure a model on data, beside PCA; draw pictures.",
    "inspect": "Tell what a model or an archive is, and where its bytes go.",
    "compress": "Put images and arrays into one archive.",
    "decompress": "Get them back, all or some.",
    "verify": "Check everything in an archive.",
    "embed": "Write the code of every sample as a row of numbers.",
}
INTERNAL_ERROR = 70


class Commands(click.Group):
    """Commands by name; only the one that is called is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"narrows.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(__version__, prog_name="narrows")
def narrows() -> None:
    """Learn an autoencoder from your own data and put it to work.

    \b
    narrows train photos/ -o photos.safetensors
    narrows evaluate photos.safetensors more-photos/ -o pictures/
    """


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted, one line on stderr when not 0."""
    try:
        code = narrows.main(arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        code = _complain(f"{error.format_message()} See 'narrows --help'.", 2)
    except NarrowsError as error:
        code = _complain(str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        code = _complain("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except MemoryError:
        code = _complain("not enough memory for this; use smaller batches, a smaller network or fewer samples", 2)
    except Exception as error:
        if os.environ.get("NARROWS_DEBUG"):
            traceback.print_exc()
        brief = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        code = _complain(f"internal error, please report it: {brief} (NARROWS_DEBUG=1 shows where)", INTERNAL_ERROR)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    click.echo(f"narrows: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    run()
