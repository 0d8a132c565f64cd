"""Options that the audit commands share."""

from pathlib import Path

import click

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="NODEHOME",
    help="de map van een gestopte node // the folder of a stopped node",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="waarheen // where to",
)
