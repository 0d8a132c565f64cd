"""The world around the core: runtime, mempool, sync, store, links, API and metrics."""
