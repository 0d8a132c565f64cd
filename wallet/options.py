"""Options that the commands of several groups share."""

import click

keys_option = click.option(
    "--key",
    "names",
    metavar="KEY",
    multiple=True,
    help="teken met deze sleutel, vaker mag // sign with this key, may be repeated",
)
