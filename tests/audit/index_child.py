"""A process that writes an index block by block, to be killed: `python -m tests.audit.index_child`.

It prints each height once it is written, and then waits for more.
"""

import sys
import time
from contextlib import closing
from pathlib import Path

from audit.index_base import open_base
from audit.index_run import run_index
from tests.audit.made_chain import make_chain
from tests.audit.made_source import MadeSource

EXTRA = 30  # payments: enough blocks to be killed between them


def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    source = MadeSource(make_chain(extra=EXTRA), 1)

    def sleep(seconds: float) -> None:
        time.sleep(seconds if source.height == len(source.chain.raws) else 0)
        source.height = min(source.read_height() + 1, len(source.chain.raws))

    with closing(open_base(url, folder)) as base:
        for indexed in run_index(source, folder / "client", base, workers=1, sleep=sleep):
            print(indexed.mark.height, flush=True)


if __name__ == "__main__":
    main()
