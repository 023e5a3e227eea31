"""The official batches and their archive: read, refused, fetched from mirrors that fail in every way."""
import io
import os
import pickle
import re
import struct
import tarfile
import threading
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from distill_kit.data import download, download_cifar10, load_dataset, official
from distill_kit.data.official import ARCHIVE, BATCHES, TEST_BATCH, TRAIN_BATCHES


class Python2Pickler(pickle._Pickler):
    """Writes bytes and names as Python 2 did, as the official batches have them."""
    dispatch = dict(pickle._Pickler.dispatch)

    def save_old_string(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = dispatch[str] = save_old_string


def pickled(batch):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(batch)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def make_batches(images_each=20):
    """{name: pickle} of six batches, and their pixels [N, 3, 32, 32] and labels in the official order."""
    random, files, pixels, labels = np.random.default_rng(0), {}, {}, {}
    for name in (*TRAIN_BATCHES, TEST_BATCH):
        pixels[name] = random.integers(0, 256, (images_each, 3072), dtype=np.uint8)
        labels[name] = [int(label) for label in random.permutation(images_each) % 10]
        files[name] = pickled({"batch_label": name, "labels": labels[name], "data": pixels[name],
                               "filenames": ["x.png"] * images_each})
    return files, pixels, labels


def make_archive(files, order=None):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in order or sorted(files, reverse=True):
            member = tarfile.TarInfo(f"{BATCHES}/{name}")
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


FILES, PIXELS, LABELS = make_batches()
CONTENT = make_archive(FILES)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(official, "MD5", md5(CONTENT).hexdigest())
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))
    (tmp_path / "data").mkdir()


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def unpack(data, files=FILES):
    (data / BATCHES).mkdir()
    for name, content in files.items():
        (data / BATCHES / name).write_bytes(content)


def assert_official(dataset):
    assert dataset.name == "cifar10" and (len(dataset.pool), len(dataset.validation)) == (90, 10)
    assert np.array_equal(dataset.test.images, PIXELS[TEST_BATCH].reshape(-1, 3, 32, 32))
    assert dataset.test.labels.tolist() == LABELS[TEST_BATCH]
    training = np.concatenate([PIXELS[name] for name in TRAIN_BATCHES]).reshape(-1, 3, 32, 32)
    labels = sum((LABELS[name] for name in TRAIN_BATCHES), [])
    place = {pixels.tobytes(): index for index, pixels in enumerate(training)}
    pool = [place[image.numpy().tobytes()] for image in dataset.pool.images]
    validation = [place[image.numpy().tobytes()] for image in dataset.validation.images]
    assert pool == sorted(pool) and sorted(pool + validation) == list(range(100))
    assert dataset.pool.labels.tolist() == [labels[index] for index in pool]
    assert dataset.validation.labels.tolist() == [labels[index] for index in validation]


# what lies there

def test_unpacked_batches(data):
    unpack(data)
    dataset = load_dataset("auto")
    assert_official(dataset)
    assert "official images" in dataset.notice and "fewer than the official" in dataset.notice


def test_archive(data):
    (data / ARCHIVE).write_bytes(CONTENT)
    assert_official(load_dataset("cifar10"))
    assert_official(load_dataset("cifar10"))  # from the cache
    assert sorted(path.name for path in data.iterdir()) == [ARCHIVE]  # nothing is unpacked


def test_batches_by_their_folder(data, tmp_path):
    unpack(data)
    assert_official(load_dataset(data))
    assert_official(load_dataset(data / BATCHES))


def test_official_before_image_folder(data):
    unpack(data)
    (data / "cifar10" / "train").mkdir(parents=True)
    assert_official(load_dataset("auto"))


def test_batches_pickled_by_this_python(data):
    unpack(data, {name: pickle.dumps(pickle.loads(content, encoding="latin1"), protocol=2)
                  for name, content in FILES.items()})
    assert_official(load_dataset("auto"))


def test_altered_archive_is_not_used_and_named(data, monkeypatch):
    (data / ARCHIVE).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(FileNotFoundError, match=f"{ARCHIVE} is cut, altered or another file: its md5 is"):
        load_dataset("cifar10")
    monkeypatch.setattr("distill_kit.data._shapes10", lambda: load_small())
    assert f"{ARCHIVE} is cut" in load_dataset("auto").notice
    with pytest.raises(ValueError, match=f"{ARCHIVE} is cut"):
        load_dataset(data)


def test_archive_altered_after_its_first_load(data):
    (data / ARCHIVE).write_bytes(CONTENT)
    load_dataset("cifar10")
    (data / ARCHIVE).write_bytes(CONTENT + b"x")
    with pytest.raises(FileNotFoundError, match="cut, altered"):
        load_dataset("cifar10")


def load_small():
    from distill_kit.data import ImageSet, split
    few = ImageSet(torch.zeros(20, 3, 32, 32, dtype=torch.uint8), torch.arange(20) % 2, ("a", "b"), "")
    return split("shapes10", few, few)


@pytest.mark.parametrize("name", [TEST_BATCH, "data_batch_3"])
def test_missing_batch(data, name):
    unpack(data, {other: content for other, content in FILES.items() if other != name})
    with pytest.raises(FileNotFoundError, match=f"{name} cannot be read"):
        load_dataset("cifar10")


@pytest.mark.parametrize("content", [
    b"", FILES[TEST_BATCH][:1000], b"<html>no batch</html>", pickle.dumps([1, 2]),
    pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}),
    pickled({"data": np.zeros((2, 3072), np.float32), "labels": [1, 1]}),
    pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]})])
def test_batch_that_is_none(data, content):
    unpack(data, FILES | {"data_batch_2": content})
    with pytest.raises(FileNotFoundError, match="data_batch_2 is no batch of CIFAR-10"):
        load_dataset("cifar10")


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_runs_nothing(data, tmp_path):
    unpack(data, FILES | {"data_batch_1": pickle.dumps(Runs(str(tmp_path / "ran")))})
    with pytest.raises(FileNotFoundError, match="it names .*mkdir, which no batch of images needs"):
        load_dataset("cifar10")
    assert not (tmp_path / "ran").exists()


def test_batches_cut_but_archive_intact(data):
    unpack(data, FILES | {"data_batch_2": b""})
    (data / ARCHIVE).write_bytes(CONTENT)
    dataset = load_dataset("auto")
    assert_official(dataset)
    assert "data_batch_2 is no batch" in dataset.notice


# mirrors

class Mirror(BaseHTTPRequestHandler):
    """Behaves as its server's `ways` say, one for each request; the last stays."""

    def do_GET(self):
        ways, asked = self.server.ways, self.headers.get("Range")
        self.server.asked.append(asked)
        way = ways.pop(0) if len(ways) > 1 else ways[0]
        if way == "missing":
            return self.send_error(404)
        content = {"wrong": b"<html>please log in</html>", "altered": CONTENT[:-1] + b"x"}.get(way, CONTENT)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and way != "no range" else 0
        if start >= len(content):
            return self.send_error(416)
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
    monkeypatch.setattr("distill_kit.data._shapes10", load_small)
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
    first, second = mirrors(["cut", "missing"], ["whole"])
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
    assert good == ARCHIVE and re.fullmatch(rf"{ARCHIVE}\.bad-\d{{8}}-\d{{6}}", bad)
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
    good, bad = left(data)
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


def test_official_md5():
    import importlib
    fresh = importlib.util.module_from_spec(official.__spec__)
    official.__spec__.loader.exec_module(fresh)
    assert fresh.MD5 == "c58f30108f718f92721af3b95e74349a"
    assert download.MIRRORS and all(url.startswith("https://") for url in download.MIRRORS)
