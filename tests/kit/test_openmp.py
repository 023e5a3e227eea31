"""What torch is kept to in a container, in processes of their own; and what control groups allow."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill_kit.openmp import allowed_threads, cores, cpu_quota

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no control groups")
SAYS = """if True:
    import json, os, sys
    {before}
    import distill_kit
    from distill_kit import openmp
    loaded = "torch" in sys.modules
    import torch
    print(json.dumps({{"loaded": loaded, "threads": torch.get_num_threads(),
                       "changes": openmp.may_change_waiting(), "here": os.environ.get("OMP_NUM_THREADS")}}))"""


def says(before="", **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", SAYS.format(before=before)], capture_output=True, text=True,
                          check=True, env={**clean, **environment})
    return json.loads(done.stdout)


@LINUX
def test_the_import_loads_no_torch_and_leaves_its_threads_where_all_cores_are_allowed():
    said = says()
    assert not said["loaded"]
    assert said["threads"] == min(allowed_threads(), says("import torch")["threads"])


@LINUX
@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}])
def test_a_users_own_way_of_waiting_is_kept(own):
    assert not says(**own)["changes"]


@LINUX
def test_a_users_own_number_of_threads_is_kept():
    said = says(OMP_NUM_THREADS="1")
    assert said["threads"] == 1 and said["here"] == "1"


def put(folder, path, text):
    (folder / "fs" / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / "fs" / path).write_text(text)


@pytest.mark.parametrize("lines, files, quota", [
    (["0::/"], {"cpu.max": "max 100000"}, None),
    (["0::/"], {"cpu.max": "150000 100000"}, 1.5),
    (["0::/a/b"], {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),        # the outer one is narrower
    (["0::/elsewhere"], {"cpu.max": "200000 100000"}, 2.0),                                # a container's own mount
    (["4:memory:/x", "1:cpu,cpuacct:/x", "0::/"], {"cpu,cpuacct/x/cpu.cfs_quota_us": "100000\n",
                                                   "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"}, 1.0),
    (["1:cpu:/"], {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    (["2:cpuset:/", "0::/"], {"unified/cpu.max": "300000 100000"}, 3.0),
    (["0::/"], {}, None),
    (["0::/"], {"cpu.max": "nonsense"}, None),
])
def test_the_quota_is_the_narrowest_of_the_groups_in_either_version(tmp_path, lines, files, quota):
    (tmp_path / "cgroup").write_text("\n".join(lines) + "\n")
    for path, text in files.items():
        put(tmp_path, path, text)
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "fs") == quota


def test_without_control_groups_all_is_allowed(tmp_path):
    assert cpu_quota(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize("quota, threads", [(None, 8), (0.5, 1), (1.0, 1), (1.4, 1), (1.5, 2), (2.5, 3), (64.0, 8)])
def test_threads_are_the_quota_to_the_nearest(monkeypatch, quota, threads):
    monkeypatch.setattr("distill_kit.openmp.cpu_quota", lambda: quota)
    monkeypatch.setattr("distill_kit.openmp.cores", lambda: 8)
    assert allowed_threads() == threads


@LINUX
def test_a_real_control_group_of_one_core_means_one_thread(tmp_path):
    """In a group that this test makes; where it may, and where there is more than one core."""
    parent = next((place for place in (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
                   if (place / "cgroup.procs").exists()), None)
    folder = (parent or tmp_path) / f"distill-kit-test-{os.getpid()}"
    try:
        folder.mkdir()
        if (folder / "cpu.cfs_quota_us").exists():
            (folder / "cpu.cfs_quota_us").write_text("100000")
        else:
            (folder / "cpu.max").write_text("100000 100000")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if cores() < 2:
            pytest.skip("one core")
        said = says(f"open({str(folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))")
        assert said["threads"] == 1 and said["here"] == "1"  # the processes that it starts too
        late = says(f"open({str(folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); import torch")
        assert late["threads"] == 1
    finally:
        folder.rmdir()
