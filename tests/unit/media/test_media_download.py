import contextlib
import gc
import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imgpipe.adapters.download import Patience, download, fetch_small
from imgpipe.errors import HostError, RecipeError
from imgpipe.media.cache import downloaded
from imgpipe.media.checksums import Checksum
from imgpipe.urls import file_name, local_path, without_login

DATA = random.Random(3).randbytes(3_500_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
AT_ONCE = Patience(tries=3, first_pause_s=0)


class Handler(BaseHTTPRequestHandler):
    """Serves DATA at any path; `server.mischief` lists what to do wrong, one entry a request."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        mischief = server.mischief.pop(0) if server.mischief else ""
        if isinstance(mischief, int):
            self.send_error(mischief)
            return
        start, code = 0, 200
        asked = self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range") == server.tag:
            start, code = int(asked.removeprefix("bytes=").rstrip("-")), 206
        self.send_response(code)
        if code == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        self.send_header("Content-Length", str(len(server.data) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        body = server.data[start:]
        self.wfile.write(body[: len(body) // 2] if mischief == "break" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.tag, server.ranges, server.mischief, server.requests = DATA, '"v1"', True, [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/pub/medium.iso"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_whole_transfer_gives_its_digest_and_reports_its_progress(server, tmp_path):
    seen = []
    assert download(server.url, tmp_path / "p", lambda done, total: seen.append((done, total))) == DIGEST
    assert (tmp_path / "p").read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))
    assert len(seen) >= 4


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.mischief = ["break"]
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == DIGEST
    first, second = server.requests
    assert first is None
    assert int(second.removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / "p").read_bytes() == DATA


def test_a_later_run_goes_on_as_well(server, tmp_path):
    server.mischief = ["break"]
    with pytest.raises(HostError, match="cannot be downloaded"):
        download(server.url, tmp_path / "p", patience=Patience(tries=1))
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == DIGEST
    assert server.requests[1] is not None


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges, server.mischief = False, ["break"]
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == DIGEST
    assert (tmp_path / "p").read_bytes() == DATA


def test_a_file_that_changed_meanwhile_starts_again(server, tmp_path):
    server.mischief = ["break"]
    with pytest.raises(HostError):
        download(server.url, tmp_path / "p", patience=Patience(tries=1))
    server.data, server.tag = b"another" * 100_000, '"v2"'
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == hashlib.sha256(server.data).hexdigest()


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_a_part_that_nothing_strong_identifies_is_not_resumed(server, tmp_path, tag):
    server.tag, server.mischief = tag, ["break"]
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == DIGEST
    assert server.requests == [None, None]


def test_a_part_of_another_url_is_not_resumed(server, tmp_path):
    server.mischief = ["break"]
    with pytest.raises(HostError):
        download(server.url, tmp_path / "p", patience=Patience(tries=1))
    assert download(server.url + "2", tmp_path / "p", patience=AT_ONCE) == DIGEST
    assert server.requests[1] is None


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.mischief = [503, 500]
    assert download(server.url, tmp_path / "p", patience=AT_ONCE) == DIGEST


def test_tries_are_bounded(server, tmp_path):
    server.mischief = [503] * 10
    with pytest.raises(HostError, match="cannot be downloaded") as caught:
        download(server.url, tmp_path / "p", patience=AT_ONCE)
    assert len(server.requests) == 3
    assert "503" in caught.value.details[0]


LIES = {
    "a redirect to no address": b"302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    "a redirect to no host name": b"302 Found\r\nLocation: http://" + b"a" * 70 + b"..b/\r\n\r\n",
    "a redirect to no port": b"302 Found\r\nLocation: http://127.0.0.1:99999999/\r\n\r\n",
    "a redirect in no letters": b"302 Found\r\nLocation: http://127.0.0.1:1/\xff\xfe\r\n\r\n",
    "a redirect to a file": b"302 Found\r\nLocation: file:///etc/shadow\r\nContent-Length: 0\r\n\r\n",
    "a chunk of negative length": b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
    "no HTTP": b"\x1b[31m\r\n\r\n",
    "a file that ends early": b"200 OK\r\nContent-Length: 9\r\n\r\nabc",
    "headers without an end": b"200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
}
EMPTY = {"no content": b"204 No\r\n\r\n", "not modified": b"304 No\r\n\r\n", "a range": b"416 No\r\n\r\n"}


class Liar:
    """A server that answers each request with the bytes of `lie`, and hangs up."""

    def __init__(self, listening):
        self.lie = b""
        self.url = f"http://me:s3cret@127.0.0.1:{listening.getsockname()[1]}/medium.iso?s3cret"
        self._listening = listening

    def serve(self):
        while True:
            connection, _ = self._listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                request = b""
                while b"\r\n\r\n" not in request:
                    if not (part := connection.recv(65536)):
                        return
                    request += part
                connection.sendall(b"HTTP/1.1 " + self.lie)


@pytest.fixture
def liar() -> Iterator[Liar]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        liar = Liar(listening)
        thread = threading.Thread(target=liar.serve)
        thread.start()
        yield liar
        # Who says nothing ends it.
        socket.create_connection(listening.getsockname()).close()
        thread.join()


# requests leaves the connection of a redirect that it cannot follow to the garbage collector, which tells of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("lie", LIES)
def test_whatever_a_server_says_is_a_sentence(liar, tmp_path, lie):
    liar.lie = LIES[lie]
    for get in (fetch_small, lambda url: download(url, tmp_path / "p", patience=Patience(tries=1))):
        with pytest.raises(HostError, match="cannot be downloaded") as caught:
            get(liar.url)
        assert "s3cret" not in f"{caught.value} {caught.value.details}"
        del caught
        gc.collect()


@pytest.mark.parametrize("answer", EMPTY)
def test_an_answer_without_the_file_is_not_the_file(liar, tmp_path, answer):
    liar.lie = EMPTY[answer]
    for get in (fetch_small, lambda url: download(url, tmp_path / "p", patience=Patience(tries=1))):
        with pytest.raises(RecipeError, match="refused"):
            get(liar.url)


def test_a_length_of_5000_digits_is_no_length(liar, tmp_path):
    liar.lie = b"200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc"
    assert download(liar.url, tmp_path / "p", patience=Patience(tries=1)) == hashlib.sha256(b"abc").hexdigest()


def test_what_is_remembered_of_a_part_has_no_login_and_no_token(server, tmp_path):
    server.mischief = ["break"]
    url = server.url.replace("http://", "http://me:s3cret@") + "?token=s3cret"
    with pytest.raises(HostError):
        download(url, tmp_path / "p", patience=Patience(tries=1))
    assert [path.name for path in tmp_path.iterdir() if b"s3cret" in path.read_bytes()] == []
    # Another login, or a token that was renewed, goes on where the old one stopped.
    assert download(server.url + "?token=other", tmp_path / "p", patience=AT_ONCE) == DIGEST
    assert server.requests[1] is not None


def test_a_missing_file_is_the_recipe_s_error_and_asked_for_once(server, tmp_path):
    server.mischief = [404]
    with pytest.raises(RecipeError, match="404"):
        download(server.url, tmp_path / "p", patience=AT_ONCE)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_the_host_s_error(server, tmp_path):
    server.server_close()
    with pytest.raises(HostError, match="cannot be downloaded"):
        download(server.url, tmp_path / "p", patience=Patience(tries=1))


def test_a_file_url_is_copied(tmp_path):
    (tmp_path / "a b.iso").write_bytes(DATA)
    assert download((tmp_path / "a b.iso").as_uri(), tmp_path / "p") == DIGEST
    with pytest.raises(RecipeError, match="There is no file"):
        download((tmp_path / "none.iso").as_uri(), tmp_path / "p")


def test_small_files_are_bounded_and_may_be_missing(server, tmp_path):
    server.mischief = [404]
    assert fetch_small(server.url) is None
    assert fetch_small(server.url, limit=2**22) == DATA
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        fetch_small(server.url)
    assert fetch_small(str(tmp_path / "none")) is None


def test_logins_and_tokens_of_urls_are_not_shown():
    assert without_login("https://me:secret@host/a.iso?token=x#y") == "https://host/a.iso"


def test_names_and_paths_of_urls():
    assert file_name("https://host/pub/Rocky%209.iso?x=1") == "Rocky 9.iso"
    assert str(local_path("file:///a/b%20c")) == "/a/b c"
    assert local_path("https://host/a") is None
    for url in ("https://host/", "https://host/a/..", "file://other/a"):
        with pytest.raises(RecipeError):
            local_path(url) if url.startswith("file") else file_name(url)


def test_a_name_in_a_url_cannot_leave_its_folder():
    assert file_name("https://host/a%2f..%2f..%2fetc%2fpasswd") == "passwd"


def expected(digest: str = DIGEST) -> tuple[Checksum, ...]:
    return (Checksum(name="medium.iso", algorithm="sha256", digest=digest),)


def test_a_download_is_kept_under_its_digest_and_not_repeated(server, store, events):
    path = downloaded(server.url, expected(), store, events.append)
    assert path == store.cache / DIGEST / "medium.iso"
    assert downloaded(server.url, expected(), store, events.append) == path
    assert len(server.requests) == 1
    assert [item.name for item in path.parent.iterdir()] == ["medium.iso"]


def test_a_cached_medium_that_was_damaged_is_downloaded_again(server, store, events):
    path = downloaded(server.url, expected(), store, events.append)
    path.write_bytes(b"rot")
    assert downloaded(server.url, expected(), store, events.append).read_bytes() == DATA


def test_a_download_with_a_wrong_digest_is_removed_and_both_digests_are_told(server, store, events):
    wrong = "f" * 64
    with pytest.raises(RecipeError, match="not the one that is expected") as caught:
        downloaded(server.url, expected(wrong), store, events.append)
    assert caught.value.details == (f"expected: {wrong}", f"it has:   {DIGEST}")
    assert list((store.cache / wrong).iterdir()) == []


def test_a_sha512_vouches_as_well(server, store, events):
    digest = hashlib.sha512(DATA).hexdigest()
    checksum = Checksum(name="medium.iso", algorithm="sha512", digest=digest)
    assert downloaded(server.url, (checksum,), store, events.append).parent.name == digest
