"""The server from which a file is downloaded."""

import pytest
from support.publisher import Publisher
from support.servers import serving


@pytest.fixture
def server():
    with serving(Publisher()) as publisher:
        yield publisher
