"""What of a URL may be shown: the same in a name of its own, in a sentence, in JSON and in another's error."""

import json
import logging
import os
import sys
import threading

import pytest
import requests
import urllib3

from imgpipe import connection_uri
from imgpipe.adapters import download, hypervisor
from imgpipe.cli import discretion, ending
from imgpipe.disclosure import url_without_secrets, without_bare_logins, without_secrets
from imgpipe.errors import HostError, RecipeError
from imgpipe.host import debian_mirror

PASSWORDS = (
    *("s3cret-pw", "p@s3cret", "s3cret/pw", "s3cret#pw", "s3cret?pw", "s3cret pw", "1234@s3cret", "99/s3cret"),
    *("s3cret%2Fpw%40", "sécret-s3cret", "s3cret:pw", "s3cret'pw", "s3cret\\pw", "@s3cret@", "s3cret pw@r d"),
)
each_password = pytest.mark.parametrize("password", PASSWORDS)


def urls(password):
    return (
        f"https://me:{password}@host.example:8443/iso/rocky.iso",
        f"https://me@corp:{password}@host.example:8443/iso/rocky.iso",
        f"https://:{password}@host.example:8443/iso/rocky.iso",
        f"https://me:{password}@host.example:8443/iso/rocky.iso?s3cret=1#s3cret",
    )


@each_password
def test_a_url_is_shown_without_its_login_and_query(password):
    for url in urls(password):
        assert url_without_secrets(url) == "https://host.example:8443/iso/rocky.iso"


@each_password
def test_a_url_in_a_sentence_or_in_json_has_no_secret(password):
    for url in urls(password):
        told = without_secrets(f"The file '{url}' is not there.")
        assert "s3cret" not in told
        assert told.startswith("The file 'https://(secret)@host.example:8443/iso/rocky.iso")
        assert told.endswith("' is not there.")
        for ascii_only in (True, False):
            told = without_secrets(json.dumps({"a": [url, "x@y"], "b": f"{url}\nx@y"}, ensure_ascii=ascii_only))
            assert "s3cret" not in told
            assert json.loads(told)["a"][1] == "x@y"
            assert json.loads(told)["b"].endswith("\nx@y")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://t0ken@host/x.iso", "https://host/x.iso"),
        ("https://t0ken#x@host/x.iso", "https://host/x.iso"),
        ("https://host/x.iso?t0ken", "https://host/x.iso"),
        ("https://host/x.iso?a=1&X-Amz-Signature=t0ken", "https://host/x.iso"),
        ("https://host/x.iso#t0ken", "https://host/x.iso"),
        ("qemu+ssh://root:t0ken@host/system", "qemu+ssh://host/system"),
        ("qemu+tls://t0ken@host/system?pkipath=/t0ken", "qemu+tls://host/system"),
        ("https://me:t0ken\\n@host/x.iso", "https://host/x.iso"),
        ("me:t0ken@proxy:3128", "proxy:3128"),
    ],
)
def test_tokens_are_not_shown(url, shown):
    assert url_without_secrets(url) == shown
    assert "t0ken" not in without_bare_logins(f"cannot use '{url}': refused")
    assert "t0ken" not in without_bare_logins(json.dumps([url, {"x": url}]))


@pytest.mark.parametrize(
    "url",
    [
        *("https://host/a@b", "http://host:8080/x.iso", "file:///srv/a@b.iso", "/srv/a@b:c.iso", "http://[::1]:80/x"),
        *("rocky-?.iso", "qemu:///system", "qemu+ssh://root@host/system", "demo@20260301.1"),
    ],
)
def test_what_has_no_secret_is_shown_whole(url):
    assert url_without_secrets(url) == url
    assert without_secrets(f"'{url}' is used, see demo@2.") == f"'{url}' is used, see demo@2."


def test_no_error_holds_a_login():
    error = HostError(
        "no 'http://a:s3cret@h/'", hint="see https://h/?s3cret", details=["ftp://s3cret@h", "$6$salt$" + "x" * 86]
    )
    assert str(error) == "no 'http://(secret)@h/'"
    assert (error.hint, error.details) == ("see https://h/?(secret)", ("ftp://(secret)@h", "(secret)"))


@pytest.mark.parametrize("address", ["http://me:s3cret@mirror/debian?", "me:s3cret@mirror", "ftp://me:s3/cret@mirror"])
def test_a_mirror_that_is_refused_is_named_without_its_login(address):
    with pytest.raises(HostError) as caught:
        debian_mirror.parse(address)
    assert "s3" not in str(caught.value)
    assert "mirror" in str(caught.value)


@pytest.mark.parametrize(
    "cause",
    [
        requests.ConnectionError(
            "HTTPSConnectionPool(host='h', port=443): Max retries exceeded with url: /x?s3cret (Caused"
        ),
        requests.exceptions.InvalidProxyURL("Failed to parse: http://me:s3cret@proxy:3128"),
        urllib3.exceptions.ProxySchemeUnknown("me:s3cret@proxy:3128"),
        requests.exceptions.InvalidURL("Failed to parse: me:s3cret@proxy:3128"),
        requests.TooManyRedirects("https://s3cret@elsewhere/x?s3cret=1"),
    ],
)
def test_a_download_that_fails_tells_no_login_of_server_proxy_or_redirect(cause, monkeypatch, tmp_path, caplog):
    def fail(*_arguments, **_more):
        raise requests.RequestException(str(cause))

    monkeypatch.setattr(requests, "get", fail)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(HostError) as caught:
        download.download("http://me:s3/cret@h/x?s3cret", tmp_path / "x", patience=download.Patience(tries=1))
    assert "s3" not in f"{caught.value} {caught.value.details} {caplog.text}"
    assert caught.value.details


def test_a_url_of_another_hosts_file_is_refused_without_its_login():
    with pytest.raises(RecipeError, match=r"'file://other/x\.iso'"):
        download.local_path("file://me:s3cret@other/x.iso")


def test_the_debug_log_and_tracebacks_have_no_secret(capsys, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    ending.keep_logs_plain(debug=True)
    logging.getLogger("urllib3.connectionpool").debug(
        '%s "GET %s HTTP/1.1" 200', "https://me:s3cret@h:443", "/x?s3cret"
    )
    try:
        raise ValueError("me:s3cret@proxy and http://me:s3cret@h/") from ValueError("https://h/?s3cret=1")
    except ValueError as error:
        logging.getLogger("x").exception("failed")
        discretion._show(ValueError, error, error.__traceback__)
    told = capsys.readouterr().err
    assert told.count("Traceback (most recent") == 2
    assert "s3cret" not in told


def test_what_a_thread_throws_is_shown_like_the_rest(capsys, monkeypatch):
    for module, name in ((sys, "excepthook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    before = os.umask(0)
    try:
        discretion.begin()
        assert os.umask(before) == 0o002
    finally:
        os.umask(before)

    def fail():
        raise ValueError("http://me:s3cret@h/ \x1b]0;owned\x07")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    told = capsys.readouterr().err
    assert "ValueError: http://(secret)@h/" in told
    assert "s3cret" not in told
    assert "\x1b" not in told


def test_a_connection_that_is_no_text_is_a_sentence(monkeypatch):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu://me:s3cret@h\udcff/system")
    with pytest.raises(RecipeError, match="no text") as caught:
        connection_uri.chosen_uri(None)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_whatever_opening_a_connection_throws_is_thrown_at_once():
    # Of a NUL the binding makes a ValueError, and nobody may wait for an answer that will not come.
    with pytest.raises(ValueError, match="null"):
        hypervisor._open("test:///\0")
