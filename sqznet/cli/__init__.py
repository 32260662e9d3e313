"""The command `sqznet`: one module a subcommand, and what they share."""
