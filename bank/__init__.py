"""Bank files as typed values: camt.053 statements and entry ids. Pure; knows chain/ only."""
