"""The payout desk's choice: nobody keeps others waiting (economy C13, C14)."""

from bank.pain001 import PAYMENTS_MAX, Payout
from wallet.payout import NotOpen, gather


def rows(count: int, due: str) -> list[dict[str, object]]:
    return [
        {"redemption_id": f"{due[-2:]}{number:062x}", "status": "open", "due_on": due}
        for number in range(count)
    ]


def pay(name: str) -> Payout:
    return Payout(request=bytes.fromhex(name), iban="NL02ABNA0123456789", name="A", cents=100)


def test_requests_to_no_account_take_no_place_in_a_file_c14() -> None:
    """Three hundred cents that somebody asked to nowhere, all due before anybody else's money."""
    bogus, honest = rows(300, "2026-01-05"), rows(3, "2026-01-06")
    gone = f"05{7:062x}"

    def find(name: str) -> Payout | None:
        if name == gone:
            raise NotOpen
        return pay(name) if name.startswith("06") else None

    found = gather([*honest, *bogus], find)

    assert [payout.request.hex() for payout in found.payouts] == [
        str(row["redemption_id"]) for row in honest
    ]
    assert len(found.unknown) == 299


def test_a_file_takes_as_many_as_a_batch_the_first_due_first_c14() -> None:
    late, soon = rows(150, "2026-01-09"), rows(150, "2026-01-06")
    waits: list[dict[str, object]] = [
        {"redemption_id": "ff" * 32, "status": "open", "due_on": None}
    ]
    batched: list[dict[str, object]] = [
        {"redemption_id": "00" * 32, "status": "batched", "due_on": "2026-01-05"}
    ]

    found = gather([*late, *waits, *soon, *batched], pay)

    assert len(found.payouts) == PAYMENTS_MAX
    assert sum(payout.request.hex().startswith("06") for payout in found.payouts) == 150
    assert found.unknown == []
