"""`ringlined migrate`."""

from ringlined.commands.options import ConfigOption, DataOption, configured, ends_plainly


def migrate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Bring the stores to the newest schema. `ringlined up` does so by itself."""
    from backplane.storage.open_sqlite import migrate as migrate_storage  # noqa: PLC0415

    settings = configured(config, data).storage
    with ends_plainly():
        steps = migrate_storage(settings)
    for step in steps:
        print(f"done: {step}")
    if not steps:
        print("nothing to do")
