"""The subcommands of `ringlined`, one file each."""
