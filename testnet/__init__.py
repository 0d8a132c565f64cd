"""Networks of real processes on one machine: testnet, demo, bench."""
