"""A node of one file for the auditor's tests: the real client talks to it over a real socket.

It serves a made chain from a real store with the node's own functions, and can be told to lie.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chain import log
from chain.codec import encode
from chain.key_text import key_text
from chain.policy import build_policy, write_policy
from chain.proof import write_consistency_proof
from node import views
from node.chainstore import ChainStore, create_chain
from node.store_memory import MemoryStore
from tests.audit.made_chain import MadeChain


class SmallNode:
    """What it serves: `answers` are by path, and a test may put a lie in the place of one."""

    def __init__(self, chain: MadeChain) -> None:
        pairs = MemoryStore({})
        create_chain(pairs, chain.genesis)
        self.store = ChainStore(pairs)
        for block in chain.decided:
            self.store.apply(*block)
        self.chain = chain
        self.lies: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.url = ""

    def answer(self, target: str) -> tuple[int, bytes]:
        """Return status and body of a route."""
        self.asked.append(target)
        parts = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if target in self.lies:
            return self.lies[target]
        if parts.path in self.lies:
            return self.lies[parts.path]
        body = self._body(parts.path, asked)
        if body is None:
            return 404, json.dumps({"code": "WIJK-3007"}).encode()
        return 200, body if isinstance(body, bytes) else body.encode()

    def _body(self, path: str, asked: dict[str, str]) -> bytes | str | None:
        store, chain_id = self.store, self.chain.chain.chain_id
        match path.strip("/").split("/"):
            case ["v1", "genesis"]:
                return self.chain.genesis.canonical
            case ["v1", "status"]:
                return json.dumps({"height": store.tip.height, "ratio": 0.5})
            case ["v1", "policy"]:
                return write_policy(
                    build_policy(
                        chain_id,
                        self.chain.chain.digest,
                        [
                            (first, later[0] - 1 if later else None, members)
                            for (first, members), later in zip(
                                store.eras, [*store.eras[1:], None], strict=True
                            )
                        ],
                    )
                )
            case ["v1", "blocks", ref]:
                raw = store.raw_block(store.tip.height if ref == "latest" else int(ref))
                if raw is None:
                    return None
                header, body, certificate, envelopes = raw
                return encode([header, body, certificate, envelopes if "txs" in asked else None])
            case ["v1", "receipts", name]:
                place = store.place(bytes.fromhex(name.removesuffix(".tlog-proof")))
                if place is None:
                    return None
                return views.receipt_text(store, chain_id, store.envelope(place), place)
            case ["v1", "proofs", "state"]:
                known = {key_text(key): key for key in self.chain.state}
                key = known.get(asked["key"]) or _absent(asked["key"])
                return views.state_proof_text(store, chain_id, key)
            case ["v1", "proofs", "consistency"]:
                return self.consistency(int(asked["from"]), int(asked["to"]))
            case ["log", "checkpoint"]:
                return views.checkpoint_text(store, chain_id, store.tip.height)
            case _:
                return None

    def consistency(self, first: int, last: int) -> str:
        """Return a consistency proof; its newer head is certified if it is that of a block."""
        read = self.store.read_log_node
        roots = [log.root(log.frontier_at(size, read)) for size in (first, last)]
        note = None
        if last == self.store.tip.log_size:
            note = views.checkpoint_text(
                self.store, self.chain.chain.chain_id, self.store.tip.height
            )
        path = log.consistency_path(first, last, read)
        return write_consistency_proof(first, roots[0], last, roots[1], path, to_checkpoint=note)


def _absent(key: str) -> bytes:
    from chain.address import parse_account

    space, *parts = key.split("/")
    return encode((space, *parts[:-1], parse_account(parts[-1])))


@contextmanager
def serve(chain: MadeChain) -> Iterator[SmallNode]:
    """Serve `chain` on a free port of loopback."""
    node = SmallNode(chain)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, body = node.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield node
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
