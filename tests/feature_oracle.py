"""Windowed features worked out apart from the code: DuckDB over the raw log and catalogue, and a page of Python."""

import datetime as dt
import functools
import math

import duckdb

#: Windows and half-lives of the defaults, in days.
WINDOWS, HALF_LIFE, HALF_LIVES = (1, 7, 28), 7, 4
LONGEST, MEMORY = 28, HALF_LIFE * HALF_LIVES
CROSSES = ("genre", "actor", "director", "language", "device", "surface", "daypart", "length")
CONTENT = ("genre", "actor", "tag", "director", "creator", "composer", "language", "distributor")
CONTEXTS = ("device", "surface", "country", "hour", "length", "surface_length")

ROWS = """
    create table log as
    select *, strftime(impression_ts, '%H')::int as hour,
           ['night', 'morning', 'afternoon', 'evening'][strftime(impression_ts, '%H')::int // 6 + 1] as daypart,
           greatest(0, floor(log2(media_duration_s / 2)))::int::varchar as length,
           round(watch_s * 1000)::bigint as watch_ms,
           (liked or commented or shared or followed)::int as acted,
           case when round(watch_s * 1000) * 10 >= media_duration_s * 8000 then 1
                when round(watch_s * 1000) * 10 <= media_duration_s * 1000 then 0 end as y
    from impressions
"""
CONTENTS = """
    create table content as
    select media_id, 'genre' as aspect, unnest(genres) as aspect_value from media
    union select media_id, 'actor', unnest("cast") from media
    union select media_id, 'tag', unnest(tags) from media
    union select media_id, 'director', director from media
    union select media_id, 'creator', creator from media
    union select media_id, 'composer', composer from media
    union select media_id, 'language', language from media
    union select media_id, 'distributor', distributor from media
"""
ASPECTS = """
    create table aspects as
    select l.impression_id, c.aspect, c.aspect_value from log l join content c using (media_id)
    union all select impression_id, 'device', device from log
    union all select impression_id, 'surface', surface from log
    union all select impression_id, 'daypart', daypart from log
    union all select impression_id, 'length', length from log
    union all select impression_id, 'hour', hour::varchar from log
    union all select impression_id, 'country', country from log
    union all select impression_id, 'surface_length', surface || '|' || length from log
"""


def prior(groups):
    """Return mean and strength of a beta prior by the method of moments, of (n, k) a group."""
    groups = [(n, k) for n, k in groups if n > 0]
    total, hits = sum(n for n, _ in groups), sum(k for _, k in groups)
    p, freedom = hits / total, len(groups) - 1
    spread = sum(round(k * k / n * 1e6) for n, k in groups) / 1e6 - hits * p
    room = total - sum(n * n for n, _ in groups) / total - freedom
    rho = (spread / (p * (1 - p)) - freedom) / room if p * (1 - p) > 0 and room > 0 else 0.1
    rho = min(0.5, max(1e-4, rho))
    return p, (1 - rho) / rho


class Oracle:
    """Features of single impressions, asked for one at a time."""

    def __init__(self, impressions, media, searches):
        """Load the tables (Arrow)."""
        self.sql = duckdb.connect()
        for name, table in (("impressions", impressions), ("media", media), ("searches", searches)):
            self.sql.register(f"{name}_arrow", table)
            self.sql.execute(f"create table {name} as select * from {name}_arrow")
        for statement in (ROWS, CONTENTS, ASPECTS):
            self.sql.execute(statement)
        self.priors, self.rates = {}, {}

    @functools.cache  # noqa: B019 - it lives as long as one test
    def one(self, text, *values):
        return self.sql.execute(text, values).fetchone()

    @functools.cache  # noqa: B019
    def all(self, text, *values):
        return self.sql.execute(text, values).fetchall()

    def learn(self, day):
        """Work out the priors and the rates by value as of the day."""
        start = day - dt.timedelta(days=LONGEST)
        for who in ("user_id", "media_id"):
            groups = self.all(
                f"select count(y), coalesce(sum(y), 0) from log where event_date >= ? and event_date < ? group by {who}",
                start,
                day,
            )
            self.priors[day, who] = prior(groups)
        found = {}
        for aspect, value, n, k in self.all(
            """select aspect, aspect_value, count(y), coalesce(sum(y), 0) from log join aspects using (impression_id)
               where event_date >= ? and event_date < ? group by all""",
            start,
            day,
        ):
            found.setdefault(aspect, {})[value] = (n, k)
        for aspect, values in found.items():
            p, strength = prior(values.values())
            self.rates[day, aspect] = {
                value: round((k + strength * p) / (n + strength) * 1e6) / 1e6 for value, (n, k) in values.items()
            }

    def features(self, impression_id):
        """Return name -> value of every windowed feature of one impression."""
        cursor = self.sql.execute("select * from log where impression_id = ?", [impression_id])
        row = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
        day, user, media = row["event_date"], row["user_id"], row["media_id"]
        if (day, "user_id") not in self.priors:
            self.learn(day)
        return {**self._user(day, user), **self._media(day, media), **self._context(day, row), **self._cross(day, row)}

    def _sums(self, who, key, first, day):
        return self.one(
            f"""select count(*), count(y), coalesce(sum(y), 0), coalesce(sum(acted), 0), coalesce(sum(watch_ms), 0),
                       count(distinct (event_date, session_id)), count(distinct event_date)
                from log where {who} = ? and event_date >= ? and event_date < ?""",
            key,
            first,
            day,
        )

    def _smoothed(self, day, who, k, n):
        p, strength = self.priors[day, who]
        return (k + strength * p) / (n + strength)

    def _user(self, day, user):
        found = {}
        for days in WINDOWS:
            rows, n, k, acted, watch, visits, active = self._sums("user_id", user, day - dt.timedelta(days=days), day)
            found |= {
                f"user_log_rows_{days}d": math.log1p(rows),
                f"user_active_days_{days}d": active,
                f"user_log_watch_s_{days}d": math.log1p(watch / 1000),
                f"user_engaged_rate_{days}d": self._smoothed(day, "user_id", k, n),
            }
        last = self.one("select max(event_date) from log where user_id = ? and event_date < ?", user, day)[0]
        searched = self.one(
            "select count(*) from searches where user_id = ? and event_date >= ? and event_date < ?",
            user,
            day - dt.timedelta(days=MEMORY),
            day,
        )[0]
        genres = self.all(
            """select aspect_value, sum(y * 2 ** (3 - (date_diff('day', event_date, ?) - 1) // 7)), sum(y)
               from log join aspects using (impression_id)
               where user_id = ? and aspect = 'genre' and event_date < ? and event_date >= ? group by 1""",
            day,
            user,
            day,
            day - dt.timedelta(days=MEMORY),
        )
        weights = [weight or 0 for _, weight, _ in genres]
        return found | {
            "user_session_s": watch / 1000 / visits if visits else 0.0,
            "user_acted_rate": acted / rows if rows else 0.0,
            "user_days_since_active": (day - last).days if last else LONGEST + 1,
            "user_log_searches": math.log1p(searched),
            "user_top_genre_share": max(weights) / sum(weights) if sum(weights) else 0.0,
            "user_genres": sum(weight > 0 for weight in weights),
        }

    def _media(self, day, media):
        found = {}
        for days in WINDOWS:
            rows, n, k, acted, watch, _, _ = self._sums("media_id", media, day - dt.timedelta(days=days), day)
            found[f"media_log_rows_{days}d"] = math.log1p(rows)
            found[f"media_engaged_rate_{days}d"] = self._smoothed(day, "media_id", k, n)
        latest = self.one(
            "select count(*) from log where media_id = ? and event_date = ? and hour >= 18",
            media,
            day - dt.timedelta(days=1),
        )[0]
        found |= {
            "media_log_latest_rows": math.log1p(latest),
            "media_watch_s_per_row": watch / 1000 / rows if rows else 0.0,
            "media_acted_rate": acted / rows if rows else 0.0,
        }
        sold = self.all(
            """select aspect_value from log join aspects using (impression_id)
               where aspect = 'distributor' and event_date < ? and event_date >= ?
               group by 1 order by count(*) desc, 1 limit 3""",
            day,
            day - dt.timedelta(days=LONGEST),
        )
        own = self.one("select distributor from media where media_id = ?", media)[0]
        found["media_is_top_distributor"] = float((own,) in sold)
        for aspect in CONTENT:
            values = self.all("select aspect_value from content where media_id = ? and aspect = ?", media, aspect)
            rates = [self.rates[day, aspect][value] for (value,) in values if value in self.rates[day, aspect]]
            found[f"media_{aspect}_rate"] = sum(rates) / len(rates) if rates else self.priors[day, "media_id"][0]
        return found

    def _context(self, day, row):
        values = {**row, "hour": str(row["hour"]), "surface_length": f"{row['surface']}|{row['length']}"}
        return {
            f"context_{aspect}_rate": self.rates[day, aspect].get(values[aspect], self.priors[day, "media_id"][0])
            for aspect in CONTEXTS
        }

    def _cross(self, day, row):
        found, user, media = {}, row["user_id"], row["media_id"]
        start = day - dt.timedelta(days=MEMORY)
        own = self._sums("user_id", user, day - dt.timedelta(days=LONGEST), day)
        own_rate = self._smoothed(day, "user_id", own[2], own[1])
        for aspect in CROSSES:
            mine = {
                value: (n, k or 0, weight or 0)
                for value, n, k, weight in self.all(
                    """select aspect_value, count(y), sum(y), sum(y * 2 ** (3 - (date_diff('day', event_date, ?) - 1) // 7))
                       from log join aspects using (impression_id)
                       where user_id = ? and aspect = ? and event_date < ? and event_date >= ? group by 1""",
                    day,
                    user,
                    aspect,
                    day,
                    start,
                )
            }
            values = [row[aspect]] if aspect in row else []
            if not values:
                asked = self.all("select aspect_value from content where media_id = ? and aspect = ?", media, aspect)
                values = [value for (value,) in asked]
            n, k, weight = (sum(mine[value][place] for value in values if value in mine) for place in range(3))
            everything = sum(weight for _, _, weight in mine.values())
            strength = self.priors[day, "user_id"][1]
            found |= {
                f"cross_log_{aspect}_engaged": math.log1p(k),
                f"cross_{aspect}_rate": (k + strength * own_rate) / (n + strength),
                f"cross_{aspect}_share": weight / everything if everything else 0.0,
            }
        its = self._sums("media_id", media, day - dt.timedelta(days=LONGEST), day)
        its_rate = self._smoothed(day, "media_id", its[2], its[1])
        for aspect in ("country", "surface"):
            rows, n, k = self.one(
                f"""select count(*), count(y), coalesce(sum(y), 0) from log
                    where media_id = ? and {aspect} = ? and event_date < ? and event_date >= ?""",
                media,
                row[aspect],
                day,
                day - dt.timedelta(days=LONGEST),
            )
            strength = self.priors[day, "media_id"][1]
            found[f"cross_log_rows_in_{aspect}"] = math.log1p(rows)
            found[f"cross_rate_in_{aspect}"] = (k + strength * its_rate) / (n + strength)
        last = self.one(
            """select m.genres[1] from log join media m using (media_id) where user_id = ? and y = 1 and event_date < ?
               order by impression_ts desc, media_id desc limit 1""",
            user,
            day,
        )
        named = self.one('select genres, "cast", title, director from media where media_id = ?', media)
        found["cross_last_genre_match"] = float(last is not None and last[0] in named[0])
        terms = {
            term
            for (term,) in self.all(
                "select distinct term from searches where user_id = ? and event_date < ? and event_date >= ?",
                user,
                day,
                start,
            )
        }
        words = {word.lower() for word in (*named[0], *named[1], named[2], named[3])}
        found["cross_search_match"] = float(bool(terms & words))
        return found
