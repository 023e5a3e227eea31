"""A mirror that answers with anything at all is one more mirror that failed, and the good one after it is found."""
import socket
import threading
import warnings

import pytest
from hostile import inputs, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from test_data_official import CONTENT, own_folders  # noqa: F401, a fixture

from distill_kit.data import download, download_cifar10
from distill_kit.data.official import ARCHIVE

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(CONTENT) + CONTENT
LENGTHS = ["abc", "1e9", "9" * 5_000, "-1", "-0", "0", "1", str(len(CONTENT)), str(len(CONTENT) + 1), "1" * 15, "0x10",
           "", "\u00b2", "5, 5", "1_000", " 7 ", "nan", "+5"]


class Sockets:
    """A server of one address: it sends the bytes that were set last, whatever it is asked, and hangs up."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/{ARCHIVE}"
        self.answer = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65_536)
                    connection.sendall(self.answer)
                except OSError:
                    pass


@pytest.fixture(scope="module")
def servers():
    pair = Sockets(), Sockets()
    pair[1].answer = GOOD
    yield pair
    for server in pair:
        server.listener.close()


statuses = st.sampled_from(["200 OK", "206 Partial Content", "204 No Content", "301 Moved", "302 Found", "304 x",
                            "404 <b>", "416 x", "500 \x1b[31m", "100 Continue", "999 x", "abc", "", "2000 x"])
headers = st.lists(st.sampled_from(
    [f"Content-Length: {length}" for length in LENGTHS] + [
        "Content-Range: bytes 0-1/2", "Content-Range: x", "Transfer-Encoding: chunked", "Content-Encoding: gzip", "x",
        "Location: /", "Location: http://[::1", "Location: file:///etc/passwd", "Location: ftp://127.0.0.1:9/x",
        "Location: http://127.0.0.1:9/", "Location: nonsense://x", "Location: \u00e9", ": ", "a" * 70_000 + ": b"]),
    max_size=3)
bodies = st.sampled_from([b"", b"x", CONTENT, CONTENT[:-1] + b"x", CONTENT + b"x", b"5\r\nhello\r\n0\r\n\r\n",
                          b"zzz\r\n", b"-5\r\nhello\r\n", b"f" * 30 + b"\r\nx"])
answers = st.one_of(
    st.builds(lambda status, lines, body: f"HTTP/1.1 {status}\r\n".encode("latin-1") + b"".join(
        line.encode("latin-1") + b"\r\n" for line in lines) + b"\r\n" + body, statuses, headers, bodies),
    st.builds(lambda end: GOOD[:end], st.integers(0, len(GOOD))), st.binary(max_size=50))


def fetched(servers, folder, patch, *answers):
    """What is fetched into a folder from the first server with one of these answers, and a good one after it if two."""
    patch.setattr(download, "PAUSES", (0,))
    patch.setattr(download, "QUIET_SECONDS", 5)
    patch.setattr(download, "certificates", lambda: None)  # which take longer to read than all the rest
    servers[0].answer = answers[0]
    patch.setenv("DISTILL_KIT_CIFAR10_URL", ",".join(server.url for server in servers[:len(answers)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return download_cifar10(folder, progress=False)


@inputs(10)
@given(answers, st.sampled_from([b"", CONTENT[:100], b"x" * 100, CONTENT + b"x"]))
def test_h2_the_good_mirror_is_found_after_one_that_answers_with_anything(servers, tmp_path_factory, answer, part):
    folder = tmp_path_factory.mktemp("data")
    if part:
        (folder / f"{ARCHIVE}.part").write_bytes(part)
    with pytest.MonkeyPatch.context() as patch:
        read = read_or_refused("mirrors", lambda: fetched(servers, folder, patch, answer, b""))
    assert read == (folder / ARCHIVE,) and (folder / ARCHIVE).read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["9" * 15, "9" * 30])
def test_a_redirect_that_announces_more_than_memory_holds_is_one_more_mirror_that_failed(servers, tmp_path, monkeypatch,
                                                                                         length):
    answer = f"HTTP/1.1 301 Moved\r\nContent-Length: {length}\r\nLocation: /\r\n\r\n".encode()
    with pytest.raises(ConnectionError, match=f"{ARCHIVE}: .*(MemoryError|cannot fit)"):
        fetched(servers, tmp_path, monkeypatch, answer)
    assert fetched(servers, tmp_path, monkeypatch, answer, b"").read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["abc", "1e9", "9" * 5_000, "-1", "1_000"])
def test_h2_a_length_that_makes_no_sense_is_one_more_mirror_that_failed(servers, tmp_path, monkeypatch, length):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + length.encode() + b"\r\n\r\n" + CONTENT
    with pytest.raises(ConnectionError, match=f"the server says that '{length[:20]}' bytes come"):
        fetched(servers, tmp_path, monkeypatch, answer)
    assert fetched(servers, tmp_path, monkeypatch, answer, b"").read_bytes() == CONTENT
