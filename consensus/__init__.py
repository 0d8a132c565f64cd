"""QBFT, of the PBFT family, as one sans-I/O core. Pure; knows chain/ only."""
