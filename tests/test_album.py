"""The album of photos: keys, age, and who makes room for whom."""
from page.album import Album
from page.analysis import Analysis


def photo(key: str, size: int = 10) -> Analysis:
    return Analysis(key, f"{key}.jpg", False, b"0" * size, None)


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_photo_is_there_for_its_key_alone_until_it_is_old_or_dropped():
    clock = Clock()
    album = Album(kept_s=100, now=clock)
    album.add(photo("a"), "home")
    assert album.get("a").name == "a.jpg"
    for key in ("b", None, 5, [], {}, ""):
        assert album.get(key) is None
    clock.time = 60
    album.add(photo("a.1"), "home", before="a")  # corrected, and as old as the photo
    album.add(photo("b"), "home")
    clock.time = 101
    assert album.get("a") is None and album.get("a.1") is None and album.get("b")
    album.drop("b")
    album.drop("b")
    album.drop(["b"])
    assert album.get("b") is None


def test_the_address_with_the_most_bytes_makes_room():
    album = Album(most_photos=4, most_bytes=1000)
    for key, owner, size in (("guest", "guest", 200), ("a", "crowd", 150), ("b", "crowd", 150), ("c", "crowd", 150)):
        album.add(photo(key, size), owner)
    album.add(photo("d", 150), "crowd")
    assert [key for key in ("guest", "a", "b", "c", "d") if album.get(key)] == ["guest", "b", "c", "d"]
    album.add(photo("large", 900), "crowd")
    assert [key for key in ("guest", "b", "c", "d", "large") if album.get(key)] == ["guest"]  # nor does it fit itself
