"""Logs and reports into the catalogue, `performance` and `training_row`: streamed, none lost."""
