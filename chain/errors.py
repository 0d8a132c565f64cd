"""The three kinds of wrong (architecture D15), and the codes that receipts and the log record.

    ChainError
    ├── Malformed   the peer's fault: bytes that no honest node or wallet would send
    └── Reject      the sender's fault: a call is undone and its receipt says `code`

Anything else that goes wrong in the core is an assertion: this program's own bug, and it stops.
The sentences for people stand in `chain/texts.py`; they may change in any release, codes never.
"""

from enum import Enum


class ChainError(Exception):
    """Base of the errors that are not this program's own fault."""


class Malformed(ChainError):
    """The peer's fault: bytes that no honest node would send. Drop them and count the peer."""


class Code(Enum):
    """Why a call was refused. Its number is in the log, hence consensus: append, never rename.

    Numbers and ranges are those of interfaces 1.5.1; one reason has one number (economy B7).
    """

    TX_MALFORMED = ("tx.malformed", 2001)
    TX_SIGNATURES = ("tx.signatures", 2002)
    TX_CHAIN = ("tx.chain", 2003)
    TX_EXPIRED = ("tx.expired", 2004)
    TX_TOO_EARLY = ("tx.too-early", 2005)
    TX_REPLAYED = ("tx.replayed", 2006)
    TX_QUOTA = ("tx.quota", 2007)
    TX_UNKNOWN_ACCOUNT = ("tx.unknown-account", 2008)
    TX_UNKNOWN_ID = ("tx.unknown-id", 2009)
    TX_TEXT = ("tx.text", 2010)
    TX_TRIPPED = ("tx.tripped", 2011)
    TX_AMOUNT = ("tx.amount", 2101)
    TX_ROLE = ("tx.role", 2112)

    COIN_FROZEN = ("coin.frozen", 2102)
    COIN_MODE_CAP = ("coin.mode-cap", 2103)
    COIN_LOW_BALANCE = ("coin.low-balance", 2104)
    COIN_DENOM = ("coin.denom", 2105)
    COIN_WALLET_LIMIT = ("coin.wallet-limit", 2108)
    COIN_SELF = ("coin.self", 2109)
    COIN_USED = ("coin.used", 2110)
    COIN_NO_ENTRY = ("coin.no-entry", 2111)
    COIN_AMOUNT = ("coin.amount", 2113)
    COIN_SIDE = ("coin.side", 2114)
    COIN_CURRENCY = ("coin.currency", 2115)
    COIN_ALLOWANCE = ("coin.allowance", 2116)
    COIN_BLOCKED = ("coin.blocked", 2117)
    COIN_NOT_TREASURY = ("coin.not-treasury", 2118)
    COIN_GAP = ("coin.gap", 2119)
    COIN_OPENING = ("coin.opening", 2120)
    COIN_SUM = ("coin.sum", 2121)
    COIN_SEEN_ENTRY = ("coin.seen-entry", 2122)
    COIN_UNKNOWN_RESERVE = ("coin.unknown-reserve", 2123)
    COIN_KIND = ("coin.kind", 2124)
    COIN_OTHER_WIJK = ("coin.other-wijk", 2125)
    COIN_NOT_CONTRACTED = ("coin.not-contracted", 2126)
    COIN_NO_BASIS = ("coin.no-basis", 2127)
    COIN_EXPIRED = ("coin.expired", 2128)
    COIN_LINK = ("coin.link", 2129)
    COIN_DONE = ("coin.done", 2130)
    COIN_BATCHED = ("coin.batched", 2131)
    COIN_TOTAL = ("coin.total", 2132)
    COIN_PAID = ("coin.paid", 2133)
    COIN_NOT_BATCHED = ("coin.not-batched", 2134)
    COIN_EXCEEDS = ("coin.exceeds", 2135)
    COIN_CLOSED_PERIOD = ("coin.closed-period", 2136)
    COIN_NOT_PARTY = ("coin.not-party", 2137)
    COIN_OWN_ACCOUNT = ("coin.own-account", 2138)
    COIN_TOO_LONG = ("coin.too-long", 2139)
    COIN_NO_ORDER = ("coin.no-order", 2140)
    COIN_NOT_OWN_WIJK = ("coin.not-own-wijk", 2141)

    ACCOUNTS_NO_PROOF = ("accounts.no-proof", 2301)
    ACCOUNTS_LAST_KEY = ("accounts.last-key", 2302)
    ACCOUNTS_THRESHOLD = ("accounts.threshold", 2303)
    ACCOUNTS_SAME_HOLDER = ("accounts.same-holder", 2304)
    ACCOUNTS_BOARD_ACCOUNT = ("accounts.board-account", 2305)
    ACCOUNTS_NOT_SHARED = ("accounts.not-shared", 2306)
    ACCOUNTS_NESTED = ("accounts.nested", 2307)
    ACCOUNTS_TOO_LONG = ("accounts.too-long", 2308)
    ACCOUNTS_DONE = ("accounts.done", 2309)
    ACCOUNTS_EXPIRED = ("accounts.expired", 2310)
    ACCOUNTS_ALREADY_APPROVED = ("accounts.already-approved", 2311)
    ACCOUNTS_REVOKED_KEY = ("accounts.revoked-key", 2312)
    ACCOUNTS_NOT_PARTY = ("accounts.not-party", 2313)

    MEMBERS_EXISTS = ("members.exists", 2321)
    MEMBERS_BAD_AREA = ("members.bad-area", 2322)
    MEMBERS_SMALL_AREA = ("members.small-area", 2323)
    MEMBERS_FLAGS = ("members.flags", 2324)
    MEMBERS_UNSORTED = ("members.unsorted", 2325)
    MEMBERS_MODE = ("members.mode", 2326)
    MEMBERS_BAD_CODE = ("members.bad-code", 2327)
    MEMBERS_NO_GUARDIANS = ("members.no-guardians", 2328)
    MEMBERS_PENDING = ("members.pending", 2329)
    MEMBERS_BALANCE = ("members.balance", 2330)
    MEMBERS_NO_HEARING = ("members.no-hearing", 2331)
    MEMBERS_ACTIVE = ("members.active", 2332)

    WIJK_EXISTS = ("wijk.exists", 2341)
    WIJK_BAD_CODE = ("wijk.bad-code", 2342)
    WIJK_BAD_CURRENCY = ("wijk.bad-currency", 2343)
    WIJK_NO_PROOF = ("wijk.no-proof", 2344)
    WIJK_UNKNOWN = ("wijk.unknown", 2345)
    WIJK_BOUNDS = ("wijk.bounds", 2346)
    WIJK_TOO_SOON = ("wijk.too-soon", 2347)
    WIJK_NO_DECISION = ("wijk.no-decision", 2348)
    WIJK_HOLDERS = ("wijk.holders", 2349)
    WIJK_SET_CHANGE = ("wijk.set-change", 2350)
    WIJK_EXPIRED = ("wijk.expired", 2351)
    WIJK_NESTED = ("wijk.nested", 2352)
    WIJK_NOT_FEDERAL = ("wijk.not-federal", 2353)
    WIJK_DONE = ("wijk.done", 2354)
    WIJK_ALREADY_VOTED = ("wijk.already-voted", 2355)
    WIJK_NOT_RECENT = ("wijk.not-recent", 2356)

    TRADE_CAP = ("trade.cap", 2106)
    TRADE_NO_PACT = ("trade.no-pact", 2501)
    TRADE_SUSPENDED = ("trade.suspended", 2502)
    TRADE_SCOPE = ("trade.scope", 2503)

    ELECTION_BAD_PROOF = ("election.bad-proof", 2204)
    ELECTION_MANIFEST = ("election.manifest", 2206)
    ELECTION_BAD_POINT = ("election.bad-point", 2216)
    ELECTION_BAD_SHARE = ("election.bad-share", 2217)
    ELECTION_SIZE = ("election.size", 2218)
    ELECTION_OPENING = ("election.opening", 2219)
    ELECTION_COUNTS = ("election.counts", 2220)
    ELECTION_TOO_FEW_SHARES = ("election.too-few-shares", 2221)
    ELECTION_UNSORTED = ("election.unsorted", 2222)
    ELECTION_PHASE = ("election.phase", 2205)
    ELECTION_CALENDAR = ("election.calendar", 2250)
    ELECTION_TRUSTEES = ("election.trustees", 2251)
    ELECTION_METHOD = ("election.method", 2252)
    ELECTION_SECONDERS = ("election.seconders", 2253)
    ELECTION_LATE = ("election.late", 2254)
    ELECTION_DOUBLE = ("election.double", 2255)
    ELECTION_TOO_MANY = ("election.too-many", 2256)
    ELECTION_NOT_READY = ("election.not-ready", 2257)
    ELECTION_NOT_OPEN = ("election.not-open", 2258)
    ELECTION_NOT_LISTED = ("election.not-listed", 2259)
    ELECTION_SPOILED = ("election.spoiled", 2260)
    ELECTION_SEEN = ("election.seen", 2261)
    ELECTION_CAST = ("election.cast", 2262)
    ELECTION_TOO_EARLY = ("election.too-early", 2263)
    ELECTION_DONE = ("election.done", 2264)
    ELECTION_NOT_TALLIED = ("election.not-tallied", 2265)
    ELECTION_TOO_LATE = ("election.too-late", 2266)
    ELECTION_ORDER = ("election.order", 2267)

    STATS_TOO_EARLY = ("stats.too-early", 2751)
    STATS_DONE = ("stats.done", 2752)

    POLICY_CLAUSE = ("policy.clause", 2107)
    POLICY_LAW = ("policy.law", 2401)
    POLICY_PARAMS = ("policy.params", 2402)
    POLICY_VERSION = ("policy.version", 2403)
    POLICY_DONE = ("policy.done", 2404)
    POLICY_MANDATE = ("policy.mandate", 2405)
    POLICY_NOT_ACTIVE = ("policy.not-active", 2406)
    POLICY_DENOM = ("policy.denom", 2407)
    POLICY_AMOUNT = ("policy.amount", 2408)
    POLICY_NOT_VERIFIED = ("policy.not-verified", 2409)
    POLICY_OWN_CASE = ("policy.own-case", 2410)
    POLICY_UNSORTED = ("policy.unsorted", 2411)
    POLICY_SEEN = ("policy.seen", 2412)
    POLICY_PENDING = ("policy.pending", 2413)
    POLICY_DRAFTS = ("policy.drafts", 2414)

    GOVERNANCE_NOT_OPEN = ("governance.not-open", 2201)
    GOVERNANCE_NOT_ELIGIBLE = ("governance.not-eligible", 2202)
    GOVERNANCE_DONE = ("governance.done", 2203)
    GOVERNANCE_SECRET = ("governance.secret", 2207)
    GOVERNANCE_WINDOW = ("governance.window", 2208)
    GOVERNANCE_CLASS = ("governance.class", 2209)
    GOVERNANCE_ACTION = ("governance.action", 2210)
    GOVERNANCE_OWN = ("governance.own", 2211)
    GOVERNANCE_ALREADY = ("governance.already", 2212)
    GOVERNANCE_TOO_EARLY = ("governance.too-early", 2213)
    GOVERNANCE_TOO_LATE = ("governance.too-late", 2214)
    GOVERNANCE_NOT_PASSED = ("governance.not-passed", 2215)
    GOVERNANCE_DUPLICATE = ("governance.duplicate", 2240)

    BOARD_DONE = ("board.done", 2361)
    BOARD_RECENT = ("board.recent", 2362)
    BOARD_ALL = ("board.all", 2363)
    BOARD_NEVER = ("board.never", 2364)
    BOARD_TOO_LONG = ("board.too-long", 2365)
    BOARD_NOT_TRIPPED = ("board.not-tripped", 2366)
    BOARD_NOT_ELECTED = ("board.not-elected", 2367)
    BOARD_NO_PROOF = ("board.no-proof", 2368)
    BOARD_OBJECTION_OPEN = ("board.objection-open", 2369)
    BOARD_NOT_NEXT = ("board.not-next", 2370)

    REGISTRY_NO_DECISION = ("registry.no-decision", 2701)
    REGISTRY_BACK_DATED = ("registry.back-dated", 2702)
    REGISTRY_SCHEMA = ("registry.schema", 2703)
    REGISTRY_NO_ADDITIONALITY = ("registry.no-additionality", 2704)
    REGISTRY_MANDATE = ("registry.mandate", 2705)
    REGISTRY_IN_USE = ("registry.in-use", 2706)

    def __init__(self, reason: str, number: int) -> None:
        self.reason = reason
        self.number = number


# Rules of inclusion (interfaces 1.5): a block that holds such a transaction is invalid.
INCLUSION_NUMBERS = range(2001, 2009)
INCLUSION_CODES = frozenset(code for code in Code if code.number in INCLUSION_NUMBERS)

Param = int | str


class Reject(ChainError):
    """The sender's fault: the call is undone and its receipt says `code`.

    `params` are the numbers and words that the sentence for people needs, in catalogue names
    (`balance_cents`, `remaining_cents`). Only the number of `code` is hashed.
    """

    def __init__(self, code: Code, **params: Param) -> None:
        said = "".join(f" {name}={value}" for name, value in sorted(params.items()))
        super().__init__(f"{code.reason}{said}")
        self.code = code
        self.params = params


def require(condition: bool, code: Code, **params: Param) -> None:
    """Raise `Reject(code, **params)` unless `condition` holds."""
    if not condition:
        raise Reject(code, **params)
