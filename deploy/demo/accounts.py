"""Who writes: a seeded population for each platform, and the named members of the cast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wording import Draws, Voice, draw_voice, lines

from schemas.post import Author

__all__ = ["FORUMS", "PLATFORMS", "Account", "People"]

FORUMS = ("lunji", "baili")
"""Two invented forums: 轮迹社区 and 百里车友会."""
PLATFORMS = ("weibo", "wechat", *FORUMS)

# Accounts for each thousand posts: most people are heard once or twice in two weeks. The incidents
# need their strangers in a small recording too.
_DENSITY = {"weibo": 260, "wechat": 8, "lunji": 60, "baili": 50}
_FEWEST = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """One writer on one platform."""

    author: Author
    region: str
    cities: tuple[str, ...]
    voice: Voice
    model: str
    """The car they drive, or dream of."""

    @property
    def name(self) -> str:
        """The name that others write behind an @."""
        return self.author.name or self.author.id


class People:
    """The population; a bigger recording has more people, not more talkative ones."""

    def __init__(
        self, material: Mapping[str, Any], models: Mapping[str, float], posts: int, draws: Draws
    ) -> None:
        people = material["people"]
        self._heads, self._tails = lines(people["head"]), lines(people["tail"])
        self._regions = {
            (region["name"], tuple(region["cities"])): region["weight"]
            for region in people["regions"]
        }
        self.towns = [town for _, cities in self._regions for town in cities]
        self._models = models
        self._draws = draws
        self._taken: set[str] = set()
        self._pools = {
            platform: [
                self._account(platform, self._name(), draws.heavy(90, 900_000, 0.95))
                for _ in range(density * max(posts, _FEWEST) // 1_000)
            ]
            for platform, density in _DENSITY.items()
        }
        self._unheard = {platform: list(pool) for platform, pool in self._pools.items()}
        self.media = [
            self.named("weibo", name, draws.whole(90, 2_100) * 1_000, True)
            for name in people["media"]
        ]
        self.journals = [self.named("wechat", name, None, True) for name in people["media"]]

    def anyone(self, platform: str) -> Account:
        """Somebody of the platform; a few write much, most write little."""
        pool = self._pools[platform]
        return pool[int(len(pool) * self._draws.unit() ** 2)]

    def stranger(self, platform: str) -> Account:
        """Somebody whom this method has not named before: an independent voice."""
        pool = self._unheard[platform]
        return pool.pop(int(len(pool) * self._draws.unit()))

    def named(
        self, platform: str, name: str, followers: int | None, verified: bool, region: str = ""
    ) -> Account:
        """A member of the cast."""
        return self._account(platform, name, followers, verified, region)

    def crowd(self, size: int) -> Sequence[Account]:
        """Young accounts without a face, as are rented for a campaign."""
        return [
            self._account("weibo", f"用户{self._draws.whole(70_000_000, 79_999_999)}", few)
            for few in (self._draws.whole(0, 25) for _ in range(size))
        ]

    def _name(self) -> str:
        draws = self._draws
        plain = name = draws.pick(self._heads) + draws.pick(self._tails)
        while name in self._taken:
            name = plain + str(draws.weighted({draws.whole(1, 99): 3, draws.whole(1978, 2008): 1}))
        self._taken.add(name)
        return name

    def _account(
        self,
        platform: str,
        name: str,
        followers: int | None,
        verified: bool | None = None,
        region: str = "",
    ) -> Account:
        draws = self._draws
        home, cities = next(
            (place for place in self._regions if place[0] == region),
            None,
        ) or draws.weighted(self._regions)
        return Account(
            Author(
                id=str(draws.whole(2_000_000_000, 7_999_999_999)),
                name=name,
                followers=followers if platform == "weibo" else None,
                verified=verified,
            ),
            home,
            cities,
            draw_voice(draws),
            draws.weighted(self._models),
        )
