"""Passwords are not shown."""

import pytest

from runtime.process.redact import without_credentials


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("nats://bob:s3cret@h:4222", "nats://bob@h:4222"),
        ("nats://bob:s3cret@h:4222,nats://token@g:4222", "nats://bob@h:4222,nats://g:4222"),
        ("nats://h:4222", "nats://h:4222"),
        ("postgresql://u:s3cret@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://u@/d?host=%2Ftmp", "postgresql://u@/d?host=%2Ftmp"),
        ("postgresql://h/d?user=u&password=s3cret&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("host=h password=s3cret dbname=d", "host=h password=*** dbname=d"),
        ("host=h password = 's3 \\' cret' dbname=d", "host=h password = *** dbname=d"),
    ],
)
def test_without_credentials(address: str, shown: str) -> None:
    assert without_credentials(address) == shown
