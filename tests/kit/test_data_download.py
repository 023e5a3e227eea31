"""Fetching CIFAR-10 from mirrors that fail in every way, on this machine."""
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from test_data_official import CONTENT, assert_official, load_small, own_folders  # noqa: F401, a fixture

from distill_kit.data import download, download_cifar10, load_dataset, official
from distill_kit.data.official import ARCHIVE


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))


class Mirror(BaseHTTPRequestHandler):
    """Behaves as its server's `ways` say, one for each request; the last stays."""

    def do_GET(self):
        ways, asked = self.server.ways, self.headers.get("Range")
        self.server.asked.append(asked)
        way = ways.pop(0) if len(ways) > 1 else ways[0]
        if way == "missing":
            self.send_error(404)
            return
        content = {"wrong": b"<html>please log in</html>", "altered": CONTENT[:-1] + b"x"}.get(way, CONTENT)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and way != "no range" else 0
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if way != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if way == "cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirrors(monkeypatch):
    """mirrors(ways, ways, ...): one server each, in this order; returns them."""
    servers = []

    def start(*all_ways):
        for ways in all_ways:
            server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
            server.ways, server.asked = list(ways), []
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.append(server)
        monkeypatch.setenv("DISTILL_KIT_CIFAR10_URL", ", ".join(f"http://127.0.0.1:{server.server_port}/{ARCHIVE}"
                                                                for server in servers))
        return servers

    monkeypatch.setattr(download, "CHUNK", 4096)
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def left(data):
    return sorted(path.name for path in data.iterdir() if not path.name.endswith(".lock"))


def test_download_on_request(data, mirrors):
    mirror, = mirrors(["whole"])
    assert_official(load_dataset("cifar10", download=True, progress=False))
    assert left(data) == [ARCHIVE] and (data / ARCHIVE).read_bytes() == CONTENT
    assert_official(load_dataset("auto", download=True, progress=False))
    assert mirror.asked == [None]  # once


def test_nothing_is_fetched_unless_asked(data, mirrors, monkeypatch):
    mirror, = mirrors(["whole"])
    monkeypatch.setattr("distill_kit.data.load_shapes10", load_small)
    load_dataset("auto")
    with pytest.raises(FileNotFoundError):
        load_dataset("cifar10")
    assert mirror.asked == [] and left(data) == []


def test_progress_is_told(data, mirrors, capfd):
    mirrors(["whole"])
    told = []
    assert download_cifar10(on_progress=lambda done, total: told.append((done, total))) == data / ARCHIVE
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told) and len(told) > 10
    assert "CIFAR-10" in capfd.readouterr().err


def test_cut_is_resumed_from_the_same_mirror(data, mirrors):
    mirror, = mirrors(["cut", "cut", "whole"])
    told = []
    download_cifar10(progress=False, on_progress=lambda done, total: told.append((done, total)))
    assert (data / ARCHIVE).read_bytes() == CONTENT and left(data) == [ARCHIVE]
    half = len(CONTENT) // 2
    assert mirror.asked == [None, f"bytes={half}-", f"bytes={half + (len(CONTENT) - half) // 2}-"]
    assert told == sorted(told)  # it never goes back


def test_cut_is_resumed_at_the_next_start(data, mirrors):
    first, = mirrors(["cut", "missing"])
    with pytest.raises(ConnectionError, match="answers 404 .* that came are kept, and continued next time"):
        download_cifar10(progress=False)
    assert left(data) == [f"{ARCHIVE}.part"]
    first.ways[:] = ["whole"]
    download_cifar10(progress=False)
    assert first.asked[-1] == f"bytes={len(CONTENT) // 2}-" and (data / ARCHIVE).read_bytes() == CONTENT


def test_cut_is_resumed_from_the_next_mirror(data, mirrors):
    _, second = mirrors(["cut", "missing"], ["whole"])
    download_cifar10(progress=False)
    assert second.asked == [f"bytes={len(CONTENT) // 2}-"] and (data / ARCHIVE).read_bytes() == CONTENT


def test_server_without_range_starts_over(data, mirrors):
    mirror, = mirrors(["cut", "no range"])
    told = []
    download_cifar10(progress=False, on_progress=lambda done, total: told.append((done, total)))
    assert told.count((0, len(CONTENT))) == 2 and told[-1] == (len(CONTENT), len(CONTENT))
    assert len(mirror.asked) == 2 and (data / ARCHIVE).read_bytes() == CONTENT


def test_server_that_does_not_say_the_length(data, mirrors):
    mirrors(["no length"])
    download_cifar10(progress=True)
    assert (data / ARCHIVE).read_bytes() == CONTENT


def test_a_mirror_that_always_cuts_at_the_same_place_is_left(data, mirrors, monkeypatch):
    monkeypatch.setattr(Mirror, "do_GET", always_half)
    mirror, = mirrors(["x"])
    with pytest.raises(ConnectionError, match="the connection was cut"):
        download_cifar10(progress=False)
    assert len(mirror.asked) == 1 + len(download.PAUSES)


def always_half(self):
    self.server.asked.append(None)
    self.send_response(200)
    self.send_header("Content-Length", str(len(CONTENT)))
    self.end_headers()
    self.wfile.write(CONTENT[: len(CONTENT) // 2])


@pytest.mark.parametrize("way", ["wrong", "altered"])
def test_wrong_archive_is_kept_aside_and_the_next_mirror_asked(data, mirrors, way):
    first, second = mirrors([way], ["whole"])
    download_cifar10(progress=False)
    assert first.asked == [None] and second.asked == [None]
    good, bad = left(data)
    assert good == ARCHIVE and re.fullmatch(rf"{ARCHIVE}\.bad-\d{{8}}-\d{{6}}-\d+", bad)
    assert (data / good).read_bytes() == CONTENT and (data / bad).read_bytes() != CONTENT


def test_two_wrong_archives_are_both_kept(data, mirrors):
    mirrors(["wrong"], ["altered"])
    with pytest.raises(ConnectionError, match="(not the official archive.*){2}DISTILL_KIT_CIFAR10_URL, or put"):
        download_cifar10(progress=False)
    assert len(left(data)) == 2 and all(".bad-" in name for name in left(data))


def test_wrong_part_from_before_is_not_the_mirrors_fault(data, mirrors):
    (data / f"{ARCHIVE}.part").write_bytes(b"x" * 100)
    mirror, = mirrors(["whole"])
    download_cifar10(progress=False)
    assert mirror.asked == ["bytes=100-", None] and (data / ARCHIVE).read_bytes() == CONTENT


def test_whole_part_from_before_needs_a_new_name_only(data, mirrors):
    (data / f"{ARCHIVE}.part").write_bytes(CONTENT)
    mirrors(["whole"])
    download_cifar10(progress=False)
    assert left(data) == [ARCHIVE]


def test_corrupt_archive_is_kept_aside_and_fetched_again(data, mirrors):
    (data / ARCHIVE).write_bytes(CONTENT[:100])
    mirrors(["whole"])
    assert_official(load_dataset("cifar10", download=True, progress=False))
    _, bad = left(data)
    assert ".bad-" in bad and (data / bad).read_bytes() == CONTENT[:100]


def test_no_mirror(data, mirrors):
    mirrors(["missing"], ["missing"])
    with pytest.raises(ConnectionError, match=f"(answers 404 .*){{2}}put {ARCHIVE} .md5 {official.MD5}. into {data}"):
        download_cifar10(progress=False)
    assert left(data) == []


@pytest.mark.parametrize("url, says", [("http://127.0.0.1:9/x", "refused"), ("nonsense", "unknown url type")])
def test_no_server(data, monkeypatch, url, says):
    monkeypatch.setenv("DISTILL_KIT_CIFAR10_URL", url)
    with pytest.raises(ConnectionError, match=f"CIFAR-10 could not be fetched. {url}: .*{says}"):
        download_cifar10(progress=False)


def test_stopped_by_the_listener(data, mirrors):
    mirror, = mirrors(["whole"])

    def stop(done, total):
        if done > 10_000:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        download_cifar10(progress=False, on_progress=stop)
    assert left(data) == [f"{ARCHIVE}.part"]
    download_cifar10(progress=False)
    assert mirror.asked[1].startswith("bytes=") and (data / ARCHIVE).read_bytes() == CONTENT


def test_folder_that_cannot_be_written_to(tmp_path, mirrors):
    mirrors(["whole"])
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot write to .*file.*; free some space there, or set DISTILL_KIT_DATA"):
        download_cifar10(tmp_path / "file", progress=False)


def test_two_at_once_fetch_once(data, mirrors):
    mirror, = mirrors(["whole"])
    threads = [threading.Thread(target=download_cifar10, kwargs={"progress": False}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mirror.asked == [None] and (data / ARCHIVE).read_bytes() == CONTENT


def test_mirrors_are_asked_over_https():
    assert len(download.MIRRORS) > 1 and all(url.startswith("https://") for url in download.MIRRORS)
