"""Windowed features worked out apart from the code: DuckDB over the raw log and catalogue, and a page of Python."""

import datetime as dt
import functools
import math

import duckdb

CONTENT = ("genre", "actor", "tag", "director", "creator", "composer", "language", "distributor")
CONTEXTS = ("device", "surface", "country", "hour", "length", "surface_length")

#: Every row of the log, by the log's own clock (log_ts) and by the user's (local_ts).
SHOWN = """
    create table shown as
    select *, least(event_date, log_ts::date) as as_of_date, strftime(local_ts, '%H')::int as hour,
           ['night', 'morning', 'afternoon', 'evening'][strftime(local_ts, '%H')::int // 6 + 1] as daypart,
           greatest(0, floor(log2(media_duration_s / 2)))::int::varchar as length,
           round(watch_s * 1000)::bigint as watch_ms,
           (liked or commented or shared or followed)::int as acted,
           case when round(watch_s * 1000) * 10 >= media_duration_s * 8000 then 1
                when round(watch_s * 1000) * 10 <= media_duration_s * 1000 then 0 end as y
    from (select *, impression_ts + to_minutes({minutes}) as log_ts, impression_ts + to_minutes({local_minutes}) as local_ts
          from impressions)
"""
#: What is counted: not what was shown after the end of the log's day.
LOG = "create table log as select * from shown where log_ts::date <= event_date"
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
    union select media_id, 'media', media_id::varchar from media
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

    def __init__(self, impressions, media, searches, settings, clock):
        """Load the tables (Arrow); ``settings``, ``clock``: those that the features are asked with."""
        self.asked, self.lag = settings, dt.timedelta(days=math.ceil(clock.maturity_hours / 24))
        self.longest = dt.timedelta(days=max(settings.windows_days))
        self.memory = dt.timedelta(days=settings.half_life_days * settings.half_lives)
        self.sql = duckdb.connect()
        for name, table in (("impressions", impressions), ("media", media), ("searches", searches)):
            self.sql.register(f"{name}_arrow", table)
            self.sql.execute(f"create table {name} as select * from {name}_arrow")
        minutes = round(clock.utc_offset_h * 60)
        own = "".join(f"when '{code}' then {round(h * 60)} " for code, h in settings.country_utc_offset_h.items())
        local = f"case country {own}else {minutes} end" if own else minutes
        for statement in (SHOWN.format(minutes=minutes, local_minutes=local), LOG, CONTENTS, ASPECTS):
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
        start = day - self.longest
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
        cursor = self.sql.execute("select * from shown where impression_id = ?", [impression_id])
        row = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
        day, user, media = row["as_of_date"] - self.lag, row["user_id"], row["media_id"]
        if (day, "user_id") not in self.priors:
            self.learn(day)
        return {**self._user(day, user), **self._media(day, media), **self._context(day, row), **self._cross(day, row)}

    def lists(self, impression_id):
        """Return name -> values of every list of one impression's user."""
        day, user = self.one("select as_of_date, user_id from shown where impression_id = ?", impression_id)
        day -= self.lag
        engaged = [value for value, (_, k, _) in self._remembered(day, user, "media").items() if k]
        terms = list(self._terms(day, user))[: self.asked.most_values]
        return {"user_media": engaged[: self.asked.most_listed], "user_terms": terms[: self.asked.most_listed]}

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
        for days in self.asked.windows_days:
            rows, n, k, acted, watch, visits, active = self._sums("user_id", user, day - dt.timedelta(days=days), day)
            found |= {
                f"user_log_rows_{days}d": math.log1p(rows),
                f"user_active_days_{days}d": active,
                f"user_log_watch_s_{days}d": math.log1p(watch / 1000),
                f"user_engaged_rate_{days}d": self._smoothed(day, "user_id", k, n),
            }
        last = self.one(
            "select max(event_date) from log where user_id = ? and event_date < ? and event_date >= ?",
            user,
            day,
            day - self.longest,
        )[0]
        weights = [weight for _, _, weight in self._engaged(day, user, "genre").values()]
        return found | {
            "user_session_s": watch / 1000 / visits if visits else 0.0,
            "user_acted_rate": acted / rows if rows else 0.0,
            "user_days_since_active": (day - last).days if last else self.longest.days + 1,
            "user_log_searches": math.log1p(sum(self._terms(day, user).values())),
            "user_top_genre_share": max(weights) / sum(weights) if sum(weights) else 0.0,
            "user_genres": sum(weight > 0 for weight in weights),
            "user_last_genre_code": self._last_genre(day, user),
        }

    def _last_genre(self, day, user):
        """Return the main genre of what the user engaged with last, None where they did not."""
        last = self.one(
            """select m.genres[1] from log join media m using (media_id)
               where user_id = ? and y = 1 and event_date < ? and event_date >= ? order by impression_ts desc, media_id desc limit 1""",
            user,
            day,
            day - self.longest,
        )
        return last and last[0]

    def _remembered(self, day, user, aspect):
        """Return value -> judged, engaged, and engaged halved with age, of the values of most engagement."""
        return dict(list(self._engaged(day, user, aspect).items())[: self.asked.most_values])

    def _engaged(self, day, user, aspect):
        """Return the same of all values, those of most engagement first."""
        found = self.all(
            """select aspect_value, count(y), coalesce(sum(y), 0),
                      coalesce(sum(y * 2 ** (? - 1 - (date_diff('day', event_date, ?) - 1) // ?)), 0)
               from log join aspects using (impression_id)
               where user_id = ? and aspect = ? and event_date < ? and event_date >= ?
               group by 1 order by 3 desc, count(*) desc, 1""",
            self.asked.half_lives,
            day,
            self.asked.half_life_days,
            user,
            aspect,
            day,
            day - self.memory,
        )
        return {value: (n, k, weight) for value, n, k, weight in found}

    def _terms(self, day, user):
        """Return term -> searches, those that were searched for most first."""
        found = self.all(
            """select lower(trim(term)), count(*) from searches where user_id = ? and event_date >= ? and event_date < ?
               group by 1 order by 2 desc, 1""",
            user,
            day - self.memory,
            day,
        )
        return dict(found)

    def _media(self, day, media):
        found = {}
        for days in self.asked.windows_days:
            rows, n, k, acted, watch, _, _ = self._sums("media_id", media, day - dt.timedelta(days=days), day)
            found[f"media_log_rows_{days}d"] = math.log1p(rows)
            found[f"media_engaged_rate_{days}d"] = self._smoothed(day, "media_id", k, n)
        latest = self.one(
            "select count(*) from log where media_id = ? and event_date = ? and strftime(log_ts, '%H')::int >= ?",
            media,
            day - dt.timedelta(days=1),
            24 - self.asked.last_hours,
        )[0]
        found |= {
            "media_log_latest_rows": math.log1p(latest),
            "media_watch_s_per_row": watch / 1000 / rows if rows else 0.0,
            "media_acted_rate": acted / rows if rows else 0.0,
        }
        sold = self.all(
            """select aspect_value from log join aspects using (impression_id)
               where aspect = 'distributor' and event_date < ? and event_date >= ?
               group by 1 order by count(*) desc, 1 limit ?""",
            day,
            day - self.longest,
            self.asked.top_distributors,
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
        own = self._sums("user_id", user, day - self.longest, day)
        own_rate = self._smoothed(day, "user_id", own[2], own[1])
        for aspect in self.asked.crosses:
            mine = self._remembered(day, user, aspect)
            values = [row[aspect]] if aspect in row else []
            if not values:
                asked = self.all("select aspect_value from content where media_id = ? and aspect = ?", media, aspect)
                values = [value for (value,) in asked]
            n, k, weight = (sum(mine[value][place] for value in values if value in mine) for place in range(3))
            everything = sum(weight for _, _, weight in self._engaged(day, user, aspect).values())
            strength = self.priors[day, "user_id"][1]
            found |= {
                f"cross_log_{aspect}_engaged": math.log1p(k),
                f"cross_{aspect}_rate": (k + strength * own_rate) / (n + strength),
                f"cross_{aspect}_share": weight / everything if everything else 0.0,
            }
        its = self._sums("media_id", media, day - self.longest, day)
        its_rate = self._smoothed(day, "media_id", its[2], its[1])
        for aspect in ("country", "surface"):
            remembered = self.all(
                f"""select {aspect}, count(*), count(y), coalesce(sum(y), 0) from log
                    where media_id = ? and {aspect} is not null and event_date < ? and event_date >= ?
                    group by 1 order by 4 desc, 2 desc, 1 limit ?""",
                media,
                day,
                day - self.longest,
                self.asked.most_values,
            )
            rows, n, k = next((told for value, *told in remembered if value == row[aspect]), (0, 0, 0))
            strength = self.priors[day, "media_id"][1]
            found[f"cross_log_rows_in_{aspect}"] = math.log1p(rows)
            found[f"cross_rate_in_{aspect}"] = (k + strength * its_rate) / (n + strength)
        named = self.one('select genres, "cast", title, director from media where media_id = ?', media)
        found["cross_last_genre_match"] = float(self._last_genre(day, user) in named[0])
        words = {word.lower() for word in (*named[0], *named[1], named[2], named[3])}
        found["cross_search_match"] = float(bool(set(list(self._terms(day, user))[: self.asked.most_values]) & words))
        return found
