"""Has other programs count the drawn elections, and writes what they found for the tests.

They need a hundred megabytes of packages that nothing else here uses, so run this in an
environment of its own: `pip install pref_voting abcvoting pynacl msgspec`, then
`python -m tests.record_counting`. APPROVAL is counted by abcvoting (AV), SCORE and STV by
pref_voting (`stv_meek`: floats, Meek's rule as first published, without the reference rounding).
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chain.counting import tie_break
from tests.drawn_elections import ELECTIONS, Drawn, approval, rankings, scores

RECORDED = Path(__file__).parent / "vectors" / "counting.json"


def count_approval(drawn: Drawn) -> list[list[int]]:
    """Return every committee that approval allows: more than one where there is a tie."""
    from abcvoting import abcrules
    from abcvoting.preferences import Profile

    profile = Profile(drawn.options)
    profile.add_voters([[option - 1 for option in ballot] for ballot in drawn.ballots])
    found = abcrules.compute_av(profile, committeesize=drawn.seats)
    return sorted(sorted(option + 1 for option in committee) for committee in found)


def count_scores(drawn: Drawn) -> list[int]:
    """Return the sum of the points of every option."""
    from pref_voting.grade_profiles import GradeProfile

    grades = [dict(enumerate(ballot, 1)) for ballot in drawn.ballots]
    profile = GradeProfile(grades, list(range(6)), candidates=list(range(1, drawn.options + 1)))
    return [int(profile.sum(option)) for option in range(1, drawn.options + 1)]


def count_rankings(drawn: Drawn) -> list[int]:
    """Return who is elected by Meek's rule; ties as E8 has them."""
    from pref_voting.profiles_with_ties import ProfileWithTies
    from pref_voting.proportional_methods import stv_meek

    ranks: list[dict[int, int]] = [
        {option: place for place, option in enumerate(ballot, 1)} for ballot in drawn.ballots
    ]
    profile = ProfileWithTies(ranks, candidates=list(range(1, drawn.options + 1)))
    elected: list[Any] = stv_meek(
        profile,
        num_seats=drawn.seats,
        tol=1e-7,  # of a vote
        max_iter=100,  # its 2,000 are used up wherever a winner cannot keep a quota
        tie_break_key=lambda option: tie_break(drawn.beacon, option),
    )
    return sorted(int(option) for option in elected)


def main() -> None:
    """Write what they found."""
    numbers = range(ELECTIONS)
    found = {
        "by": {name: version(name) for name in ("abcvoting", "pref_voting")},
        "approval": [count_approval(approval(number)) for number in numbers],
        "score": [count_scores(scores(number)) for number in numbers],
        "stv": [count_rankings(rankings(number)) for number in numbers],
    }
    rows = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    RECORDED.write_text("{" + ",\n".join(rows) + "}\n")


if __name__ == "__main__":
    main()
