import pytest
from tests.reference import drawn_bank


@pytest.fixture(scope="session")
def bank(tmp_path_factory):
    return drawn_bank.drawn_bank(tmp_path_factory.mktemp("bank"))
