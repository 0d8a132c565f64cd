"""One file = one built-in contract; the table of them stands here. Pure; knows chain/ only."""
