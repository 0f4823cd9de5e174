"""Values of features where the tables tell little: ages of open bands, numbers of things of which there is no list."""

import pytest

from winnow.features.kinds import Known, of_source
from winnow.features.media import declared
from winnow.features.settings import FeatureSettings
from winnow.features.users import age_years


def test_an_age_band_that_is_open_below_is_not_as_old_as_its_end(spark):
    bands = {
        "under_18": 9,
        "Under 18": 9,
        "<25": 12.5,
        "below_16": 8,
        "18-24": 18,
        "65+": 65,
        "unknown": None,
        None: None,
    }
    rows = spark.createDataFrame([(band,) for band in bands], f"{of_source('user', 'age_band')} string")
    found = rows.select("*", age_years(Known(rows.columns)).alias("age")).collect()
    assert dict(map(tuple, found)) == bands


@pytest.mark.parametrize("is_ansi", ["true", "false"])
def test_no_list_has_no_number_whatever_the_session_takes_the_size_of_null_for(spark, is_ansi):
    (feature,) = (one for one in declared(FeatureSettings()) if one.name == "media_number_of_genres")
    rows = spark.createDataFrame([(None,), (["drama", "war"],), ([],)], f"{of_source('media', 'genres')} array<string>")
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", is_ansi)
    try:
        found = {row[0] for row in rows.select(feature.of(Known(rows.columns))).collect()}
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert found == {None, 2, 0}
