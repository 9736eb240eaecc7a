"""Everyday things to hold, of turned, boxed and round bodies: their measures are drawn anew each time.

A thing's own frame is that of the hand which takes it: it is held at the origin, z runs along what is gripped, and
between finger and thumb y leads from one to the other. Metres.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from .props import Cloth, Photos
from .shading import Part
from .solids import Box, Placed, Ring, Solid, Turned

QUARTER = {axis: Rotation.from_euler(axis, 90, degrees=True).as_matrix() for axis in "xyz"}
METAL, DARK, PAPER, WOOD, PLAIN, OTHER = range(6)  # what a body is made of; PLAIN and OTHER differ from thing to thing


@dataclass(frozen=True)
class Thing:
    """Bodies with what they are made of. What is `thin` is drawn but stops no finger."""
    bodies: list[tuple[Solid, int]]
    thin: list[tuple[Solid, int]] = field(default_factory=list)

    @property
    def solids(self) -> list[Solid]:
        return [body for body, _ in self.bodies]

    def moved(self, rotation: np.ndarray, place: np.ndarray) -> Thing:
        def all_of(bodies: list[tuple[Solid, int]]) -> list[tuple[Solid, int]]:
            return [((body if isinstance(body, Placed) else Placed(body)).moved(rotation, place), made_of)
                    for body, made_of in bodies]
        return Thing(all_of(self.bodies), all_of(self.thin))

    def parts(self, rng: np.random.Generator, photos: Photos) -> list[Part]:
        """To be drawn, in the same frame."""
        looks = materials(rng, photos)
        parts = []
        for body, made_of in self.bodies + self.thin:
            vertices, faces, coords = body.mesh()
            parts.append(Part(vertices, faces, coords, (looks[made_of],), np.zeros(len(faces), int)))
        return parts


def materials(rng: np.random.Generator, photos: Photos) -> list[Cloth]:
    """One for each of METAL .. OTHER."""
    def plain(low: list[float], high: list[float], gloss: float) -> Cloth:
        colour = rng.uniform(low, high) * np.ones((64, 64, 3)) * (1 + .04 * rng.normal(size=(64, 64, 1)))
        return Cloth(np.clip(colour, .005, .95).astype(np.float32), np.array([1, 4.0]), gloss)

    grey = rng.uniform(.2, .6)
    return [plain([grey] * 3, [grey * 1.1] * 3, 2.0), plain([.01] * 3, [.05] * 3, rng.uniform(.2, 1)),
            plain([.6] * 3, [.9] * 3, .05), plain([.25, .13, .05], [.5, .3, .15], rng.uniform(.1, .6)),
            Cloth.sample(rng, photos, (0, 1.2)), Cloth.sample(rng, photos, (0, 1.2))]


def rod(radius: float, low: float, high: float) -> Turned:
    return Turned(np.full(2, radius), np.array([low, high]))


def turned(*profile: tuple[float, float]) -> Turned:
    """Of (radius, height), from the bottom up."""
    radii, heights = np.array(profile).T
    return Turned(radii, heights)


def ball(radius: float) -> Turned:
    angle = np.linspace(.12, np.pi - .12, 11)
    return Turned(radius * np.sin(angle), -radius * np.cos(angle), 22)


def box(x: float, y: float, z: float) -> Box:
    """Of full sides, metres."""
    return Box(np.array([x, y, z]) / 2)


def at(solid: Solid, x: float = 0.0, y: float = 0.0, z: float = 0.0, turn: str | None = None) -> Placed:
    return Placed(solid, np.array([x, y, z]), QUARTER[turn] if turn else np.eye(3))


def can(u: Callable) -> Thing:
    r, h = u(.026, .034), u(.045, .065)
    return Thing([(turned((r * .8, -h), (r, -h + .006), (r, h - .008), (r * .8, h)), PLAIN)])


def bottle(u: Callable) -> Thing:
    r, h = u(.027, .036), u(.06, .1)
    body = turned((r * .9, -h), (r, -h + .01), (r, .03), (r * .4, .03 + h * .6), (r * .38, .05 + h * .7))
    return Thing([(body, PLAIN), (at(rod(r * .45, 0, .018), z=.045 + h * .7), OTHER)])


def glass(u: Callable) -> Thing:
    r, h = u(.03, .04), u(.05, .07)
    return Thing([(turned((r * u(.7, 1), -h), (r, h), (r * .93, h), (r * .85, -h * .4)), PLAIN)])


def cup(u: Callable) -> Thing:
    """Held by its handle, or about its body."""
    r, h, grip = u(.036, .045), u(.04, .055), u(.019, .024)
    body = turned((r * .9, -h), (r, -h + .01), (r, h), (r * .92, h), (r * .85, -h * .7))
    if u(0, 1) < .5:
        return Thing([(at(Ring(grip, .0045), turn="x"), PLAIN), (at(body, x=-r - grip), PLAIN)])
    return Thing([(body, PLAIN), (at(Ring(grip, .0045), x=-r - grip * .8, turn="x"), PLAIN)])


def tool(u: Callable, head: list[tuple[Solid, int]], handle: int = PLAIN) -> Thing:
    """A handle that is held, with something at its end, which lies 0 to 3 cm beyond the hand."""
    r, low, high = u(.010, .016), -u(.05, .08), u(.06, .09)
    ends = [((body if isinstance(body, Placed) else Placed(body)).moved(np.eye(3), np.array([0, 0, high])), look)
            for body, look in head]
    grip = turned((r * .8, low), (r, low + .01), (r * u(.8, 1), 0), (r, high - .01), (r * .7, high))
    return Thing([(grip, handle), *ends])


def hammer(u: Callable) -> Thing:
    return tool(u, [(rod(.005, 0, .12), METAL), (at(rod(.012, -.05, .05), z=.13, turn="x"), METAL)], WOOD)


def screwdriver(u: Callable) -> Thing:
    return tool(u, [(rod(.0035, 0, u(.06, .12)), METAL)])


def knife(u: Callable) -> Thing:
    length = u(.1, .18)
    return tool(u, [(at(box(u(.02, .035), .002, length), z=length / 2), METAL)], DARK)


def brush(u: Callable) -> Thing:
    return tool(u, [(at(box(u(.03, .06), .015, .04), z=.02), DARK)], WOOD)


def racket(u: Callable) -> Thing:
    r = u(.1, .13)
    strings = [(at(box(.0015, .0015, 1.8 * r), x=x, z=.18 + r), PAPER) for x in np.linspace(-.6, .6, 7) * r]
    strings += [(at(box(1.8 * r, .0015, .0015), z=.18 + r + z), PAPER) for z in np.linspace(-.6, .6, 7) * r]
    thing = tool(u, [(rod(.008, 0, .1), DARK), (at(Ring(r, .007), z=.1 + r, turn="x"), DARK)], OTHER)
    return Thing(thing.bodies, strings)


def pan(u: Callable) -> Thing:
    r = u(.08, .12)
    bowl = turned((r * .8, -.02), (r, .02), (r * .97, .02), (r * .75, -.01))
    return tool(u, [(at(bowl, z=.03 + r, turn="x"), METAL)], DARK)


def stick(u: Callable) -> Thing:
    return Thing([(rod(u(.005, .017), -u(.08, .4), u(.08, .4)), WOOD)])


def handlebar(u: Callable) -> Thing:
    return Thing([(rod(.015, -.06, .075), DARK), (rod(.011, .075, .3), METAL)])


def steering_wheel(u: Callable) -> Thing:
    r = u(.15, .19)
    spokes = [(at(rod(.012, -.9 * r, .9 * r), x=-r, turn="y"), DARK)]
    return Thing([(at(Ring(r, u(.011, .016), 60), x=-r, turn="x"), DARK)], spokes)


def dumbbell(u: Callable) -> Thing:
    r = u(.03, .05)
    weights = [(at(rod(r, -.025, .025), z=z), DARK) for z in (-.09, .09)]
    return Thing([(rod(.014, -.07, .07), METAL), *weights])


def torch(u: Callable) -> Thing:
    r = u(.013, .018)
    return Thing([(turned((r, -.07), (r, .07), (r * 1.6, .09), (r * 1.6, .12)), DARK)])


def microphone(u: Callable) -> Thing:
    return Thing([(turned((.009, -.12), (.013, .05)), DARK), (at(ball(.024), z=.068), METAL)])


def umbrella(u: Callable) -> Thing:
    return Thing([(turned((.012, -.06), (.014, 0), (.011, .07)), DARK), (rod(.005, .07, .5), METAL),
                  (turned((.02, .12), (.035, .3), (.012, .6)), PLAIN)])


def remote(u: Callable) -> Thing:
    x, y, z = u(.035, .05), u(.016, .024), u(.13, .18)
    keys = [(at(box(.007, .002, .006), x=a, y=-y / 2, z=b), OTHER) for a in (-.01, 0, .01) for b in (-.03, 0, .03, .05)]
    return Thing([(box(x, y, z), DARK)], keys)


def guitar_neck(u: Callable) -> Thing:
    """The fingers press on the strings, the thumb lies behind."""
    wide, deep = u(.044, .054), u(.018, .024)
    frets = [(at(box(.002, wide, .002), x=deep / 2 + .0045, z=z), METAL) for z in np.linspace(-.2, .3, 14)]
    strings = [(at(rod(.0006, -.25, .3), x=deep / 2 + .007, y=y), METAL) for y in np.linspace(-.4, .4, 6) * wide]
    return Thing([(box(deep, wide, .55), WOOD), (at(box(.004, wide, .55), x=deep / 2 + .002), DARK)], frets + strings)


def trumpet(u: Callable) -> Thing:
    valves = [(at(rod(.009, -.05, .05), z=z, turn="y"), METAL) for z in (-.021, 0, .021)]
    tube = [(at(rod(.006, -.2, .2), x=x), METAL) for x in (.035, -.045)]
    bell = [(at(turned((.006, 0), (.012, .08), (.055, .14)), x=.035, z=.2), METAL)]
    return Thing([*valves, *tube], bell)


def fruit(u: Callable) -> Thing:
    return Thing([(ball(u(.026, .043)), PLAIN)])


def packet(u: Callable) -> Thing:
    return Thing([(box(u(.04, .07), u(.02, .045), u(.08, .14)), PLAIN)])


def bag_handle(u: Callable) -> Thing:
    x, z = u(.25, .4), u(.2, .35)
    return Thing([(rod(u(.004, .009), -.06, .06), OTHER)], [(at(box(x, .1, z), y=-x / 2 - .08, turn="y"), PLAIN)])


def pen(u: Callable) -> Thing:
    r, tip = u(.003, .0055), u(.03, .045)
    return Thing([(turned((r * .3, -tip - .012), (r, -tip), (r, .1)), PLAIN)], [(rod(r * 1.05, .08, .1), OTHER)])


def spoon(u: Callable) -> Thing:
    return Thing([(box(u(.006, .01), .0025, .16), METAL)], [(at(ball(.017), z=.09), METAL)])


def card(u: Callable) -> Thing:
    x, z = u(.05, .06), u(.08, .09)
    shift = u(.005, .03)
    return Thing([(at(box(x, .0012, z), z=z / 2 - .012, x=shift), PLAIN)],
                 [(at(box(x * .6, .0016, z * .2), z=z * .7, x=shift), OTHER)])


def paper(u: Callable) -> Thing:
    x, z = u(.1, .2), u(.15, .28)
    return Thing([(at(box(x, .001, z), z=z / 2 - .02, x=u(-.3, .3) * x), PAPER)])


def coin(u: Callable) -> Thing:
    return Thing([(at(rod(u(.009, .014), -.001, .001), turn="x"), METAL)])


def key(u: Callable) -> Thing:
    return Thing([(at(rod(u(.01, .014), -.0015, .0015), turn="x"), METAL), (at(box(.006, .002, .035), z=.03), METAL)])


def small_ball(u: Callable) -> Thing:
    return Thing([(ball(u(.006, .02)), PLAIN)])


def phone(u: Callable) -> Thing:
    """Its back to the palm."""
    x, y, z, up = u(.066, .077), u(.007, .010), u(.14, .16), u(-.02, .03)
    screen = [(at(box(x * .93, .0006, z * .95), y=side * y / 2, z=up), look) for side, look in ((-1, OTHER), (1, DARK))]
    return Thing([(at(box(x, y, z), z=up), DARK)], screen)


def book(u: Callable) -> Thing:
    x, y, z = u(.1, .15), u(.01, .035), u(.15, .22)
    shift = u(.2, .4) * z
    cover = [(at(box(x, .002, z), y=side * (y / 2 - .001), z=shift), PLAIN) for side in (-1, 1)]
    return Thing([*cover, (at(box(x * .97, y - .004, z * .97), z=shift), PAPER)])


def carton(u: Callable) -> Thing:
    x, y, z = u(.05, .08), u(.04, .07), u(.06, .14)
    return Thing([(at(box(x, y, z), z=u(0, .3) * z), PLAIN)])


THINGS: dict[str, tuple[str, ...]] = {  # what each may be taken by
    "can": ("power", "wide"), "bottle": ("power",), "glass": ("power",), "cup": ("power", "hook"), "hammer": ("power",),
    "screwdriver": ("power", "tripod"), "knife": ("power",), "brush": ("power",), "racket": ("power",),
    "pan": ("power",), "stick": ("power",), "handlebar": ("power",), "steering_wheel": ("power",),
    "dumbbell": ("power",), "torch": ("power",), "microphone": ("power",), "umbrella": ("power",), "remote": ("power",),
    "guitar_neck": ("neck",), "trumpet": ("power",), "fruit": ("power", "wide"), "packet": ("power", "wide"),
    "bag_handle": ("hook",), "pen": ("tripod",), "spoon": ("tripod", "lateral"), "card": ("tip", "lateral"),
    "paper": ("tip", "lateral"), "coin": ("tip", "lateral"), "key": ("lateral",), "small_ball": ("tip", "tripod"),
    "phone": ("power", "wide"), "book": ("wide",), "carton": ("wide",)}


def make(name: str, rng: np.random.Generator) -> Thing:
    return globals()[name](lambda low, high: float(rng.uniform(low, high)))
