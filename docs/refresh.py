"""Write anew what the documents take from the code: the list of modules in CONTRIBUTING.md, the example in FORMAT.md.

`python docs/refresh.py` rewrites both files; a test holds that there is nothing to rewrite.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np

import narrows

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "narrows"
# In the order of imports: each may import those before it.
FOLDERS = (
    "io data degradations entropy archive networks models training codecs tasks evaluation sklearn cli"
).split()
_ROW = re.compile(r" *\d+  ((?:[0-9A-F]{2} )+) *(.*)")


def modules() -> str:
    """The modules of each folder as a Markdown list, each with the beginning of its docstring."""
    lines = ["", "- **narrows/** " + ", ".join(f"`{path.name}`" for path in _files(PACKAGE))]
    for folder in filter(lambda name: (PACKAGE / name).is_dir(), FOLDERS):
        lines.append(f"- **{folder}/**")
        lines += [f"    - `{path.name}` {_sentence(path)}" for path in _files(PACKAGE / folder)]
    return "\n".join([*lines, "", ""])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def _sentence(path: Path) -> str:
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    return re.split(r"\. |; ", text)[0].removesuffix(".").replace("`", "")


def smallest_archive() -> bytes:
    """An archive of one grey pixel of value 42, exact and without a model: the example of FORMAT.md."""
    return narrows.Codec(max_error=0).compress([np.full((1, 1, 1), 42, np.uint8)])


def example(table: str) -> str:
    """The rows of the example with offsets and bytes as they are now; each row keeps its number of bytes."""
    data, at, lines = smallest_archive(), 0, []
    for line in table.splitlines():
        row = _ROW.fullmatch(line)
        if row is not None:
            size = len(row[1]) // 3
            line = f"{at:6}  {data[at : at + size].hex(' ').upper():<23}  {row[2]}"
            at += size
        lines.append(line)
    if at != len(data):
        raise SystemExit(f"FORMAT.md: the example has {at} bytes, the archive {len(data)}; change its rows by hand")
    return "\n".join([*lines, ""])


def refreshed() -> dict[Path, str]:
    """What the documents should be."""
    guide, format_ = ROOT / "CONTRIBUTING.md", ROOT / "FORMAT.md"
    return {
        guide: re.sub(
            r"(?<=<!-- modules -->\n).*?(?=<!-- end -->)", lambda _: modules(), guide.read_text(), flags=re.DOTALL
        ),
        format_: re.sub(
            r"(?<=```text\noffset).*?(?=```)", lambda rows: example(rows[0]), format_.read_text(), flags=re.DOTALL
        ),
    }


if __name__ == "__main__":
    for path, text in refreshed().items():
        path.write_text(text)
