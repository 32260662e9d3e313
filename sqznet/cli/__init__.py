"""The command `sqznet`: one module per subcommand, and what they share."""
