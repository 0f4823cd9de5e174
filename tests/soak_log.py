"""The service of the soak: a log of small days, with copies, refused rows, late rows and rewritten days, and its truth."""

import datetime as dt
import random
from collections import defaultdict

import pyarrow as pa
from deltalake import write_deltalake

SURFACES = ("home", "search", "tv", None)
_SCHEMA = pa.schema(
    [
        ("impression_id", pa.int64()),
        ("user_id", pa.int64()),
        ("media_id", pa.int64()),
        ("impression_ts", pa.timestamp("us", "UTC")),
        ("event_date", pa.date32()),
        ("watch_s", pa.float64()),
        ("media_duration_s", pa.float64()),
        ("surface", pa.string()),
        ("liked", pa.bool_()),
    ]
)


class Log:
    """What the service has written, by day, as dicts by column; and the Delta table that it writes to by itself."""

    def __init__(self, place, seed):
        self.place = str(place)
        self.days = defaultdict(list)
        self._draws = random.Random(seed)
        self._next_id = 1

    def add(self, day, rows):
        """Append so many new rows to a day, some copies and some bad rows among them."""
        made = [self._row(day) for _ in range(rows)]
        made += [{**row, "watch_s": row["watch_s"] / 2} for row in self._draws.sample(made, rows // 20)]
        self._draws.shuffle(made)
        self.days[day] += made
        write_deltalake(self.place, _table(made), mode="append", partition_by=["event_date"])

    def rewrite(self, day):
        """Correct a day: other watch times, in the place of those that were reported."""
        for row in self.days[day]:
            if row["watch_s"] is not None and self._draws.random() < 0.1:
                row["watch_s"] = self._watch()
        where = f"event_date = '{day}'"
        write_deltalake(self.place, _table(self.days[day]), mode="overwrite", predicate=where)

    def _row(self, day):
        self._next_id += 1
        seconds = self._draws.randrange(86_400)
        midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
        return {
            "impression_id": self._next_id,
            "user_id": self._draws.randrange(60),
            "media_id": self._draws.randrange(40),
            "impression_ts": int((midnight + dt.timedelta(seconds=seconds)).timestamp()) * 1_000_000,
            "event_date": day,
            "watch_s": self._watch(),
            "media_duration_s": 60.0,
            "surface": self._draws.choice(SURFACES),
            "liked": self._draws.random() < 0.1,
        }

    def _watch(self):
        return self._draws.choices((60.0, 30.0, 3.0, -1.0), (20, 10, 69, 1))[0]


def _table(rows):
    return pa.Table.from_pylist(rows, schema=_SCHEMA)
