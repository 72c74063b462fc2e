"""The options of each command, as the parser returns them. A command imports its own only."""
