"""Tests run alike on a laptop, in a background shell and on a machine of many cores."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info


@pytest.fixture
def ignored_by_the_shell():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_arrives_in_a_background_shell(ignored_by_the_shell, request):
    os.kill(os.getpid(), signal.SIGINT)  # is lost
    request.getfixturevalue("ctrl_c_arrives")
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_arrives_in_a_process_that_a_test_starts(ignored_by_the_shell, request):
    request.getfixturevalue("ctrl_c_arrives")
    script = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('ignored')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == ""
    assert "KeyboardInterrupt" in done.stderr


def test_linear_algebra_has_one_thread_here_and_in_processes_that_tests_start():
    assert torch.get_num_threads() == 1
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    script = (
        "import json, numpy; from threadpoolctl import threadpool_info; "
        "print(json.dumps([pool['num_threads'] for pool in threadpool_info()]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert set(json.loads(done.stdout)) == {1}
