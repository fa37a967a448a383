"""What looks like a secret does not reach a run file; what does not, stays."""

from __future__ import annotations

import pytest

from liebench.facts.secrets import hidden, hidden_words


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mysql --password=hunter2 -u me", "mysql --password=(redacted) -u me"),
        ("mysql --password hunter2 -u me", "mysql --password (redacted) -u me"),
        ("env API_TOKEN=abc123 ./bench", "env API_TOKEN=(redacted) ./bench"),
        ("curl -H 'x' --api-key 'a b' y", "curl -H 'x' --api-key (redacted) y"),
        ('PGPASSWORD="a b" psql', "PGPASSWORD=(redacted) psql"),
        ("ab https://user:hunter2@example.org/x", "ab https://user:(redacted)@example.org/x"),
        ("aws.secretKey=x", "aws.secretKey=(redacted)"),
        ("sort --key 2 file", "sort --key (redacted) file"),  # rather once too often
        ("./bench --threads=4 --size 3", "./bench --threads=4 --size 3"),
        ("monkey business", "monkey business"),
        ("", ""),
    ],
)
def test_secrets_are_hidden(text: str, kept: str) -> None:
    assert hidden(text) == kept
    assert hidden(kept) == kept


def test_a_flags_value_is_the_next_word() -> None:
    words = ["liebench", "try", "--token", "abc", "--with", "x --secret=y z", "--password", "--quick"]
    assert hidden_words(words) == [
        *("liebench", "try", "--token", "(redacted)", "--with", "x --secret=(redacted) z", "--password", "--quick"),
    ]
