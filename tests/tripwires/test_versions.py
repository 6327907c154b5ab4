"""The versions that the tripwires were written for."""

from importlib.metadata import version

import pytest

WRITTEN_FOR = {
    "faust-streaming": "0.15.3",
    "mode-streaming": "0.7.1",  # the services, signals and supervisors under Faust
    "aiokafka": "0.14.0",
    "elasticsearch": "8.19.3",
    "elastic-transport": "8.19.0",  # our HTTP node is a subclass of its node
}


@pytest.mark.parametrize("package", WRITTEN_FOR)
def test_the_installed_version_is_the_one_that_was_examined(package: str) -> None:
    assert version(package) == WRITTEN_FOR[package], (
        f"{package} changed, and that nothing is lost rests on how the old version behaves. Run "
        "tests/tripwires and the faults in tests/pipeline (kills, stops, rebalances), read what "
        "each failure says, and only then change the version here."
    )
