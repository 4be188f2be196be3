"""The cache of one device: its budget, who uses what, who loads."""

import threading
import time
from collections.abc import Callable

import pytest

from resources.store.residency import Loan, NoRoom, Residency


class Room:
    """A device of `total` bytes. What is brought takes bytes until it is dropped everywhere, as a real one's would.

    One that `caches` keeps what was freed for itself, until it is told to give it back.
    """

    def __init__(self, total: int, caches: bool = False) -> None:
        self.total, self.used, self.released = total, 0, 0
        self.caches, self.cached = caches, 0
        self.lock = threading.RLock()

    def usable(self) -> int:
        return self.total - self.used - self.cached

    def release(self) -> None:
        self.released += 1
        self.cached = 0

    def bring(self, size: int) -> Callable[[], "Block"]:
        return lambda: Block(self, size)


class Block:
    """Bytes on the device, given back when the last reference goes."""

    def __init__(self, room: Room, size: int) -> None:
        self.room, self.size = room, size
        with room.lock:
            room.used += size
            assert room.used <= room.total, "the device ran out of memory"

    def __del__(self) -> None:
        with self.room.lock:
            self.room.used -= self.size
            self.room.cached += self.size if self.room.caches else 0


@pytest.fixture
def room() -> Room:
    return Room(100)


@pytest.fixture
def cache(room: Room) -> Residency[Block]:
    return Residency(room)


def test_what_is_there_is_not_brought_again(cache: Residency[Block], room: Room) -> None:
    first = cache.lend("a", 40, room.bring(40))
    second = cache.lend("a", 40, lambda: pytest.fail("brought twice"))
    assert (first.fresh, second.fresh) == (True, False)
    assert first.value is second.value
    assert cache.nbytes == room.used == 40


def test_what_was_lent_longest_ago_goes_first(cache: Residency[Block], room: Room) -> None:
    for key in "abc":
        cache.lend(key, 30, room.bring(30)).give_back()
    cache.lend("a", 30, room.bring(30)).give_back()
    loan = cache.lend("d", 50, room.bring(50))
    assert cache.keys() == ["a", "d"]
    assert room.used == 80
    loan.give_back()


def test_what_is_on_loan_stays(cache: Residency[Block], room: Room) -> None:
    loans = [cache.lend("a", 60, room.bring(60)), cache.lend("a", 60, room.bring(60))]
    with pytest.raises(NoRoom) as full:
        cache.lend("b", 60, room.bring(60))
    assert (full.value.wanted, full.value.free) == (60, 40)
    loans[0].give_back()
    loans[0].give_back()  # once more changes nothing: the other loan still counts
    with pytest.raises(NoRoom):
        cache.lend("b", 60, room.bring(60))
    assert cache.evict() == 0
    assert cache.keys() == ["a"]
    loans[1].give_back()
    del loans
    assert cache.lend("b", 60, room.bring(60)).fresh
    assert cache.keys() == ["b"]


def test_a_limit_counts_what_is_kept(room: Room) -> None:
    cache: Residency[Block] = Residency(room, limit=50)
    cache.lend("a", 30, room.bring(30)).give_back()
    cache.lend("b", 30, room.bring(30)).give_back()
    assert cache.keys() == ["b"]
    with pytest.raises(NoRoom) as full:
        cache.lend("c", 51, room.bring(51))
    assert full.value.free == 50
    assert cache.keys() == ["b"]  # nothing goes for what could not fit even then
    cache.lend("c", 50, room.bring(50))
    assert cache.keys() == ["c"]


def test_a_value_that_fits_to_the_byte(cache: Residency[Block], room: Room) -> None:
    assert cache.lend("a", 100, room.bring(100)).fresh
    with pytest.raises(NoRoom):
        cache.lend("b", 1, room.bring(1))


def test_what_is_on_the_device_already_needs_no_more_room(cache: Residency[Block], room: Room) -> None:
    made = Block(room, 90)
    assert cache.keep("a", made, 90)
    loan = cache.borrow("a")
    assert loan is not None
    assert loan.value is made
    assert cache.borrow("b") is None


def test_an_overfull_device_keeps_nothing_more(room: Room) -> None:
    cache: Residency[Block] = Residency(room)
    room.total = -1  # other processes took the headroom
    assert not cache.keep("a", Block(Room(9), 9), 9)
    assert cache.keys() == []


def test_evicting_gives_the_memory_back(cache: Residency[Block], room: Room) -> None:
    cache.lend("a", 30, room.bring(30)).give_back()
    held = cache.lend("b", 30, room.bring(30))
    assert cache.evict() == 30
    assert (cache.keys(), room.used, room.released) == (["b"], 30, 1)
    held.give_back()


def test_dropping_does_not_disturb_who_has_it(cache: Residency[Block], room: Room) -> None:
    loan = cache.lend("a", 30, room.bring(30))
    cache.drop("a")
    assert loan.value.size == 30
    again = cache.lend("a", 30, room.bring(30))
    assert again.fresh
    loan.give_back()
    with pytest.raises(NoRoom):  # the new one is still on loan
        cache.lend("b", 99, room.bring(99))


def test_a_failed_load_keeps_nothing_and_can_be_tried_again(cache: Residency[Block], room: Room) -> None:
    def fail() -> Block:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        cache.lend("a", 40, fail)
    assert (cache.keys(), cache.nbytes) == ([], 0)
    assert cache.lend("a", 40, room.bring(40)).fresh


def test_what_is_kept_already_stays(cache: Residency[Block], room: Room) -> None:
    first = cache.lend("a", 30, room.bring(30))
    assert cache.keep("a", Block(Room(30), 30), 30)
    again = cache.lend("a", 30, room.bring(30))
    assert again.value is first.value
    again.give_back()
    assert cache.evict() == 0  # the first loan still counts


def test_memory_that_the_device_has_cached_is_asked_back_first() -> None:
    room = Room(100, caches=True)
    cache: Residency[Block] = Residency(room)
    for key in "abc":
        cache.lend(key, 60, room.bring(60)).give_back()
    assert cache.keys() == ["c"]
    assert room.used == 60


def test_giving_back_takes_no_lock() -> None:
    """The garbage collector gives back at any moment, in any thread, under whatever lock that holds."""

    class Busy(Room):
        def usable(self) -> int:
            time.sleep(0.02)  # until the other thread is here too
            for loan in others[self]:
                loan.give_back()
            return super().usable()

    rooms = [Busy(100), Busy(100)]
    others: dict[Room, list[Loan[Block]]] = {room: [] for room in rooms}
    caches: list[Residency[Block]] = [Residency(room) for room in rooms]
    loans = [cache.lend("a", 10, room.bring(10)) for cache, room in zip(caches, rooms, strict=True)]
    others[rooms[0]], others[rooms[1]] = [loans[1]], [loans[0]]
    threads = [
        threading.Thread(target=cache.lend, args=("b", 10, room.bring(10)), daemon=True)
        for cache, room in zip(caches, rooms, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_what_is_coming_counts_for_the_limit(room: Room) -> None:
    cache: Residency[Block] = Residency(room, limit=50)

    def bring() -> Block:
        with pytest.raises(NoRoom):
            cache.lend("b", 30, room.bring(30))
        return Block(room, 30)

    assert cache.lend("a", 30, bring).fresh


def test_many_threads_want_one_value_and_one_brings_it(cache: Residency[Block], room: Room) -> None:
    brought, loans, start = [], [], threading.Barrier(8)

    def bring() -> Block:
        brought.append(threading.get_ident())
        time.sleep(0.05)
        return Block(room, 60)

    def want() -> None:
        start.wait()
        loans.append(cache.lend("a", 60, bring))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(brought) == 1
    assert len({id(loan.value) for loan in loans}) == 1
    assert sum(loan.fresh for loan in loans) == 1


def test_when_the_one_who_brings_it_fails_another_tries(cache: Residency[Block], room: Room) -> None:
    tries, results = [], []

    def bring() -> Block:
        tries.append(1)
        if len(tries) == 1:
            time.sleep(0.05)
            raise OSError("the first try failed")
        return Block(room, 10)

    def want() -> None:
        try:
            results.append(cache.lend("a", 10, bring).value.size)
        except OSError as error:
            results.append(str(error))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(results, key=str) == [10, 10, 10, "the first try failed"]
    assert len(tries) == 2


def test_two_that_come_at_once_and_do_not_fit_together(cache: Residency[Block], room: Room) -> None:
    """Bytes on their way count: else both would find the device empty and the second would run out of memory."""
    inside, go_on, results = threading.Event(), threading.Event(), []

    def slowly() -> Block:
        inside.set()
        go_on.wait(10)
        return Block(room, 60)

    thread = threading.Thread(target=lambda: results.append(cache.lend("a", 60, slowly)))
    thread.start()
    inside.wait(10)
    with pytest.raises(NoRoom) as full:
        cache.lend("b", 60, room.bring(60))
    assert full.value.free == 40
    go_on.set()
    thread.join(10)
    assert results[0].fresh


def test_threads_at_random_never_overfill_the_device() -> None:
    import random

    room = Room(100)
    cache: Residency[Block] = Residency(room)
    problems: list[BaseException] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        held: list[Loan[Block]] = []
        try:
            for _ in range(400):
                size = dice.randint(1, 9)
                try:
                    loan = cache.lend(f"{size}", size * 5, room.bring(size * 5))
                    assert loan.value.size == size * 5
                    held.append(loan)
                except NoRoom:
                    pass
                while len(held) > 1 or (held and dice.random() < 0.5):
                    held.pop(dice.randrange(len(held))).give_back()
                if dice.random() < 0.05:
                    cache.evict()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert cache.nbytes <= 100
