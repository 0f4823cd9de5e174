"""What is called a secret is shown nowhere, whatever letters it is made of and however it is written down."""

import json
import re

import pytest

from winnow.masking import has_secret, masked, without_secrets

#: As they are made by machines and by people; those with a space cannot stand in a text without quotes.
WHOLE = ["QZXQ", "QZX/WKJ+VQG=", "/+=QZX", "=QZX==", 'QZX"WKJ/VQG', "QZX'WKJ"]
CANARIES = [*WHOLE, "QZX WKJ VQG", 'QZX" WKJ/+= VQG']


def hides(text):
    return re.search("QZX|WKJ|VQG", text) is None


@pytest.mark.parametrize("name", ["token", "password", "API_KEY", "fs.s3a.secret.key", "client-secret", "accountKey"])
@pytest.mark.parametrize("canary", CANARIES)
def test_a_secret_that_is_quoted_or_known_as_a_whole_is_masked_whole(name, canary):
    texts = [
        f"found {f'{name}={canary}'!r}",
        f"found {f'x.y={name}: {canary}'!r}, as it is",
        f"found {json.dumps({'a': 'b', name: canary})}",
        f"found { ({'a': 'b', name: canary})!r}",
        f"found {json.dumps({'text': json.dumps({name: canary})})}",
        f"--set {f'importing.options.sep={name}={canary}'!r}: expected a TOML value",
    ]
    for text in texts:
        assert hides(masked(text)), (text, masked(text))
    for value in ({name: canary}, {"x": {"y": [f"{name}={canary}"]}}, [f'{name}: "{canary}"']):
        assert hides(str(masked(value))), masked(value)
    for words in ([f"--set=x.{name}={canary}"], ["--set", f"x.y={name}:{canary}"], [f"--{name}", canary]):
        assert hides(str(without_secrets(words))), without_secrets(words)


@pytest.mark.parametrize("canary", WHOLE)
def test_a_secret_without_quotes_ends_at_a_space(canary):
    for text in (
        f"/data/token={canary}: no such file",
        f"password = {canary}: no such file",
        f"--api-key {canary} no such file",
    ):
        told = masked(text)
        assert hides(told), (text, told)
        assert "no such file" in told


@pytest.mark.parametrize("password", ["QZX", "QZX/WKJ+VQG=", "QZX@WKJ", 'QZX"WKJ', "12345QZX", "QZX:1"])
@pytest.mark.parametrize("user", ["key", ""])
def test_the_password_of_a_url_is_masked_and_its_host_is_not(user, password):
    url = f"s3a://{user}:{password}@bucket/examples"
    assert masked(f"at {url} there is none") == f"at s3a://{user}:***@bucket/examples there is none"
    assert masked({"uri": url}) == {"uri": f"s3a://{user}:***@bucket/examples"}
    assert without_secrets(["--root", url]) == ["--root", f"s3a://{user}:***@bucket/examples"]


@pytest.mark.parametrize(
    "text",
    [
        "abfss://container@account.dfs.core.windows.net/examples",
        "hdfs://namenode:8020/user/somebody@example.org/examples",
        "sc://localhost:15002",
        "2026-01-05: expected impressions at /data/tokens (version 3), found no row.",
        "a place without a password or key in it",
        "--set sampling.seed=7",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert masked(text) == text
    assert not has_secret(text)


def test_settings_that_only_have_such_a_name_stay():
    config = {"labels": {"token_used": {"kind": "action", "actions": ["used"]}}, "columns": {"user_id": "user_token"}}
    assert masked(config) == config
