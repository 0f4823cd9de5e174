"""What users search for is to their taste, and the same in any partitioning."""

import datetime as dt

import pytest

from conftest import GENERATED
from winnow.errors import SettingsError
from winnow.synthetic import searches

pytestmark = GENERATED


@pytest.fixture(scope="module")
def searched(spark, settings, day):
    return searches(spark, settings, day).toPandas()


def test_a_day_of_searches_is_made_by_its_users_within_the_day(searched, settings, day):
    assert len(searched) == settings.searches_per_day
    assert searched.user_id.between(1, settings.users).all()
    assert set(searched.event_date) == {day}
    assert set(searched.search_ts.dt.date) == {day}
    assert (searched.term == searched.term.str.lower()).all()
    assert not searched.isna().any(axis=None)


def test_users_search_for_the_genres_that_they_like(searched, settings):
    from winnow.synthetic import population
    from winnow.synthetic.draws import NumberDraws

    draws = NumberDraws(settings.seed)
    places = {genre.name: place for place, genre in enumerate(population.GENRES)}
    genres = searched[searched.term.isin(places)]
    assert 0.35 < len(genres) / len(searched) < 0.45
    liking = [
        population.genre_affinity(draws, user, population.age_band(draws, user), places[term])
        for user, term in zip(genres.user_id.tolist(), genres.term, strict=True)
    ]
    # The largest of three numbers of mean 0 and variance 1 is 0.85 on average; two of them are often of one genre.
    assert 0.6 < sum(liking) / len(liking) < 0.9


def test_terms_are_titles_and_directors_of_the_catalogue_too(searched, catalogue):
    known = {text.lower() for text in (*catalogue.title, *catalogue.director, *catalogue.genres.explode())}
    assert set(searched.term) <= known


def test_searches_before_the_first_day_are_refused(spark, settings):
    with pytest.raises(SettingsError, match="start_date"):
        searches(spark, settings, dt.date(2025, 12, 31))
