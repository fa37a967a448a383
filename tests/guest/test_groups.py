import pytest, os
pytestmark = pytest.mark.guest
def test_a(tmp_path):
    print(open("/proc/self/mountinfo").read(), tmp_path)
    assert os.uname().release.startswith("6.1.0")
def test_b():
    assert os.uname().release != 6
def test_c():
    pytest.skip("needs x")

def test_d():
    assert 0, open("/proc/uptime").read() + os.popen("ps -eo pid,ppid,etimes,stat,args | tail -20; mount | head -30; free -m; dmesg | tail -5").read()
