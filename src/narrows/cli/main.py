"""The program `narrows`: its commands by name, and how errors are printed.

A command is loaded from the module of its name when it is called, so that `--help` is quick; `restoring` has four.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import signal
import sys
import traceback
from contextlib import suppress

import click
from click.shell_completion import shell_complete

from narrows.cli import entry
from narrows.errors import NarrowsError
from narrows.version import __version__

COMMANDS = {
    "demo": "Train small networks on digits, offline, and see what they learn.",
    "train": "Learn an autoencoder from data.",
    "evaluate": "Measure a model on data, next to PCA, and draw pictures.",
    "inspect": "Show what a model or an archive is, and where its bytes go.",
    "models": "List the weights that come with narrows.",
    "compress": "Put images and arrays into one archive.",
    "decompress": "Get the files of an archive back, all or some.",
    "verify": "Check everything in an archive.",
    "denoise": "Remove noise from pictures or arrays.",
    "inpaint": "Fill in what is missing in pictures, arrays or tables.",
    "colourise": "Give colour to grey pictures or arrays.",
    "upscale": "Make pictures or arrays larger.",
    "embed": "Write the code of every sample as a row of numbers.",
    "outliers": "Find the samples that are unlike the others.",
    "sample": "Make new samples like those that a model learned from.",
    "walk": "Write what lies between two samples.",
    "find": "Find the samples that are most like others, or nearly the same.",
    "show": "Look at data: what they are, and a sheet of samples.",
}
RESTORING = ("denoise", "inpaint", "colourise", "upscale")
INTERNAL_ERROR = 70
COMPLETION = "_NARROWS_COMPLETE"  # the variable in which shells ask how a line goes on


class Commands(click.Group):
    """Commands by name; only the one that is called is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        if name not in COMMANDS:
            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"{name!r} is not a command.{hint} The commands are {', '.join(COMMANDS)}.", ctx)
        module = "restoring" if name in RESTORING else name
        command: click.Command = getattr(importlib.import_module(f"narrows.cli.{module}"), name)
        if not any(option.name == "quiet" for option in command.params):
            command.params.append(_quiet())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _quiet() -> click.Option:
    """The option that every command has."""

    def heed(context: click.Context, option: click.Parameter, quiet: bool) -> None:
        from narrows.cli import terminal

        terminal.be_quiet(quiet)

    text = "Print results, warnings and errors only."
    return click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, is_eager=True, callback=heed, help=text)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="narrows")
def narrows() -> None:
    """Learn an autoencoder from your own data and put it to work.

    \b
    narrows train photos/ -o photos.safetensors
    narrows evaluate photos.safetensors more-photos/ -o pictures/
    """


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit, with one line on stderr if something is wrong.

    Exit codes: 0 done, 1 a damaged archive, 2 bad input, 70 an internal error, 128 plus the signal if interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if instruction := os.environ.get(COMPLETION):
        sys.exit(shell_complete(narrows, {}, "narrows", COMPLETION, instruction))
    code = 0
    try:  # not click's own `main`, which ends by itself on a broken pipe
        with narrows.make_context("narrows", list(arguments)) as context:
            narrows.invoke(context)
    except click.exceptions.Exit as asked:  # --help and --version
        code = asked.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        name = next((f" {word}" for word in arguments if word in COMMANDS), "")
        code = _complain(f"{error.format_message()} See 'narrows{name} --help'.", 2)
    except NarrowsError as error:
        code = _complain(str(error), 2)
    except (click.Abort, KeyboardInterrupt) as error:
        code = _complain("interrupted", 128 + (error.args or (signal.SIGINT,))[0])
    except BrokenPipeError:
        _leave_stdout()
    except MemoryError:
        code = _complain("not enough memory for this; use smaller batches, a smaller network or fewer samples", 2)
    except Exception as error:
        if os.environ.get("NARROWS_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            _leave_stdout()
            where = error.filename or "standard output"
            code = _complain(f"{where}: cannot be written: {error.strerror}; free some space", 2)
        else:
            brief = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            code = _complain(
                f"internal error, please report it: {brief} (NARROWS_DEBUG=1 shows where)", INTERNAL_ERROR
            )
    sys.exit(code)


def _leave_stdout() -> None:
    """Send whatever is still to be written there nowhere, so that Python does not complain when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int) -> int:
    """Print why the program ends, and return its exit code. After a signal whatever fails does so by it: extensions
    that are being loaded turn its exception into one of their own."""
    if entry.seen:
        message, code = "interrupted", 128 + entry.seen[0]
    click.echo(f"narrows: {' '.join(message.split())}", err=True)
    return code
