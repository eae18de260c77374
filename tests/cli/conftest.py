"""What the tests of all commands need."""

from __future__ import annotations

import pytest

from narrows.cli.main import run


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: its exit code, stdout and stderr."""

    def calling(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            run([str(a) for a in arguments])
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return calling
