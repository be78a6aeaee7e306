"""Downloads of public inputs, from servers on loopback that fail in the ways real servers do."""

import errno
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.hostile_servers import ENDLESS_ANSWERS, LIES, SLOW, hostile_server
from support.publisher import CONTENT, MD5, NAME, Publisher
from support.servers import serving

from factornet.etl.download import fetch
from factornet.etl.download.fetch import download_files
from factornet.etl.download.registry import Download
from factornet.store import InputError, StoreError, UsageError
from factornet.store.storage.retry import RetryPolicy

QUICK = RetryPolicy(tries=4, wait=0.01, timeout=1)


def download(*urls, **more) -> Download:
    return Download(NAME, "hg19", "a genome", "--fasta", urls, **{"digest": MD5, **more})


def test_file_is_downloaded_once_and_compared_every_time(server, tmp_path):
    seen = []
    folder = tmp_path / "new" / "hg19"
    found = download_files([download(server.url)], folder, retry_policy=QUICK, on_bytes=lambda *a: seen.append(a))
    assert [(f.new, f.compared_with) for f in found] == [(True, "the registry")]
    assert (folder / NAME).read_bytes() == CONTENT
    assert seen[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert [f.new for f in download_files([download(server.url)], folder, retry_policy=QUICK)] == [False]
    assert len(server.requested) == 1
    (folder / NAME).write_bytes(CONTENT[:-1])
    assert [f.new for f in download_files([download(server.url)], folder, retry_policy=QUICK)] == [True]
    assert (folder / NAME).read_bytes() == CONTENT
    assert sorted(p.name for p in folder.iterdir()) == [NAME, "fetched.json"]


def test_broken_connection_is_resumed(server, tmp_path):
    server.cut = lambda nth: 1_000_000 if nth < 3 else None
    download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.requested == ["", "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]
    assert server.sent == len(CONTENT)


def test_later_call_resumes_partial_download(server, tmp_path):
    server.cut = lambda nth: 500_000
    with pytest.raises(
        StoreError, match=r"big.fa.gz: cannot be downloaded: .*broke after 2000000 bytes .*kept and resumed"
    ):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    server.cut = lambda nth: None
    download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert server.requested[-1] == "bytes=2000000-"


@pytest.mark.parametrize("ranges", [True, False])
def test_partial_download_restarts_when_file_changed_or_server_has_no_ranges(server, tmp_path, ranges):
    server.cut = lambda nth: 500_000 if nth == 0 else None
    with pytest.raises(StoreError):
        download_files([download(server.url)], tmp_path, retry_policy=RetryPolicy(tries=1, wait=0.01, timeout=1))
    server.ranges, server.tag = ranges, '"v2"'
    download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_rest_that_the_server_refuses_is_followed_by_a_download_from_the_start(server, tmp_path):
    """As after a kill between the last byte and the rename: nothing is left to send."""
    server.cut = lambda nth: 500_000 if nth == 0 else None
    with pytest.raises(StoreError):
        download_files([download(server.url)], tmp_path, retry_policy=RetryPolicy(tries=1, wait=0.01, timeout=1))
    server.status = lambda nth: 416 if nth == 1 else 200
    download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert server.requested == ["", "bytes=500000-", ""]
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"\n <!DOCTYPE html><p>x", b"<?xml version='1.0'?><Error/>"])
def test_page_in_place_of_a_file_without_known_digest_is_refused(server, tmp_path, page):
    """Else its digest counts from then on, and the file itself is refused."""
    content, server.content = server.content, page
    with pytest.raises(StoreError, match="sends a web page in place of the file, as a network does that asks to log"):
        download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)
    assert list(tmp_path.iterdir()) == []
    server.content = content
    assert download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)[0].new
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(server, tmp_path):
    with serving(Publisher()) as bad:
        bad.content = CONTENT[:-1] + b"x"
        gone = "http://127.0.0.1:9/" + NAME
        found = download_files([download(gone, bad.url, server.url)], tmp_path, retry_policy=QUICK)
    assert found[0].new
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_file_with_wrong_digest_is_refused(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(StoreError, match=r"cannot be downloaded: .*hash"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("status", [403, 404])
def test_missing_file_is_reported_without_retries(server, tmp_path, status):
    server.status = lambda nth: status
    with pytest.raises(StoreError, match=rf"{NAME}: HTTP {status}"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert len(server.requested) == 1


def test_busy_server_is_retried(server, tmp_path):
    server.status = lambda nth: 503 if nth < 2 else 200
    download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert len(server.requested) == 3
    server.status = lambda nth: 500
    with pytest.raises(StoreError, match=r"HTTP 500 \(4 tries"):
        download_files([download(server.url)], tmp_path / "b", retry_policy=QUICK)


def test_download_is_compared_with_published_list_of_digests(server, tmp_path):
    fetched = download_files(
        [download(server.url, digest="", digests="md5sum.txt")], tmp_path / "a", retry_policy=QUICK
    )
    assert fetched[0].compared_with == server.url.replace(NAME, "md5sum.txt")
    server.digests = f"{'0' * 32}  ./{NAME}\n"
    with pytest.raises(StoreError, match="hash"):
        download_files([download(server.url, digest="", digests="md5sum.txt")], tmp_path / "b", retry_policy=QUICK)
    server.digests = "nothing\n"
    with pytest.raises(StoreError, match=r"md5sum.txt: has no MD5 of big.fa.gz"):
        download_files([download(server.url, digest="", digests="md5sum.txt")], tmp_path / "c", retry_policy=QUICK)


def test_download_without_digest_is_compared_with_the_first(server, tmp_path):
    first = download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)
    assert first[0].compared_with.startswith("nothing: its digest is not published")
    again = download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)
    assert (again[0].new, again[0].compared_with[:18]) == (False, "the first download")
    (tmp_path / NAME).unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(StoreError, match="hash"):
        download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)
    (tmp_path / "fetched.json").write_text("{")
    with pytest.raises(StoreError, match=r"fetched.json: is damaged .*remove it"):
        download_files([download(server.url, digest="")], tmp_path, retry_policy=QUICK)


def test_a_second_process_is_refused_while_a_file_is_downloaded(server, tmp_path):
    """Both would write to one partial file, and the digest of a file with a hole be recorded as the known one."""
    began, go_on = threading.Event(), threading.Event()
    server.status = lambda nth: 200 if began.set() is None and go_on.wait(20) else 500
    words = [download(server.url, digest="")]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(download_files, words, tmp_path, retry_policy=RetryPolicy(tries=1, wait=0.01, timeout=20))
        assert began.wait(20)
        with pytest.raises(InputError, match=rf"{NAME}: is being written by process \d+ on .* since"):
            download_files(words, tmp_path, retry_policy=QUICK)
        go_on.set()
        assert first.result()[0].new
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert read_record(tmp_path)[NAME]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == [NAME, "fetched.json"]


def test_records_of_downloads_at_once_are_all_kept(tmp_path):
    with serving(Publisher()) as a, serving(Publisher()) as b, ThreadPoolExecutor(2) as pool:
        both = [Download(f"{i}.gz", "hg19", "", "--fasta", (s.url,), digest=MD5) for i, s in enumerate((a, b))]
        found = [pool.submit(download_files, [one], tmp_path, retry_policy=QUICK) for one in both]
        assert all(one.result()[0].new for one in found)
    assert set(read_record(tmp_path)) == {"0.gz", "1.gz"}


def read_record(folder):
    return json.loads((folder / "fetched.json").read_text())


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"big.fa.gz": 3}', "\0", '{"big.fa.gz": {"when": "now"}}'])
def test_damaged_record_is_an_error_of_one_line(server, tmp_path, text):
    (tmp_path / "fetched.json").write_text(text)
    with pytest.raises(StoreError, match=r"fetched.json: is damaged .*; remove it"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)


def test_what_is_no_file_in_the_place_of_a_download_is_refused_at_once(server, tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    (tmp_path / NAME).rmdir()
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(UsageError, match="is a device or pipe"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)
    assert not server.requested


def test_failing_write_names_the_partial_file(server, tmp_path, monkeypatch):
    def fail(self, chunks, part, *more):
        with fetch.named_write_errors(part):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetch._Downloader, "_copy_body", fail)
    with pytest.raises(InputError, match=rf"\.{NAME}\.part: cannot be written \(No space left on device\)"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)


def test_full_disk_is_reported_before_the_download(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda location: usage)
    with pytest.raises(StoreError, match=r"big.fa.gz takes 4 MB, 1 kB are free there"):
        download_files([download(server.url)], tmp_path, retry_policy=QUICK)


HOSTILE = {
    **{f"slow {name}": (answer, "too slow") for name, answer in SLOW.items()},
    **{f"endless {name}": (answer, "cannot be downloaded") for name, answer in ENDLESS_ANSWERS.items()},
    **{name: (answer, "cannot be downloaded") for name, answer in LIES.items()},
}


@pytest.mark.parametrize(("answer", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_server_is_an_error_in_bounded_time_and_size(answer, message, tmp_path):
    policy = RetryPolicy(tries=1, wait=0.01, timeout=0.6)
    with hostile_server(answer) as server, pytest.raises(StoreError, match=message) as caught:
        download_files([download(f"{server.url}/{NAME}", size=1_000_000)], tmp_path, retry_policy=policy)
    assert str(caught.value).isprintable()
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 1_000_000
    if "sends more" in str(caught.value):  # what came is no part of the file
        assert list(tmp_path.iterdir()) == []
        assert "a partial download is kept" not in str(caught.value)


def test_file_larger_than_the_registry_lists_is_refused(server, tmp_path):
    with pytest.raises(StoreError, match=r"sends more than the 1000 bytes expected; put the file there by other"):
        download_files([download(server.url, size=1000)], tmp_path, retry_policy=QUICK)
    assert len(server.requested) == 1


def test_list_of_digests_has_a_largest_size(server, tmp_path):
    server.digests = " " * 17_000_000
    with pytest.raises(StoreError, match=r"md5sum.txt: sends more than the 16777216 bytes expected"):
        download_files([download(server.url, digest="", digests="md5sum.txt")], tmp_path, retry_policy=QUICK)


def test_broken_connection_of_a_list_of_digests_is_retried(server, tmp_path):
    requests = []
    original = server.RequestHandlerClass._send

    class Breaking(server.RequestHandlerClass):
        def _send(self, status, body, headers, cut=None):
            requests.append(self.path)
            original(self, status, body, headers, 5 if len(requests) == 1 else cut)

    server.RequestHandlerClass = Breaking
    fetched = download_files([download(server.url, digest="", digests="md5sum.txt")], tmp_path, retry_policy=QUICK)
    assert fetched[0].new
    assert [path.rpartition("/")[2] for path in requests] == ["md5sum.txt", "md5sum.txt", NAME]
