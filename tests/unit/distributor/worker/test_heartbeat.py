"""The flag that ends the signs of life."""

import threading
import time

from jobmon.distributor.worker.heartbeat import Flag


def test_a_flag_is_waited_for_until_it_is_set_and_stays_set() -> None:
    flag = Flag()

    before = flag.wait(0.01)
    threading.Timer(0.1, flag.set).start()
    waited = [flag.wait(90), flag.wait(90), flag.wait(0)]

    assert (before, waited) == (False, [True, True, True])


def test_a_flag_that_is_not_set_lets_its_time_go_by() -> None:
    began = time.monotonic()

    is_set = Flag().wait(0.1)

    assert not is_set
    assert time.monotonic() - began >= 0.1
