"""The `tierwise` command. Importing it costs nothing but argparse; each subcommand imports what it needs."""

from gateway.cli.parser import main as main
