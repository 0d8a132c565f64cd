"""What an election costs: `python -m tests.election_bench [VOTERS]`, in seconds of processor time.

7 options, up to 5 of them; first ballots without and with a blank vote, then a whole election with
its bundle, which the independent verifier checks.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.elections.check import verify
from audit.elections.wire import read_bundle
from chain.ballot import check_ballot
from chain.crypto import public_key
from chain.tally import add_ballot, check_counts, check_shares, find_counts, open_sums, start_sums
from tests.audit import made_bundle as made
from tests.made_election import fixed_manifest, hold_ceremony, seed_of
from wallet.ballots import choose, make_ballot
from wallet.trustee import make_shares

SAMPLE = 100
VOTERS = 4_000


@contextmanager
def timed(times: dict[str, float], name: str, per: int = 0) -> Iterator[None]:
    """Note seconds of processor time; milliseconds a piece where there are pieces."""
    begun = time.process_time()
    yield
    spent = time.process_time() - begun
    times[name] = round(1000 * spent / per, 2) if per else round(spent, 2)
    sys.stderr.write(f"{name}: {times[name]}\n")


def time_ballots(times: dict[str, float], name: str, low: int, blank: int) -> None:
    """Make and check ballots of one kind."""
    fixed = fixed_manifest(hold_ceremony(), min=low, max=5, blank=blank)
    keys = [public_key(seed_of(f"bench {number}")) for number in range(SAMPLE)]
    choices = [choose(fixed, [1 + n % 7, 1 + (n + 3) % 7]) for n in range(SAMPLE)]
    pairs = list(zip(keys, choices, strict=True))
    with timed(times, f"{name}: make and check own ballot, ms", SAMPLE):
        ballots = [make_ballot(fixed, key, values).data for key, values in pairs]
    with timed(times, f"{name}: check, ms", SAMPLE):
        checked = [check_ballot(fixed, key, data) for key, data in zip(keys, ballots, strict=True)]
    sums = start_sums(len(fixed.slots))
    with timed(times, f"{name}: add to the sums, ms", SAMPLE):
        for ballot in checked:
            sums = add_ballot(sums, ballot.ciphertexts)


def time_election(times: dict[str, float], voters: int) -> None:
    """Hold an election, tally it, and verify its bundle."""
    held = made.begin(options=7, voters=voters, max=5)
    last = {}
    with timed(times, f"{voters} ballots made, s"):
        for voter in range(voters):
            last[voter] = made.cast(held, voter, [1 + voter % 7, 1 + (voter + 3) % 7])
    made.close(held)
    sums = start_sums(len(held.fixed.slots))
    with timed(times, f"{voters} ballots checked and added up, s"):
        for voter, data in last.items():
            ballot = check_ballot(held.fixed, public_key(held.seeds[voter]), data)
            sums = add_ballot(sums, ballot.ciphertexts)
    with timed(times, "shares of one trustee, s"):
        first = make_shares(held.fixed, 1, held.ceremony.secrets[1], sums)
    shares = {1: first} | {
        number: make_shares(held.fixed, number, held.ceremony.secrets[number], sums)
        for number in (3, 5)
    }
    with timed(times, "shares of one trustee checked, s"):
        check_shares(held.fixed, 1, sums, first)
    with timed(times, "counts found, s"):
        counts = find_counts(open_sums(held.fixed, sums, shares), voters)
    with timed(times, "counts checked, s"):
        check_counts(held.fixed, voters, sums, shares, counts)
    made.count(held, last)
    with tempfile.TemporaryDirectory() as folder:
        path = held.write(Path(folder) / "bundle")
        size = sum(file.stat().st_size for file in path.iterdir())
        times["size of the bundle, MB"] = round(size / 1e6, 1)
        with timed(times, "bundle verified by the independent program, s"):
            report = verify(read_bundle(path))
        assert report.findings == [], report.findings[:3]


def main() -> None:
    """Print the figures as JSON."""
    times: dict[str, float] = {}
    time_ballots(times, "0..5", 0, 0)
    time_ballots(times, "1..5 or blank", 1, 1)
    time_election(times, int(sys.argv[1]) if len(sys.argv) > 1 else VOTERS)
    sys.stdout.write(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()
