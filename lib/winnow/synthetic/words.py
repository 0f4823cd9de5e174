"""The words of which titles, names and synopses are made."""

from __future__ import annotations

#: By genre, in the order of population.GENRES: four persons, then four things that they must do.
PERSONS = (
    ("a widowed teacher", "two estranged brothers", "a retired judge", "a young nurse"),
    ("a clumsy waiter", "three flatmates", "a wedding singer", "an unlucky inventor"),
    ("a team of biologists", "a village of fishermen", "an old cartographer", "the last lighthouse keepers"),
    ("a former soldier", "a getaway driver", "a disgraced pilot", "two rival climbers"),
    ("an insomniac reporter", "a border guard", "a forensic accountant", "a translator"),
    ("a street drummer", "a choir of miners", "a forgotten jazz trio", "a girl with a violin"),
    ("a tired inspector", "a reformed forger", "a small-town sheriff", "an honest lawyer"),
    ("a florist", "two letter writers", "a ship's cook", "a bookseller"),
    ("a salvage crew", "a colony's doctor", "an obsolete robot", "a signal analyst"),
    ("a night watchman", "four students", "a grieving couple", "an antiques dealer"),
    ("a fox who cannot lie", "a paper astronaut", "a family of clouds", "a stubborn dragon"),
    ("a curious otter", "the smallest tractor", "a bear and a bee", "five brave puppies"),
)
EVENTS = (
    ("sell the family house", "return for a funeral", "face an old promise", "learn to forgive"),
    ("inherit a failing circus", "pass for millionaires", "enter a baking contest", "lose the bride"),
    ("follow the herring north", "measure a vanishing glacier", "record a dying language", "restore a river"),
    ("race against a runaway train", "break into a mountain fortress", "protect a witness", "cross a desert"),
    ("find a list of names", "hear a voice on the wrong line", "doubt their own memory", "shake off a follower"),
    ("prepare a last concert", "search for a lost recording", "tour the coast in a van", "write one good song"),
    ("reopen a cold case", "plan one final theft", "guard a dangerous secret", "question a friend"),
    ("meet every year at one station", "share a summer by the sea", "answer a misdelivered letter", "dance again"),
    ("find a door in orbit", "wake a hundred years late", "decode a message from home", "repair a dead sun"),
    ("spend a night in the old mill", "open a sealed cellar", "hear footsteps above", "move into the wrong house"),
    ("set out for the edge of the map", "build a bridge of songs", "learn to fly backwards", "befriend the dark"),
    ("look for the missing moon", "learn to share a pond", "plan a surprise", "count all the stars"),
)
PLACES = (
    "In a harbour town",
    "On the high plains",
    "In the old quarter of Lisbon",
    "In a snowbound valley",
    "On the outskirts of Seoul",
    "On an island without roads",
    "At the night markets",
    "In a mill town in the north",
    "On the Atlantic coast",
    "In a city that never dries",
)
TIMES = (
    "before the first snow",
    "in a single night",
    "over one long summer",
    "while the rest of the world looks away",
    "before the last ferry leaves",
    "in the year that changed everything",
    "with nobody to trust",
    "against all advice",
)
TONES = ("quiet", "warm", "restless", "dark", "playful", "tender", "sharp", "generous")
THEMES = ("loyalty", "second chances", "family", "courage", "memory", "home", "ambition", "friendship", "truth", "luck")
ADJECTIVES = (
    "Silent", "Crimson", "Broken", "Distant", "Golden", "Hidden", "Northern", "Borrowed", "Electric", "Gentle",
    "Hollow", "Invisible", "Last", "Midnight", "Paper", "Restless", "Salted", "Second", "Winter", "Wild",
)  # fmt: skip
NOUNS = (
    "Harbour", "Orchard", "Signal", "Garden", "River", "Letters", "Hours", "Mirror", "Kingdom", "Highway",
    "Lantern", "Promise", "Shadows", "Summer", "Station", "Tide", "Voices", "Window", "Fire", "Atlas",
)  # fmt: skip
FIRST_NAMES = (
    "Ada", "Amir", "Ana", "Bruno", "Chloe", "Daniel", "Elena", "Felix", "Grace", "Hana", "Ines", "Jonas",
    "Kofi", "Lena", "Mateo", "Mina", "Noah", "Priya", "Ravi", "Sofia", "Tom", "Uma", "Yuki", "Zoe",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Becker", "Castro", "Dubois", "Evans", "Fischer", "Garcia", "Hughes", "Ito", "Johnson", "Kim", "Laurent",
    "Moreau", "Nakamura", "Okafor", "Patel", "Quinn", "Rossi", "Silva", "Tanaka", "Vargas", "Walsh", "Young", "Ziegler",
)  # fmt: skip
DISTRIBUTORS = (
    "Alder Pictures", "Blue Hour Films", "Cinema Meridian", "Drift Media", "Eastgate Studios", "Fable & Sons",
    "Grand Tour Releasing", "Harbour Lights", "Lumen Originals", "Open Shelf",
)  # fmt: skip
