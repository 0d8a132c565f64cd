"""What a person types for the tag of a payment: what it was for (economy S1)."""

from chain.books import is_known_tag
from chain.records import Tag
from chain.texts import Problem
from wallet.amounts import parse_amount

_PARTS = 3


def read_tag(text: str | None, vat: str | None) -> Tag | None:
    """Return the tag of `SALE`, `SALE/P3` or `SALE/P3/C01`; an empty part is none.

    Raise `Problem` 1001 for what economy S1 does not know, and for VAT without a tag.
    """
    if text is None:
        if vat is not None:
            raise Problem(1001, cause="--vat: --tag")
        return None
    flow, use, product = (*text.split("/", _PARTS - 1), "", "")[:_PARTS]
    tag = Tag(flow, use or None, product or None, 0 if vat is None else parse_amount(vat))
    if not is_known_tag(tag):
        raise Problem(1001, cause=f"--tag {text[:64]}")
    return tag


def tag_text(tag: Tag | None) -> str:
    """Return a tag as it is typed; a dash for none."""
    if tag is None:
        return "-"
    return "/".join((tag.flow, tag.use or "", tag.product or "")).rstrip("/")
